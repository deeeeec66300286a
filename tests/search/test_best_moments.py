"""Moments are compared with a search through all stretches, and score parts with their formula."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsan_jax.retrieval.embeddings import FrameVectors
from mcsan_jax.search.best_moments import best_moment, found_moments, frame_relevance
from mcsan_jax.search.query_score import NEGATIVE_WEIGHT, ORDER_WEIGHT, combine_parts
from mcsan_jax.search.stretches import LEVEL, best_stretches

NO_TIMES = np.zeros(0, np.float32)


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def frame_vectors(rng: np.random.Generator, counts: list[int], frames: int, dim: int) -> FrameVectors:
    real = np.arange(frames) < np.array(counts)[:, None]
    directions = unit(rng, len(counts), frames, dim) * real[:, :, None]
    return FrameVectors(
        directions,
        real * rng.uniform(0.1, 1, real.shape).astype(np.float32),
        np.einsum("vfd,vgd->vfg", directions, directions),
    )


def test_relevance_is_the_mean_cosine_weighted_and_smoothed() -> None:
    rng = np.random.default_rng(0)
    counts, frames = [5, 1, 7, 2], 7
    levels = {level: frame_vectors(rng, counts, frames, 6) for level in ("entity", "action", "relationship")}
    nodes = {"entity": unit(rng, 3, 6), "action": unit(rng, 1, 6), "relationship": unit(rng, 0, 6)}
    shares = {"global": 0.4, "entity": 0.2, "action": 0.3, "relationship": 0.1}
    found = frame_relevance(nodes, shares, levels)
    for video, count in enumerate(counts):
        plain = []
        for frame in range(count):
            total = 0.0
            for level in ("entity", "action"):
                cosines = [float(node @ levels[level].directions[video, frame]) for node in nodes[level]]
                total += shares[level] * sum(cosines) / len(cosines)
            plain.append(total)
        smooth = []
        for frame in range(count):
            near = [(w, plain[f]) for f, w in ((frame - 1, 1), (frame, 2), (frame + 1, 1)) if 0 <= f < count]
            smooth.append(sum(w * x for w, x in near) / sum(w for w, _ in near))
        np.testing.assert_allclose(found[video, :count], smooth, atol=1e-6)
        assert np.isnan(found[video, count:]).all()
    assert found.dtype == np.float32


def test_a_frame_without_length_in_the_middle_is_no_padding() -> None:
    directions = np.array([[[1, 0], [0, 0], [1, 0], [0, 0]]], np.float32)
    frames = FrameVectors(directions, np.array([[1, 0, 0.5, 0]], np.float32), np.zeros((1, 4, 4), np.float32))
    found = frame_relevance({"entity": np.array([[1, 0]], np.float32)}, {"entity": 1.0}, {"entity": frames})
    np.testing.assert_allclose(found, [[2 / 3, 0.5, 2 / 3, np.nan]], rtol=1e-6)


def test_a_text_without_nodes_meets_no_frame() -> None:
    frames = {"entity": frame_vectors(np.random.default_rng(0), [3, 2], 3, 4)}
    found = frame_relevance({"entity": np.zeros((0, 4), np.float32)}, {"entity": 0.0}, frames)
    assert found.shape == (2, 3)
    assert np.isnan(found).all()
    assert best_moment(found[0], NO_TIMES) is None
    stretches = best_stretches(found[None])
    assert found_moments(["a"], stretches, 0, NO_TIMES) == ()
    assert stretches.order_lost.tolist() == [0, 0]


def gain(relevance: np.ndarray) -> np.ndarray:
    mean = relevance.mean()
    return relevance - (mean + LEVEL * (relevance.max() - mean))


def best_by_trying(relevances: list[np.ndarray]) -> float:
    """The largest sum of the stretches' gains, of all that follow one another; -inf where there are none."""
    frames, steps = len(relevances[0]), len(relevances)
    gains = [gain(one) for one in relevances]
    return max(
        (
            sum(float(gains[k][cuts[2 * k] : cuts[2 * k + 1] + 1].sum()) for k in range(steps))
            for cuts in itertools.combinations_with_replacement(range(frames), 2 * steps)
            if all(cuts[2 * k + 1] < cuts[2 * k + 2] for k in range(steps - 1))
        ),
        default=-np.inf,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_stretches_are_the_best_of_all(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    counts = [8, 3, 5, 1]
    relevances = rng.normal(size=(steps, 4, 8)).astype(np.float32)
    relevances[:, np.arange(8) >= np.array(counts)[:, None]] = np.nan
    found = best_stretches(relevances)
    for video, count in enumerate(counts):
        of_video = [one[:count] for one in relevances[:, video]]
        alone = [best_by_trying([one]) for one in of_video]
        ordered = best_by_trying(of_video)
        first, last = found.first[:, video], found.last[:, video]
        assert (first >= 0).all() and (first <= last).all() and (last < count).all()
        sums = [gain(one)[a : b + 1].sum() for one, a, b in zip(of_video, first, last, strict=True)]
        if count >= steps:
            assert (last[:-1] < first[1:]).all()
            np.testing.assert_allclose(sum(sums), ordered, atol=1e-5)
            lost = (sum(alone) - ordered) / sum(alone) if sum(alone) > 1e-6 else 0
            np.testing.assert_allclose(found.order_lost[video], min(max(lost, 0), 1), atol=1e-5)
        else:
            np.testing.assert_allclose(sums, alone, atol=1e-5)
            assert found.order_lost[video] == 1


def test_one_step_loses_nothing_to_order() -> None:
    found = best_stretches(np.random.default_rng(0).normal(size=(1, 50, 20)).astype(np.float32))
    assert not found.order_lost.any()


def test_the_right_order_wins() -> None:
    early, late = np.array([[0.0, 1, 1, 0, 0, 0, 0, 0]]), np.array([[0.0, 0, 0, 0, 0, 1, 1, 1]])
    right = best_stretches(np.array([early, late], np.float32))
    assert (right.first.tolist(), right.last.tolist(), right.order_lost.tolist()) == (
        [[1], [5]],
        [[2], [7]],
        [0],
    )
    wrong = best_stretches(np.array([late, early], np.float32))
    assert wrong.order_lost[0] > 0.5


def test_a_step_that_meets_no_frame_does_not_bind_the_others() -> None:
    peak = np.array([[0.0, 0, 1, 0]], np.float32)
    found = best_stretches(np.array([peak, np.full((1, 4), np.nan), peak], np.float32))
    assert found.order_lost.tolist() == [0]
    moments = found_moments(["a", "b", "c"], found, 0, NO_TIMES)
    assert [(one.text, one.first, one.last) for one in moments] == [("a", 2, 2), ("c", 2, 2)]


def test_where_all_frames_are_alike_the_moment_is_the_whole_video() -> None:
    moment = best_moment(np.full(6, 0.25, np.float32), NO_TIMES)
    assert moment is not None
    assert (moment.first, moment.last) == (0, 5)


@pytest.mark.parametrize(
    ("seconds", "start", "end"),
    [
        # A frame reaches half-way to its neighbours.
        ([0.5, 1.5, 2.5, 3.5, 4.5], 1.0, 3.0),
        ([1, 2, 4, 5, 9], 1.5, 4.5),
        ([], 1, 2),
    ],
)
def test_a_moment_lasts_as_long_as_its_frames(seconds: list[float], start: float, end: float) -> None:
    relevance = np.array([0, 1, 1, 0, 0], np.float32)
    moment = best_moment(relevance, np.array(seconds, np.float32), "a dog")
    assert moment is not None
    assert (moment.text, moment.start, moment.end, moment.first, moment.last) == ("a dog", start, end, 1, 2)


def test_the_ends_of_a_video_reach_outwards_but_not_before_its_start() -> None:
    flat = np.zeros(3, np.float32)
    moment = best_moment(flat, np.array([0.25, 1.25, 3.25], np.float32))
    assert moment is not None and (moment.start, moment.end) == (0, 4)
    single = best_moment(flat[:1], np.array([7], np.float32))
    assert single is not None and (single.start, single.end) == (7, 7)


def test_a_moment_of_a_part_stays_in_it() -> None:
    stretches = best_stretches(np.zeros((1, 1, 4), np.float32))
    (moment,) = found_moments(
        ["a"], stretches, 0, np.array([11.5, 12, 12.5, 13], np.float32), part=(11.5, 13.1)
    )
    assert (moment.start, moment.end) == (11.5, 13.1)


def test_a_last_frame_that_comes_late_reaches_no_further_than_the_others() -> None:
    moment = best_moment(np.zeros(5, np.float32), np.array([0, 0.5, 1, 1.5, 3], np.float32))
    assert moment is not None and (moment.start, moment.end) == (0, 3.25)


def test_contributions_add_up_to_the_score() -> None:
    rng = np.random.default_rng(0)
    first, second = (
        {name: rng.normal(size=30).astype(np.float32) for name in ("global", "entity")} for _ in "ab"
    )
    shares = [{"global": 0.25, "entity": 0.75}, {"global": 1.0, "entity": 0.0}]
    for step, share in zip((first, second), shares, strict=True):
        step["fused"] = sum(np.float32(weight) * step[name] for name, weight in share.items())
    negatives = {
        "dog": rng.normal(size=30).astype(np.float32),
        "a cat": rng.normal(size=30).astype(np.float32),
    }
    lost = rng.uniform(size=30).astype(np.float32)
    found = combine_parts([first, second], shares, negatives, lost)
    np.testing.assert_allclose(sum(found.contributions.values()), found.scores, atol=1e-6)
    mean = (first["fused"] + second["fused"]) / 2
    expected = mean - ORDER_WEIGHT * lost * np.maximum(mean, 0)
    for fused in negatives.values():
        expected = expected - NEGATIVE_WEIGHT * np.maximum(fused, 0)
    np.testing.assert_allclose(found.scores, expected, atol=1e-6)
    assert list(found.contributions) == ["global", "entity", "order", "without dog", "without a cat"]
    for name in ("order", "without dog", "without a cat"):
        assert (found.contributions[name] <= 0).all() and (found.contributions[name] < 0).any()


def test_a_single_step_has_the_score_of_the_model() -> None:
    step = {"global": np.array([0.1, -0.3], np.float32), "fused": np.array([0.1, -0.3], np.float32)}
    found = combine_parts([step], [{"global": 1.0}], {})
    np.testing.assert_array_equal(found.scores, step["fused"])
    assert list(found.contributions) == ["global"]
    np.testing.assert_array_equal(found.contributions["global"], step["global"])
