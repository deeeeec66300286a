import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.models.linear_branch import LinearBranch, first_occurrences, masked_maximum, pool_frames

FRAME_DIM, VOCABULARY, SENTENCE_DIM = 5, 9, 4


def draw_constants(branch: LinearBranch) -> Any:
    """Random constants: none is zero, and none hides a mistake."""
    draw = np.random.default_rng(0)
    frames, mask = jnp.zeros((1, 1, FRAME_DIM)), jnp.ones((1, 1), bool)
    shapes = jax.eval_shape(lambda: branch.init(jax.random.key(0), frames, mask, method=branch.encode_videos))
    drawn = jax.tree.map(lambda leaf: np.float32(np.abs(draw.normal(size=leaf.shape)) % 1.0), shapes)
    for name, value in drawn["statistics"].items():
        if name.endswith("_metric"):
            drawn["statistics"][name] = value @ value.T + np.eye(len(value), dtype=np.float32)
    return drawn


def over_length(vector: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """A vector over its length under a metric."""
    squared = sum(
        vector[one] * metric[one, other] * vector[other]
        for one in range(len(vector))
        for other in range(len(vector))
    )
    return vector / np.sqrt(squared)


def encoded(branch: LinearBranch, side: str, variables: Any, *given: np.ndarray) -> np.ndarray:
    """What a method of the branch makes of arrays."""
    on_device = jax.tree.map(jnp.asarray, variables)
    return np.asarray(branch.apply(on_device, *map(jnp.asarray, given), method=side))


def draw_texts() -> tuple[np.ndarray, ...]:
    """Tokens of captions of 6, 3, 1 and 0, with repetitions, their mask, which are denied, and their states.

    The padding holds numbers.
    """
    draw = np.random.default_rng(1)
    mask = np.arange(6)[None] < np.array([6, 3, 1, 0])[:, None]
    ids = draw.integers(1, VOCABULARY, mask.shape)
    ids[0] = [3, 5, 3, 3, 5, 1]
    denied = np.zeros(mask.shape, bool)
    # The second place, and the last one of the same token, which repeats it and so does not count.
    denied[0, [1, 4]] = denied[1, 2] = denied[2] = True
    return ids, mask, denied, draw.normal(size=(*mask.shape, SENTENCE_DIM)).astype(np.float32)


def test_first_occurrences() -> None:
    ids, mask, *_ = draw_texts()
    expected = np.zeros(mask.shape)
    for text, place in itertools.product(range(4), range(6)):
        earlier = ids[text, :place][mask[text, :place]]
        expected[text, place] = mask[text, place] and ids[text, place] not in earlier
    np.testing.assert_array_equal(first_occurrences(jnp.asarray(ids), jnp.asarray(mask)), expected)
    assert expected[0].tolist() == [1, 1, 0, 0, 0, 1]


def test_padding_is_no_earlier_occurrence() -> None:
    """Padding in front of a token, as no batch has it, and the same id behind it."""
    found = first_occurrences(jnp.asarray([[4, 4, 4]]), jnp.asarray([[False, True, True]]))
    np.testing.assert_array_equal(found, [[0, 1, 0]])


@pytest.mark.parametrize("sentence_dim", [0, SENTENCE_DIM])
def test_texts_are_those_of_plain_loops(sentence_dim: int) -> None:
    branch = LinearBranch(FRAME_DIM, VOCABULARY, sentence_dim)
    variables = draw_constants(branch)
    ids, mask, denied, states = draw_texts()
    held = {name: np.float64(value) for name, value in variables["statistics"].items()}
    expected = []
    for text in range(3):
        signs: dict[int, float] = {}
        for token, is_denied in zip(ids[text][mask[text]].tolist(), denied[text], strict=False):
            signs.setdefault(token, -1.0 if is_denied else 1.0)
        tokens = sorted(signs)
        length = np.sqrt(sum(held["token_weights"][token] ** 2 for token in tokens))
        vector = sum(
            signs[token] * held["token_weights"][token] / length * held["tokens_to_words"][token]
            for token in tokens
        )
        parts = [held["words_share"] * over_length(vector, held["words_metric"])]
        if sentence_dim:
            mean = np.float64(states[text][mask[text]]).mean(axis=0)
            direction = mean / np.linalg.norm(mean) - held["sentence_mean"]
            direction /= np.linalg.norm(direction)
            vector = over_length(direction @ held["states_to_sentences"], held["sentences_metric"])
            parts.append((1 - held["words_share"]) * vector)
        expected.append(np.concatenate(parts))
    found = encoded(branch, "encode_texts", variables, ids, mask, denied, states)
    np.testing.assert_allclose(found[:3], expected, atol=1e-6, rtol=0)
    # A caption without tokens scores nothing.
    assert not found[3].any()


@pytest.mark.parametrize("sentence_dim", [0, SENTENCE_DIM])
def test_videos_are_those_of_plain_loops(sentence_dim: int) -> None:
    branch = LinearBranch(FRAME_DIM, VOCABULARY, sentence_dim)
    variables = draw_constants(branch)
    held = {name: np.float64(value) for name, value in variables["statistics"].items()}
    frames = np.random.default_rng(2).normal(size=(3, 4, FRAME_DIM)).astype(np.float32)
    lengths = [4, 2, 1]
    mask = np.arange(4)[None] < np.array(lengths)[:, None]
    expected = []
    for clip, length in zip(np.float64(frames), lengths, strict=True):
        pooled = np.concatenate([clip[:length].mean(axis=0), clip[:length].max(axis=0)]) - held["frames_mean"]
        sides = [pooled @ held["frames_to_words"]]
        sides += [pooled @ held["frames_to_sentences"]] if sentence_dim else []
        expected.append(np.concatenate([side / np.linalg.norm(side) for side in sides]))
    found = encoded(branch, "encode_videos", variables, frames, mask)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_frames_are_pooled_alike_on_the_host() -> None:
    draw = np.random.default_rng(3)
    frames, mask = draw.normal(size=(3, 4, FRAME_DIM)) - 5.0, np.array([[1] * 4, [1, 0, 0, 0], [0] * 4], bool)
    expected = np.zeros((3, 2 * FRAME_DIM))
    expected[0] = *frames[0].mean(axis=0), *frames[0].max(axis=0)
    expected[1] = *frames[1, 0], *frames[1, 0]
    np.testing.assert_allclose(pool_frames(frames, mask), expected, atol=1e-12)
    largest = masked_maximum(jnp.asarray(frames, jnp.float32), jnp.asarray(mask))
    np.testing.assert_allclose(largest, expected[:, FRAME_DIM:], rtol=1e-6)


def test_a_branch_that_was_never_fitted_scores_nothing() -> None:
    branch = LinearBranch(FRAME_DIM, VOCABULARY, SENTENCE_DIM)
    variables = jax.tree.map(np.zeros_like, draw_constants(branch))
    frames = np.ones((2, 1, FRAME_DIM), np.float32)
    assert not encoded(branch, "encode_videos", variables, frames, np.ones((2, 1), bool)).any()
    assert not encoded(branch, "encode_texts", variables, *draw_texts()).any()
