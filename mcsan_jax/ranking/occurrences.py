"""This module keeps the best answers of every query, and counts the items that are among those of too many: hubs.

Radovanović, Nanopoulos and Ivanović, "Hubs in Space", JMLR 2010: N_k of an item counts the queries that have it among
their k best answers. Its skewness is the usual measure of hubness: near 0 where items are returned about equally
often, large where a few hubs crowd out the others.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.errors import InputError
from mcsan_jax.ranking.ranks import Gather, SecondRoundCounter

HUB_ANSWERS = 10
"""An item occurs where it is among so many best answers."""

_BITS = np.uint64(32)
_SIGN = np.uint32(1 << 31)
_ALL = np.uint32((1 << 32) - 1)


@dataclasses.dataclass(frozen=True)
class Answers:
    """They are the best items of every query.

    Attributes:
        items: indices [q, k], the best first, of equal scores the lower index first. A query with fewer than k items
            has −1 in the last places.
        scores: float32 [q, k]; −inf where the item is −1.
    """

    items: Int[np.ndarray, "q k"]
    scores: Float[np.ndarray, "q k"]


class BestItems:
    """It keeps the best items of every query while scores come in blocks, in any order and cut in any way.

    A score and an index make one whole number that sorts by both: the score in the upper 32 bits, mapped so that they
    sort as floats do, and the inverted index in the lower ones. So nothing hangs on the cut, and partitioning needs no
    second array. Only entries that reach the query's current k-th best score are looked at.

    Args:
        k: how many to keep.
        queries: number of queries.
        items: number of items.
    """

    def __init__(self, k: int, queries: int, items: int) -> None:
        if k < 1:
            raise ValueError(f"k, the number of answers to keep, must be at least 1, found {k}")
        self._k, self._cells = k, queries * items
        self._seen = 0
        self._worst = np.full(queries, -np.inf, np.float32)
        self._keys = np.repeat(_keys(self._worst[:, None], _ALL), k, axis=1)

    def add(self, scores: Float[np.ndarray, "q i"], queries: slice, items: slice) -> None:
        """Takes a block of scores.

        Raises:
            InputError: a score is not finite.
        """
        block = np.asarray(scores, np.float32)
        if not np.isfinite(block).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            raise InputError(
                f"the score of query {queries.start + row} and item {items.start + column} is {block[row, column]}; "
                "scores must be finite to be ranked"
            )
        self._seen += block.size
        rows, columns = _places(block >= self._worst[queries, None])
        if not len(rows):
            return
        counts = np.bincount(rows, minlength=len(block))
        touched = np.flatnonzero(counts)
        width = int(counts.max())
        merged = np.zeros((len(touched), width + self._k), np.uint64)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        row_of_touched = np.cumsum(counts > 0) - 1
        merged[row_of_touched[rows], place] = _keys(
            block[rows, columns], (items.start + columns).astype(np.uint32)
        )
        touched += queries.start
        merged[:, width:] = self._keys[touched]
        merged.partition(width, axis=1)
        self._keys[touched] = merged[:, width:]
        self._worst[touched] = _scores(merged[:, width])

    def share_counts(self, gather: Gather) -> None:
        """Takes over the best items of other processes, each of which was given other blocks."""
        self._seen = int(gather(np.array([self._seen])).sum())
        keys = np.concatenate(gather(self._keys), axis=1)
        self._keys = np.sort(keys, axis=1)[:, -self._k :]

    def answers(self) -> Answers:
        """Returns the best items of every query, after every score was given once.

        Raises:
            ValueError: there were fewer or more scores than queries times items.
        """
        if self._seen != self._cells:
            raise ValueError(f"{self._seen} scores were given, expected each of {self._cells} once")
        keys = np.sort(self._keys, axis=1)[:, ::-1]
        scores = _scores(keys)
        items = (~keys.astype(np.uint32)).astype(np.int64)
        return Answers(np.where(np.isfinite(scores), items, -1), scores)


class TopAnswers(SecondRoundCounter):
    """They keep the best videos of every text and the best texts of every video, from blocks of the score matrix.

    Args:
        k: how many to keep.
        videos: number of videos.
        texts: number of texts.
    """

    def __init__(self, k: int, videos: int, texts: int) -> None:
        self._of_texts = BestItems(k, texts, videos)
        self._of_videos = BestItems(k, videos, texts)

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes a block [v, t]; every block must be given once, in any order.

        Raises:
            InputError: a score is not finite.
        """
        self._of_videos.add(block, videos, texts)
        self._of_texts.add(block.T, texts, videos)

    def share_counts(self, gather: Gather) -> None:
        """Takes over the best answers of other processes."""
        self._of_texts.share_counts(gather)
        self._of_videos.share_counts(gather)

    def text_to_video(self) -> Answers:
        """Returns the best videos of every text, after all blocks."""
        return self._of_texts.answers()

    def video_to_text(self) -> Answers:
        """Returns the best texts of every video, after all blocks."""
        return self._of_videos.answers()


