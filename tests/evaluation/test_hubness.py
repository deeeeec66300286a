import decimal
import itertools
import pathlib
import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.special import logsumexp

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.hub_study import choose_temperature
from mcsan_jax.evaluation.hubness import (
    METHODS,
    CrossDomainScaling,
    DualSoftmax,
    InvertedSoftmax,
    QueryBankNorm,
    corrected_blocks,
    corrected_ranks,
    fit_correction,
)
from mcsan_jax.ranking.metrics import retrieval_metrics
from mcsan_jax.ranking.occurrences import BestItems, TopAnswers, k_occurrences, skewness
from mcsan_jax.ranking.ranks import text_to_video_ranks, video_to_text_ranks
from mcsan_jax.ranking.relevance import Matches

WITH_TEMPERATURE = tuple(method for method in METHODS if method != "CSLS")


def definition(method: str, scores: np.ndarray, bank: np.ndarray, temperature: float) -> np.ndarray:
    """Each formula as its paper writes it, entry by entry, in numbers of any size. Scores [gallery, queries]."""
    tau = decimal.Decimal(temperature)

    def power(score: float) -> decimal.Decimal:
        return (decimal.Decimal(float(score)) / tau).exp()

    gallery, queries = scores.shape
    corrected = np.empty(scores.shape, object)
    best_of_bank = {int(np.argmax(bank[:, b])) for b in range(bank.shape[1])}
    for g in range(gallery):
        nearest = sorted(map(float, bank[g]), reverse=True)[:10]
        total = sum((power(score) for score in bank[g]), decimal.Decimal(0))
        for q in range(queries):
            score = decimal.Decimal(float(scores[g, q]))
            if method == "CSLS":
                corrected[g, q] = 2 * score - decimal.Decimal(sum(nearest)) / len(nearest)
            elif method == "DSL":
                corrected[g, q] = score * power(scores[g, q]) / total
            elif method == "QB-Norm" and int(np.argmax(scores[:, q])) not in best_of_bank:
                corrected[g, q] = score
            else:
                corrected[g, q] = power(scores[g, q]) / total
    return corrected


def assert_same_order(found: np.ndarray, expected: np.ndarray) -> None:
    """Within every column, what is above by the definition is above, but for steps below the last bits of float32."""
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    for q in range(found.shape[1]):
        order = sorted(range(len(found)), key=lambda g: expected[g, q])
        assert np.all(np.diff(found[order, q]) > 0), q


