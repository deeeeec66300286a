"""This module collects queries with the scores of all videos, and which videos are right."""

import collections
import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from mcsan_jax.ranking.duplicates import relevant_pairs
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.ranking.ranks import Gather, SecondRoundCounter
from mcsan_jax.ranking.relevance import Matches

MOST_CELLS = 2**21
"""So many scores are kept: 4,000 queries of 500 videos, or 700 of 3,000."""

LEAST_SHARE = 0.01
"""Captions of a kind that is rarer say too little of it."""


@dataclasses.dataclass(frozen=True)
class JudgedQueries:
    """They are captions with the fused scores of all videos.

    Attributes:
        scores: the fused scores.
        relevant: which videos are right.
        alike: which videos have the text of the caption among their own; a query for something absent is made by
            leaving them out.
        owners: index of the video of each caption.
    """

    scores: Float[np.ndarray, "q v"]
    relevant: Bool[np.ndarray, "q v"]
    alike: Bool[np.ndarray, "q v"]
    owners: Int[np.ndarray, " q"]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: np.ndarray) -> "JudgedQueries":
        """Returns some of the queries."""
        return JudgedQueries(self.scores[rows], self.relevant[rows], self.alike[rows], self.owners[rows])


class QueryScores(SecondRoundCounter):
    """They keep the scores of some captions with all videos, from blocks of the score matrix.

    Args:
        scored: the split; as many of its captions are queries, at even distances, as `MOST_CELLS` allows.
    """

    def __init__(self, scored: ScoredSplit) -> None:
        self._scored = scored
        videos, _ = scored.scorer.shape
        queries = scored.matches.queried_texts
        count = min(len(queries), max(MOST_CELLS // max(videos, 1), 1))
        self.captions = queries[np.arange(count) * len(queries) // max(count, 1)]
        self._scores = np.zeros((count, videos), np.float32)

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes a block; every block must be given once."""
        first, end = np.searchsorted(self.captions, (texts.start, texts.stop))
        self._scores[first:end, videos] = block[:, self.captions[first:end] - texts.start].T

    def share_counts(self, gather: Gather) -> None:
        """Takes over the scores of other processes, each of which was given other blocks."""
        # What a process has not seen is zero.
        self._scores = np.bitwise_or.reduce(gather(self._scores.view(np.uint32))).view(np.float32)

    def levels(self) -> list[list[str]]:
        """Returns the sets of levels at which captions have nodes, those that `LEAST_SHARE` of them have."""
        counts = {level: nodes.counts for level, nodes in self._scored.captions.collection.nodes.items()}
        sets = [sorted(level for level in counts if counts[level][caption]) for caption in self.captions]
        found = collections.Counter(map(tuple, sets))
        return sorted(list(one) for one, count in found.items() if count >= LEAST_SHARE * len(sets))

    def judged(self) -> JudgedQueries:
        """Returns the queries with what is right, after all blocks."""
        captions, videos = self._scored.captions, len(self._scored.videos.ids)
        same_text = relevant_pairs(captions.texts, captions.video_of_text, videos, "relevant")
        relevant = self._marked(self._scored.matches)
        return JudgedQueries(
            self._scores,
            relevant,
            relevant | self._marked(same_text),
            np.asarray(captions.video_of_text)[self.captions],
        )

    def _marked(self, matches: Matches) -> Bool[np.ndarray, "q v"]:
        row_of = np.full(matches.text_count, -1)
        row_of[self.captions] = np.arange(len(self.captions))
        rows = row_of[matches.texts]
        marked = np.zeros(self._scores.shape, bool)
        marked[rows[rows >= 0], matches.videos[rows >= 0]] = True
        return marked
