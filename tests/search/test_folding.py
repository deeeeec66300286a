"""Near-duplicates and the order of answers."""

import dataclasses

import numpy as np

from mcsan_jax.search.answering.result_making import arranged
from mcsan_jax.search.answers import FoundMoment, SearchAnswer
from mcsan_jax.search.folding import fold_duplicates


def plain_fold(vectors: np.ndarray, ranked: list[int], same: float) -> list[list[int]]:
    """By plain loops: each row joins the answer that it is nearest to, if that is near enough."""
    found: list[list[int]] = []
    for row in ranked:
        cosines = [
            float(vectors[row] @ vectors[own[0]])
            / float(np.linalg.norm(vectors[row]) * np.linalg.norm(vectors[own[0]]))
            for own in found
        ]
        if cosines and max(cosines) >= same:
            found[cosines.index(max(cosines))].append(row)
        else:
            found.append([row])
    return found


def test_each_row_is_folded_into_the_better_answer_that_it_is_nearest_to() -> None:
    rng = np.random.default_rng(0)
    # Twenty places with some twenty videos each, in more rows than are read at once.
    places = rng.normal(size=(20, 8))
    vectors = (places[rng.integers(20, size=400)] + 0.02 * rng.normal(size=(400, 8))).astype(np.float32)
    vectors *= rng.uniform(0.1, 10, size=(400, 1)).astype(np.float32)
    ranked = rng.permutation(400).tolist()
    expected = plain_fold(vectors, ranked, 0.995)
    assert 20 <= len(expected) < 60
    assert fold_duplicates(ranked, 400, lambda rows: vectors[list(rows)]) == expected
    first = fold_duplicates(ranked, 3, lambda rows: vectors[list(rows)])
    assert [own[0] for own in first] == [own[0] for own in expected[:3]]
    # What comes much later is not looked for.
    assert all(own == whole[: len(own)] for own, whole in zip(first, expected, strict=False))


def test_vectors_of_no_length_are_no_duplicates() -> None:
    assert fold_duplicates([0, 1], 2, lambda rows: np.zeros((len(rows), 4), np.float32)) == [[0], [1]]
    assert fold_duplicates([], 2, lambda rows: np.zeros((len(rows), 4), np.float32)) == []


def answer(video: str, rank: int, camera: str, start: float) -> SearchAnswer:
    moment = FoundMoment("a ball", start, start + 1, 0, 1)
    return SearchAnswer(
        rank, video, 1 / rank, None, {}, {}, (moment,), (0.5, 0.5), (0.0, 1.0), {"camera": camera}, None
    )


def test_groups_stand_by_their_best_answer_and_times_within_them() -> None:
    answers = [
        answer("clip 10", 1, "north", 5.0),
        answer("clip 9", 2, "south", 1.0),
        answer("clip 2", 3, "north", 2.0),
        dataclasses.replace(answer("clip 1", 4, "south", 0.0), moments=()),
    ]

    def videos(sort: str, group_by: str) -> list[str]:
        return [one.video.removeprefix("clip ") for one in arranged(answers, sort, group_by)]

    assert videos("score", "") == ["10", "9", "2", "1"]
    assert videos("time", "") == ["1", "2", "9", "10"]
    assert videos("score", "camera") == ["10", "2", "9", "1"]
    assert videos("time", "camera") == ["2", "10", "1", "9"]
    assert [one.rank for one in arranged(answers, "time", "")] == [4, 3, 2, 1]
