"""Small rankings with many ties, and the way in which blocks are counted."""

import dataclasses
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from mcsan_jax.ranking.pair_ranks import PairCounter
from mcsan_jax.ranking.ranks import RankCounter
from mcsan_jax.ranking.relevance import Matches

Counter = TypeVar("Counter", bound=RankCounter | PairCounter)


@dataclasses.dataclass(frozen=True)
class Query:
    """What a query has to rank: the score of every item, and which items are right."""

    scores: list[float]
    right: list[bool]


@dataclasses.dataclass(frozen=True)
class Problem:
    """Scores [v, t] and whether the pairs belong together [v, t]."""

    scores: np.ndarray
    right: np.ndarray

    @property
    def matches(self) -> Matches:
        videos, texts = np.nonzero(self.right)
        return Matches(videos, texts, *self.right.shape)

    def text_queries(self) -> list[Query]:
        """Of the captions that have a video."""
        columns = zip(self.scores.T, self.right.T, strict=True)
        return [Query(scores.tolist(), right.tolist()) for scores, right in columns if right.any()]

    def video_queries(self) -> list[Query]:
        """Of the videos that have a caption."""
        rows = zip(self.scores, self.right, strict=True)
        return [Query(scores.tolist(), right.tolist()) for scores, right in rows if right.any()]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Few different scores; several captions per video and videos per caption; some without any."""
    videos, texts = draw(st.integers(1, 6)), draw(st.integers(1, 7))
    cells = videos * texts
    values = draw(st.lists(st.integers(-1, 1), min_size=cells, max_size=cells))
    pairs = draw(st.lists(st.integers(0, cells - 1), min_size=1, max_size=cells))
    right = np.zeros(cells, bool)
    right[pairs] = True
    return Problem(np.array(values, np.float32).reshape(videos, texts), right.reshape(videos, texts))


def counted(counter: Counter, scores: np.ndarray, height: int = 10**6, width: int = 10**6) -> Counter:
    """The counter after both rounds, over blocks of a size."""
    blocks = [
        (slice(i, min(i + height, scores.shape[0])), slice(j, min(j + width, scores.shape[1])))
        for i in range(0, scores.shape[0], height)
        for j in range(0, scores.shape[1], width)
    ]
    for block in blocks:
        if counter.has_match(*block):
            counter.see_matches(scores[block], *block)
    for block in blocks:
        counter.count(scores[block], *block)
    return counter
