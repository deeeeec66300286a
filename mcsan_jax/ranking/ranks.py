"""This module finds where the first relevant item stands in a ranking; ties count by expectation.

For a query, ``greater`` counts the items that score strictly above its best relevant item, and the tie group is every
item with exactly that score: ``tied`` items, ``relevant`` of them relevant. If the order inside the group is
random, the first relevant item is among the first m of the group with probability
``1 − C(tied − relevant, m) / C(tied, m)`` and stands at place ``(tied + 1) / (relevant + 1)`` of the group on average.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import gammaln

from mcsan_jax.ranking.relevance import Matches

Gather = Callable[[np.ndarray], np.ndarray]
"""A function that all processes call, each with an array of the same shape; it returns them stacked [process, …]."""


@dataclasses.dataclass(frozen=True)
class Ranks:
    """They say where the best relevant item of each query stands.

    Attributes:
        greater: items that score above it.
        tied: size of its tie group.
        relevant: relevant items in the tie group.
    """

    greater: Int[np.ndarray, " q"]
    tied: Int[np.ndarray, " q"]
    relevant: Int[np.ndarray, " q"]

    def expected_rank(self) -> Float[np.ndarray, " q"]:
        """Returns the expected place of the first relevant item, counted from 1."""
        return self.greater + (self.tied + 1) / (self.relevant + 1)

    def hit_probability(self, k: int) -> Float[np.ndarray, " q"]:
        """Returns the probability that a relevant item is among the first `k`."""
        places = np.clip(k - self.greater, 0, self.tied)
        wrong = self.tied - self.relevant
        misses = np.exp(_log_choose(wrong, places) - _log_choose(self.tied, places))
        return np.where(places > wrong, 1.0, 1.0 - np.where(places > wrong, 0.0, misses))

    def tied_fraction(self) -> float:
        """Returns the share of queries whose best relevant item ties with another, from 0 to 1."""
        return float(np.mean(self.tied > self.relevant))


def text_to_video_ranks(scores: Float[np.ndarray, "v t"], video_of_text: Int[np.ndarray, " t"]) -> Ranks:
    """Returns the ranks of each caption's video among all videos, from a whole score matrix."""
    return _count_whole(scores, video_of_text).text_to_video()


def video_to_text_ranks(scores: Float[np.ndarray, "v t"], video_of_text: Int[np.ndarray, " t"]) -> Ranks:
    """Returns the ranks of each video's best caption among all captions, from a whole score matrix."""
    return _count_whole(scores, video_of_text).video_to_text()


class MatchedScores:
    """It does the first of the two rounds in which a score matrix is counted that never exists as a whole.

    `see_matches` must be given every block that holds a matched pair; then a subclass' ``count`` must be given every
    block once. A block must have bit for bit the same scores in both rounds. Where several processes have a share of
    the blocks each, they must all call `share_matches` after the first round and `share_counts` after the second.

    Args:
        matches: the pairs that belong together.
    """

    _text_counts: Int[np.ndarray, "2 _"]
    _video_counts: Int[np.ndarray, "2 _"]

    def __init__(self, matches: Matches) -> None:
        self.matches = matches
        self._scores = np.full(len(matches.texts), np.nan, np.float32)
        self._cells = 0

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Returns whether the block holds a matched pair."""
        return len(self.matches.inside(videos, texts)) > 0

    def see_matches(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes note of the scores of matched pairs in a block [videos, texts]."""
        block = self._checked(block, videos, texts)
        pairs = self.matches.inside(videos, texts)
        rows, columns = self.matches.videos[pairs] - videos.start, self.matches.texts[pairs] - texts.start
        self._scores[pairs] = block[rows, columns]

    def share_matches(self, gather: Gather) -> None:
        """Takes over the scores of matched pairs that other processes saw."""
        self._scores = np.fmax.reduce(gather(self._scores))

    def share_counts(self, gather: Gather) -> None:
        """Adds what other processes counted."""
        self._cells = int(gather(np.array([self._cells])).sum())
        self._text_counts = gather(self._text_counts).sum(axis=0)
        self._video_counts = gather(self._video_counts).sum(axis=0)

    def _counted(self, block: np.ndarray, videos: slice, texts: slice) -> np.ndarray:
        """Returns a block that `count` takes, and notes its size."""
        self._cells += block.size
        return self._checked(block, videos, texts)

    def _checked(self, block: np.ndarray, videos: slice, texts: slice) -> np.ndarray:
        """Returns the block in float32, so that a matched score equals itself when it is met again."""
        if not np.all(np.isfinite(block)):
            row, column = (int(i[0]) for i in np.nonzero(~np.isfinite(block)))
            raise ValueError(
                f"the score of video {videos.start + row} and caption {texts.start + column} is {block[row, column]}; "
                "scores must be finite to be ranked"
            )
        return np.asarray(block, np.float32)

    def _require_all(self) -> None:
        """Refuses ranks of which a block was left out, or counted twice: they would look plausible."""
        unseen = int(np.sum(np.isnan(self._scores)))
        cells = self.matches.video_count * self.matches.text_count
        if unseen or self._cells != cells:
            raise ValueError(
                f"{self._cells} of {cells} scores were counted, and {unseen} of {len(self._scores)} matched pairs were "
                "not seen before; every block must be counted once, after see_matches had all that hold a pair"
            )