def problem(direction: str, seed: int, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Scores [videos, texts] and those of a bank, with some items near to everything."""
    rng = np.random.default_rng(seed)
    videos, texts, bank = 7, 9, 12
    scores = spread * rng.normal(size=(videos, texts))
    shape = (videos, bank) if direction == "t2v" else (bank, texts)
    near = spread * rng.normal(size=(videos, 1) if direction == "t2v" else (1, texts))
    return (scores + near).astype(np.float32), (spread * rng.normal(size=shape) + near).astype(np.float32)


def seen(matrix: np.ndarray, direction: str) -> np.ndarray:
    return matrix if direction == "t2v" else matrix.T


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("temperature", "spread"), [(1.0, 0.3), (0.07, 0.3), (0.005, 0.3), (0.005, 30.0), (100.0, 30.0)]
)
def test_the_order_is_that_of_the_definition(
    method: str, direction: str, temperature: float, spread: float
) -> None:
    scores, bank = problem(direction, seed=3, spread=spread)
    if method == "DSL":
        bank = scores
    correction = fit_correction(method, bank, direction, None if method == "CSLS" else temperature)
    ((block, videos, texts),) = corrected_blocks(correction, scores, direction)
    assert (videos, texts) == (slice(0, 7), slice(0, 9))
    expected = definition(method, seen(scores, direction), seen(bank, direction), temperature)
    assert_same_order(seen(block, direction), expected)


def test_which_corrections_look_at_the_other_test_queries() -> None:
    labels = {
        correction.name: correction.transductive
        for correction in (InvertedSoftmax, QueryBankNorm, CrossDomainScaling, DualSoftmax)
    }
    assert labels == {"inverted softmax": False, "QB-Norm": False, "CSLS": False, "DSL": True}
    assert tuple(labels) == METHODS


def test_a_search_for_one_query_gives_what_the_evaluation_gives() -> None:
    scores, bank = problem("t2v", seed=4)
    for method in METHODS[:3]:
        correction = fit_correction(method, bank, "t2v", None if method == "CSLS" else 0.1)
        together = correction(scores)
        alone = np.concatenate([correction(scores[:, q : q + 1]) for q in range(9)], axis=1)
        np.testing.assert_array_equal(together, alone)


def test_equal_scores_stay_equal_and_zeros_are_between() -> None:
    scores = np.array([[0.0, 0.2], [0.5, 0.2], [-0.5, 0.2], [0.5, 0.2], [-0.1, 0.2]], np.float32)
    found = fit_correction("DSL", scores, "t2v", 0.005)(scores)
    assert found[1, 0] == found[3, 0] > found[0, 0] == 0.0
    assert found[2, 0] < 0
    assert found[4, 0] < 0
    zeros = np.zeros((4, 3), np.float32)
    for method in METHODS:
        corrected = fit_correction(method, zeros, "t2v", 0.05)(zeros)
        np.testing.assert_array_equal(corrected, zeros)


def test_qb_norm_leaves_queries_alone_whose_best_answer_is_no_answer_of_the_bank() -> None:
    scores, bank = problem("t2v", seed=5)
    correction = fit_correction("QB-Norm", bank, "t2v", 0.05)
    assert isinstance(correction, QueryBankNorm)
    best_of_bank = set(np.argmax(bank, axis=0).tolist())
    assert set(np.flatnonzero(correction.activated).tolist()) == best_of_bank
    everywhere = fit_correction("inverted softmax", bank, "t2v", 0.05)(scores)
    normalised = [best in best_of_bank for best in np.argmax(scores, axis=0).tolist()]
    assert 0 < sum(normalised) < len(normalised)
    found = correction(scores)
    for q, corrected in enumerate(normalised):
        np.testing.assert_array_equal(found[:, q], everywhere[:, q] if corrected else scores[:, q])


def hub_problem(seed: int = 6) -> tuple[np.ndarray, np.ndarray, Matches]:
    """60 videos with 4 captions each, and the scores of 500 training captions; video 11 is near to every caption."""
    rng = np.random.default_rng(seed)
    videos = rng.normal(size=(60, 24))
    owners = np.repeat(np.arange(60), 4)
    captions = videos[owners] + 0.9 * rng.normal(size=(240, 24))
    training = rng.normal(size=(500, 24))
    offset = np.full(24, 0.6)
    videos[11] = 0.15 * videos[11] + 1.2 * offset

    def cosines(texts: np.ndarray) -> np.ndarray:
        texts = texts + offset
        return (
            videos @ texts.T / np.linalg.norm(videos, axis=1)[:, None] / np.linalg.norm(texts, axis=1)
        ).astype(np.float32)

    return cosines(captions), cosines(training), Matches.of_owners(owners, 60)


@pytest.mark.parametrize(
    ("method", "left"), [("inverted softmax", 0.15), ("QB-Norm", 0.25), ("CSLS", 0.6), ("DSL", 0.85)]
)
def test_a_hub_is_removed(method: str, left: float) -> None:
    """Of 170 occurrences at most the share `left` is left; 20 are what an item has on average."""
    scores, bank, matches = hub_problem()
    if method == "DSL":
        bank = scores
    correction = fit_correction(method, bank, "t2v", None if method == "CSLS" else 0.05)
    before = occurrences([(scores, slice(0, 60), slice(0, 240))])
    after = occurrences(corrected_blocks(correction, scores, "t2v"))
    assert np.argmax(before) == 11
    assert before[11] > 8 * np.mean(before)
    assert after[11] < left * before[11]
    recall = retrieval_metrics(text_to_video_ranks(scores, matches.videos))["R@1"]
    assert retrieval_metrics(corrected_ranks(correction, scores, matches, "t2v"))["R@1"] > recall + 5


def test_the_skewness_tells_of_the_hub() -> None:
    scores, bank, _ = hub_problem()
    correction = fit_correction("QB-Norm", bank, "t2v", 0.05)
    assert skewness(occurrences([(scores, slice(0, 60), slice(0, 240))])) > 4
    assert skewness(occurrences(corrected_blocks(correction, scores, "t2v"))) < 1


def occurrences(blocks: Iterable[tuple[np.ndarray, slice, slice]]) -> np.ndarray:
    best = BestItems(5, 240, 60)
    for block, videos, texts in blocks:
        best.add(block.T, texts, videos)
    return k_occurrences(best.answers().items, 60)


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_large_matrices_are_worked_on_in_pieces_from_disk(direction: str, tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(7)
    videos, texts, bank_size = 300, 4500, 1200
    shapes = {
        "scores": (videos, texts),
        "bank": (videos, bank_size) if direction == "t2v" else (bank_size, texts),
    }
    mapped = {}
    for name, shape in shapes.items():
        np.save(tmp_path / f"{name}.npy", rng.normal(size=shape).astype(np.float32))
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    scores, bank = (seen(np.array(mapped[name], np.float64), direction) for name in ("scores", "bank"))
    owners = np.arange(texts) % videos
    penalties = 0.05 * (logsumexp(bank / 0.05, axis=1) - np.log(bank.shape[1]))
    activated = np.isin(np.argmax(scores, axis=0), np.argmax(bank, axis=0))
    nearest = np.sort(bank, axis=1)[:, -10:].mean(axis=1)
    softmax = scores - penalties[:, None]
    dual = scores - 0.05 * logsumexp(scores / 0.05, axis=1, keepdims=True)
    expected = {
        "inverted softmax": softmax,
        "QB-Norm": np.where(activated, softmax, scores),
        "CSLS": scores - nearest[:, None] / 2,
    }
    ranks_of = text_to_video_ranks if direction == "t2v" else video_to_text_ranks
    for method, corrected in expected.items():
        correction = fit_correction(method, mapped["bank"], direction, None if method == "CSLS" else 0.05)
        found = np.full((videos, texts), np.nan, np.float32)
        for block, rows, columns in corrected_blocks(correction, mapped["scores"], direction):
            assert np.isnan(found[rows, columns]).all()
            found[rows, columns] = block
        np.testing.assert_allclose(found, seen(corrected, direction), atol=1e-6)
        ranks = corrected_ranks(correction, mapped["scores"], Matches.of_owners(owners, videos), direction)
        whole = ranks_of(found, owners)
        np.testing.assert_array_equal(ranks.greater, whole.greater)
        np.testing.assert_array_equal(ranks.tied, whole.tied)
        np.testing.assert_array_equal(ranks.relevant, whole.relevant)
    correction = fit_correction("DSL", mapped["scores"], direction, 0.05)
    for block, rows, columns in corrected_blocks(correction, mapped["scores"], direction):
        exact = seen(np.sign(scores) * np.exp((np.log(np.abs(scores)) + dual / 0.05) / 100), direction)
        found, exact = seen(block, direction), seen(exact[rows, columns], direction)
        order = np.argsort(exact, axis=0)
        assert np.all(np.diff(np.take_along_axis(found, order, 0), axis=0) >= 0)
        assert np.mean(np.diff(np.take_along_axis(found, order, 0), axis=0) > 0) > 0.999


def test_no_second_copy_of_the_matrix(tmp_path: pathlib.Path) -> None:
    videos, texts = 1500, 30_000
    path = tmp_path / "scores.npy"
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, (videos, texts))
    matrix[:] = np.sin(np.arange(texts, dtype=np.float32))
    matrix[:, 0] = np.arange(videos)
    matches = Matches.of_owners(np.arange(texts) % videos, videos)
    tracemalloc.start()
    for direction in ("t2v", "v2t"):
        correction = fit_correction("QB-Norm", matrix, direction, 0.05)
        corrected_ranks(correction, matrix, matches, direction)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * matrix.nbytes


def test_the_temperature_is_chosen_by_the_validation_recalls() -> None:
    scores, bank, matches = hub_problem()
    rng = np.random.default_rng(8)
    banks = {"t2v": bank, "v2t": rng.normal(scale=0.2, size=(300, 240)).astype(np.float32)}
    grid = (10.0, 0.5, 0.1, 0.02, 0.005)
    recalls: dict[str, list[float]] = {direction: [] for direction in banks}
    for direction, temperature in itertools.product(banks, grid):
        correction = fit_correction("QB-Norm", banks[direction], direction, temperature)
        metrics = retrieval_metrics(corrected_ranks(correction, scores, matches, direction))
        recalls[direction].append(sum(metrics[f"R@{k}"] for k in (1, 5, 10)))
    both = np.add(recalls["t2v"], recalls["v2t"])
    for given, sums in (
        (banks, both),
        ({"t2v": bank}, recalls["t2v"]),
        ({"v2t": banks["v2t"]}, recalls["v2t"]),
    ):
        assert len(set(sums)) > 1
        assert choose_temperature("QB-Norm", scores, matches, given, grid) == grid[int(np.argmax(sums))]
    same = choose_temperature("inverted softmax", scores, matches, {"t2v": np.zeros((60, 3))}, (0.3, 0.1))
    assert same == 0.3


def test_hubs_of_corrected_scores_can_be_counted_in_both_directions() -> None:
    """The blocks are those that `TopAnswers` takes."""
    scores, bank, _ = hub_problem()
    answers = TopAnswers(5, *scores.shape)
    for block in corrected_blocks(fit_correction("CSLS", bank, "t2v"), scores, "t2v"):
        answers.count(*block)
    assert answers.text_to_video().items.shape == (240, 5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_scores_that_are_not_finite_raise(method: str, direction: str) -> None:
    scores, bank = problem(direction, seed=9)
    correction = fit_correction(method, bank, direction, None if method == "CSLS" else 0.1)
    bad = scores.copy()
    seen(bad, direction)[3, 5] = np.nan
    with pytest.raises(InputError, match="gallery item 3 and query 5 is nan"):
        list(corrected_blocks(correction, bad, direction))
    seen(bank, direction)[2, 4] = np.inf
    with pytest.raises(InputError, match="gallery item 2 and query of the bank 4 is inf"):
        fit_correction(method, bank, direction, None if method == "CSLS" else 0.1)


def test_unfit_banks_and_temperatures_raise() -> None:
    scores, bank = problem("t2v", seed=10)
    with pytest.raises(
        InputError, match="bank was scored with 6 gallery items, the scores to correct have 7"
    ):
        list(corrected_blocks(fit_correction("CSLS", bank[:6], "t2v"), scores, "t2v"))
    with pytest.raises(InputError, match="bank of QB-Norm for v2t holds 0 queries and 9 gallery items"):
        fit_correction("QB-Norm", np.zeros((0, 9)), "v2t", 0.1)
    for temperature in (0.0, -1.0, np.nan, np.inf, None):
        with pytest.raises(InputError, match="must be above 0 and finite, found"):
            fit_correction("inverted softmax", bank, "t2v", temperature)
    with pytest.raises(InputError, match="unknown correction 'magic'; choose from inverted softmax"):
        fit_correction("magic", bank, "t2v", 0.1)
    with pytest.raises(ValueError, match="direction must be 't2v' or 'v2t', found 'both'"):
        fit_correction("CSLS", bank, "both")
    matches = Matches.of_owners(np.arange(9) % 7, 7)
    with pytest.raises(InputError, match="no temperature to choose for CSLS"):
        choose_temperature("CSLS", scores, matches, {"t2v": bank}, (0.1,))
    with pytest.raises(InputError, match="no temperature to choose for DSL: 0 temperatures"):
        choose_temperature("DSL", scores, matches, {"t2v": bank}, ())