def k_occurrences(answers: Int[np.ndarray, "q k"], items: int) -> Int[np.ndarray, " item"]:
    """Returns N_k, how many queries have each item among their best answers.

    Args:
        answers: indices of the k best items of every query [q, k]; −1 is no item.
        items: number of items.
    """
    return np.bincount(answers[answers >= 0], minlength=items)


def skewness(occurrences: np.ndarray) -> float:
    """Returns the third standardised moment of N_k, Σ(N − μ)³ / (n σ³), or 0 where all items occur equally often."""
    # As `scipy.stats.skew`, with which tests compare; to import it takes most of a second.
    deviations = occurrences - np.mean(occurrences)
    spread = np.mean(deviations**2)
    return float(np.mean(deviations**3) / spread**1.5) if spread > 0 else 0.0


def top_hubs(occurrences: Int[np.ndarray, " item"], count: int) -> Int[np.ndarray, " top"]:
    """Returns the indices of the items that occur most often, the most frequent first; equal ones in their order."""
    return np.argsort(-occurrences, kind="stable")[:count]


def hub_summary(answers: Int[np.ndarray, "q k"], ids: Sequence[str], top: int = 10) -> dict[str, Any]:
    """Returns what an evaluation reports of the hubs in one direction.

    Args:
        answers: indices of the k best items of every query [q, k]; −1 is no item.
        ids: of all items.
        top: how many hubs to name.

    Returns:
        ``k``, ``skewness`` of N_k, ``top`` (``id`` and ``occurrences`` of each hub) and ``histogram``: how many items
        occur 0, 1, 2, … times.
    """
    occurrences = k_occurrences(answers, len(ids))
    hubs = [
        {"id": ids[item], "occurrences": int(occurrences[item])}
        for item in top_hubs(occurrences, top).tolist()
    ]
    return {
        "k": answers.shape[1],
        "skewness": skewness(occurrences),
        "top": hubs,
        "histogram": np.bincount(occurrences).tolist(),
    }


def _places(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows and columns of what is true, row by row."""
    flat = np.flatnonzero(np.ascontiguousarray(mask))
    return np.divmod(flat, mask.shape[1])


def _keys(scores: np.ndarray, items: np.ndarray | np.uint32) -> np.ndarray:
    """Returns numbers that sort by score, and among equal scores the lower item last."""
    # Adding zero makes −0.0 the 0.0 that it equals.
    bits = (scores + np.float32(0)).view(np.uint32)
    # Negative floats sort by their bits the wrong way round, and behind the positive ones.
    ordered = bits ^ np.where(bits & _SIGN, _ALL, _SIGN)
    return (ordered.astype(np.uint64) << _BITS) | ~items


def _scores(keys: np.ndarray) -> np.ndarray:
    ordered = (keys >> _BITS).astype(np.uint32)
    return (ordered ^ np.where(ordered & _SIGN, _SIGN, _ALL)).view(np.float32)
