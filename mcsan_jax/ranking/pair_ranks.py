"""This module finds where all relevant items stand, for measures of the whole list; ties count by expectation.

A tie group of t items, r of them relevant, stands behind g items, R of them relevant. If the order inside the group is
random, each of its places g + 1, …, g + t holds a relevant item with probability r/t, and a relevant item at place
g + i has R + (i − 1)(r − 1)/(t − 1) others before it on average. The group's share of a query's average precision and
of its discounted cumulative gain at k is therefore expected to be

    Σ_i r/t · (R + 1 + (i − 1)(r − 1)/(t − 1)) / (g + i)        and        Σ_{i ≤ k − g} r/t / log2(1 + g + i).

With h = Σ_i 1/(g + i), a difference of digamma functions, the first is r/t · ((R + 1) h + (r − 1)/(t − 1) · w) where
w = t − (g + 1) h, so that the work does not grow with the size of a group.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int
from scipy.special import digamma

from mcsan_jax.ranking.ranks import MatchedScores, Ranks, count_in_columns
from mcsan_jax.ranking.relevance import Matches


@dataclasses.dataclass(frozen=True)
class PairRanks:
    """They say for each query and each of its relevant items what stands above that item and what ties with it.

    Attributes:
        query: of each pair [p]: position among the queries that have a relevant item, each of which occurs.
        greater: items, relevant or not, that score strictly above the pair [p].
        tied: items that score the same as the pair, itself included [p].
    """

    query: Int[np.ndarray, " p"]
    greater: Int[np.ndarray, " p"]
    tied: Int[np.ndarray, " p"]

    def best(self) -> Ranks:
        """Returns the ranks of the best relevant item of each query, as `RankCounter` counts them."""
        groups = self._groups()
        _, first = np.unique(groups.query, return_index=True)
        return Ranks(groups.greater[first], groups.tied[first], groups.relevant[first])

    def average_precision(self) -> Float[np.ndarray, " q"]:
        """Returns the expected average precision of each query, from 0 to 1."""
        groups = self._groups()
        reciprocals = digamma(groups.greater + groups.tied + 1) - digamma(groups.greater + 1)
        before = (groups.above + 1) * reciprocals
        others = (groups.relevant - 1) / np.maximum(groups.tied - 1, 1)
        within = others * (groups.tied - (groups.greater + 1) * reciprocals)
        shares = groups.relevant / groups.tied * (before + within)
        return np.bincount(groups.query, shares) / np.bincount(self.query)

    def ndcg(self, k: int) -> Float[np.ndarray, " q"]:
        """Returns the expected normalised discounted cumulative gain of each query among the first `k`, from 0 to 1.

        A relevant item gains 1, discounted by log2(1 + place), over the most that the query can reach: its relevant
        items in front, k of them at most. This is what trec_eval computes as ndcg_cut.
        """
        gains = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
        groups = self._groups()
        first, last = np.minimum(groups.greater, k), np.minimum(groups.greater + groups.tied, k)
        shares = groups.relevant / groups.tied * (gains[last] - gains[first])
        return np.bincount(groups.query, shares) / gains[np.minimum(np.bincount(self.query), k)]

    def _groups(self) -> "_TieGroups":
        order = np.lexsort((self.greater, self.query))
        query, greater, tied = self.query[order], self.greater[order], self.tied[order]
        first_of_query = np.diff(query, prepend=-1) != 0
        first = np.flatnonzero(first_of_query | (np.diff(greater, prepend=-1) != 0))
        relevant = np.diff(first, append=len(query))
        above = first - np.flatnonzero(first_of_query)[query[first]]
        return _TieGroups(query[first], greater[first], tied[first], relevant, above)


@dataclasses.dataclass(frozen=True)
class _TieGroups:
    """They are the tie groups that hold a relevant item, those of a query together and from its best to its worst.

    ``relevant`` items of a group are relevant; ``above`` relevant ones stand in better groups.
    """

    query: Int[np.ndarray, " g"]
    greater: Int[np.ndarray, " g"]
    tied: Int[np.ndarray, " g"]
    relevant: Int[np.ndarray, " g"]
    above: Int[np.ndarray, " g"]


class PairCounter(MatchedScores):
    """It counts, for every matched pair and both directions, the items that score above and the same.

    Args:
        matches: the pairs that belong together.
    """

    def __init__(self, matches: Matches) -> None:
        super().__init__(matches)
        self._text_counts = np.zeros((2, len(matches.texts)), np.int64)
        self._video_counts = np.zeros((2, len(matches.videos)), np.int64)
        self._of_text = _PairsOfQueries(matches.texts, matches.text_count)
        self._of_video = _PairsOfQueries(matches.videos, matches.video_count)

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Counts, for a block [videos, texts], what scores above or equal to each matched pair."""
        block = self._counted(block, videos, texts)
        self._count_videos(block, texts)
        self._count_texts(block, videos)

    def text_to_video(self) -> PairRanks:
        """Returns the ranks of the relevant videos of every caption that has one, after all blocks were counted."""
        return self._ranks(self.matches.texts, self._text_counts)

    def video_to_text(self) -> PairRanks:
        """Returns the ranks of the relevant captions of every video that has one, after all blocks were counted."""
        return self._ranks(self.matches.videos, self._video_counts)

    def _count_videos(self, block: np.ndarray, texts: slice) -> None:
        """Compares with each caption's n-th pair in the n-th round: most captions have one video only, or few."""
        starts, sizes = self._of_text.starts[texts], self._of_text.sizes[texts]
        for n in range(sizes.max(initial=0)):
            columns = np.flatnonzero(sizes > n)
            pairs = self._of_text.order[starts[columns] + n]
            items = block if len(columns) == len(sizes) else block[:, columns]
            self._text_counts[0, pairs] += count_in_columns(items > self._scores[pairs])
            self._text_counts[1, pairs] += count_in_columns(items == self._scores[pairs])

    def _count_texts(self, block: np.ndarray, videos: slice) -> None:
        """Sorts the scores, because most videos have many captions: to compare with each of 20 takes thrice as long."""
        width = block.shape[1]
        starts, sizes = self._of_video.starts[videos], self._of_video.sizes[videos]
        for row, start, size in zip(np.sort(block, axis=1), starts, sizes, strict=True):
            pairs = self._of_video.order[start : start + size]
            not_above = row.searchsorted(self._scores[pairs], "right")
            self._video_counts[0, pairs] += width - not_above
            self._video_counts[1, pairs] += not_above - row.searchsorted(self._scores[pairs], "left")

    def _ranks(self, queries: np.ndarray, counts: np.ndarray) -> PairRanks:
        self._require_all()
        _, position = np.unique(queries, return_inverse=True)
        return PairRanks(position, *counts)


class _PairsOfQueries:
    """They are pairs in the order of their queries: those of a query are ``order[start : start + size]``."""

    def __init__(self, queries: np.ndarray, count: int) -> None:
        self.order = np.argsort(queries, kind="stable")
        self.sizes = np.bincount(queries, minlength=count)
        self.starts = np.cumsum(self.sizes) - self.sizes