class SecondRoundCounter:
    """It needs the blocks of a score matrix in the second round alone; see `MatchedScores`."""

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Returns False."""
        return False

    def see_matches(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Does nothing."""

    def share_matches(self, gather: Gather) -> None:
        """Does nothing."""


class RankCounter(MatchedScores):
    """It counts the ranks of the best relevant items in both directions.

    Args:
        matches: the pairs that belong together.

    Attributes:
        best_of_text: after the first round, the score of each caption's best relevant video [t], or -inf.
        best_of_video: the score of each video's best relevant caption [v].
    """

    def __init__(self, matches: Matches) -> None:
        super().__init__(matches)
        self.best_of_text = np.full(matches.text_count, -np.inf, np.float32)
        self.best_of_video = np.full(matches.video_count, -np.inf, np.float32)
        self._text_counts = np.zeros((2, matches.text_count), np.int64)
        self._video_counts = np.zeros((2, matches.video_count), np.int64)

    def see_matches(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes note of the scores of matched pairs in a block [videos, texts]."""
        super().see_matches(block, videos, texts)
        pairs = self.matches.inside(videos, texts)
        np.maximum.at(self.best_of_text, self.matches.texts[pairs], self._scores[pairs])
        np.maximum.at(self.best_of_video, self.matches.videos[pairs], self._scores[pairs])

    def share_matches(self, gather: Gather) -> None:
        """Takes over the best scores that other processes saw, too."""
        super().share_matches(gather)
        self.best_of_text = gather(self.best_of_text).max(axis=0)
        self.best_of_video = gather(self.best_of_video).max(axis=0)

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Counts, for a block [videos, texts], what scores above or equal to the best matched pairs."""
        block = self._counted(block, videos, texts)
        best = self.best_of_text[None, texts]
        self._text_counts[0, texts] += count_in_columns(block > best)
        self._text_counts[1, texts] += count_in_columns(block == best)
        best = self.best_of_video[videos, None]
        self._video_counts[0, videos] += count_in_rows(block > best)
        self._video_counts[1, videos] += count_in_rows(block == best)

    def text_to_video(self) -> Ranks:
        """Returns the ranks of all captions that have a video, after all blocks were counted."""
        return self._ranks(self.matches.texts, self.best_of_text, self._text_counts)

    def video_to_text(self) -> Ranks:
        """Returns the ranks of all videos that have a caption, after all blocks were counted."""
        return self._ranks(self.matches.videos, self.best_of_video, self._video_counts)

    def _ranks(self, queries: np.ndarray, best: np.ndarray, counts: np.ndarray) -> Ranks:
        self._require_all()
        relevant = np.bincount(queries[self._scores == best[queries]], minlength=len(best))
        greater, tied = counts[:, relevant > 0]
        return Ranks(greater, tied, relevant[relevant > 0])


def count_in_columns(mask: Bool[np.ndarray, "v t"]) -> Int[np.ndarray, " t"]:
    """Counts how many of each column are true, faster than numpy's own sum of booleans."""
    return mask.sum(axis=0, dtype=np.int32)


def count_in_rows(mask: Bool[np.ndarray, "v t"]) -> Int[np.ndarray, " v"]:
    """Counts how many of each row are true, faster than numpy's own sum of booleans."""
    return np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64)


def _count_whole(scores: np.ndarray, video_of_text: np.ndarray) -> RankCounter:
    counter = RankCounter(Matches.of_owners(video_of_text, scores.shape[0]))
    videos, texts = slice(0, scores.shape[0]), slice(0, scores.shape[1])
    counter.see_matches(scores, videos, texts)
    counter.count(scores, videos, texts)
    return counter


def _log_choose(n: np.ndarray, m: np.ndarray) -> Any:
    """Returns log C(n, m); the caller handles m > n."""
    m = np.minimum(m, n)
    return gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
