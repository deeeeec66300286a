"""Where the right answer stands in a ranking, with ties resolved by expectation.

For a query, ``greater`` counts wrong items that score strictly above the best right item, and the tie group is every
item with exactly that score: ``tied`` items, ``relevant`` of which are right. If the order inside the group is
random, the first right item is among the first m of the group with probability
``1 − C(tied − relevant, m) / C(tied, m)`` and stands at place ``(tied + 1) / (relevant + 1)`` of the group on average.
"""

import dataclasses
from typing import Any

import numpy as np
from scipy.special import gammaln


@dataclasses.dataclass(frozen=True)
class Ranks:
    """For each query: wrong items above the best right one, size of its tie group, right items in that group."""

    greater: np.ndarray
    tied: np.ndarray
    relevant: np.ndarray

    def expected_rank(self) -> np.ndarray:
        """Expected place of the first right item, counted from 1."""
        return self.greater + (self.tied + 1) / (self.relevant + 1)

    def hit_probability(self, k: int) -> np.ndarray:
        """Probability that a right item is among the first `k`."""
        places = np.clip(k - self.greater, 0, self.tied)
        wrong = self.tied - self.relevant
        misses = np.exp(_log_choose(wrong, places) - _log_choose(self.tied, places))
        return np.where(places > wrong, 1.0, 1.0 - np.where(places > wrong, 0.0, misses))

    def tied_fraction(self) -> float:
        """Share of queries whose best right item ties with a wrong one."""
        return float(np.mean(self.tied > self.relevant))


def text_to_video_ranks(scores: np.ndarray, video_of_text: np.ndarray) -> Ranks:
    """Ranks of each caption's video among all videos, from a whole score matrix [v, t]."""
    counter = RankCounter(video_of_text, scores.shape[0])
    _count_whole(counter, scores)
    return counter.text_to_video()


def video_to_text_ranks(scores: np.ndarray, video_of_text: np.ndarray) -> Ranks:
    """Ranks of each video's best caption among all captions, from a whole score matrix [v, t]."""
    counter = RankCounter(video_of_text, scores.shape[0])
    _count_whole(counter, scores)
    return counter.video_to_text()


class RankCounter:
    """Counts ranks in both directions from blocks of the score matrix, which never exists as a whole.

    Two rounds: `see_matches` must be given every block that holds a caption together with its own video, then
    `count` must be given every block once. A block must have bit for bit the same scores in both rounds.

    Args:
        video_of_text: index of each caption's video [t].
        video_count: number of videos.
    """

    def __init__(self, video_of_text: np.ndarray, video_count: int) -> None:
        texts = len(video_of_text)
        self._video_of_text = np.asarray(video_of_text)
        self._of_text = np.full(texts, -np.inf, np.float32)
        self._of_video = np.full(video_count, -np.inf, np.float32)
        self._text_counts = np.zeros((2, texts), np.int64)
        self._video_counts = np.zeros((3, video_count), np.int64)

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Whether the block holds a caption together with its own video."""
        own = self._video_of_text[texts]
        return bool(np.any((own >= videos.start) & (own < videos.stop)))

    def see_matches(self, block: np.ndarray, videos: slice, texts: slice) -> None:
        """Takes note of the scores of matched pairs in a block [videos, texts]."""
        block = self._checked(block, videos, texts)
        rows, columns = self._matched(videos, texts)
        self._of_text[texts.start + columns] = block[rows, columns]
        np.maximum.at(self._of_video, videos.start + rows, block[rows, columns])

    def count(self, block: np.ndarray, videos: slice, texts: slice) -> None:
        """Counts, for a block [videos, texts], what scores above or equal to the matched pairs."""
        block = self._checked(block, videos, texts)
        matched = self._of_text[None, texts]
        self._text_counts[0, texts] += np.sum(block > matched, axis=0)
        self._text_counts[1, texts] += np.sum(block == matched, axis=0)
        best = self._of_video[videos, None]
        equal = block == best
        rows, columns = self._matched(videos, texts)
        self._video_counts[0, videos] += np.sum(block > best, axis=1)
        self._video_counts[1, videos] += np.sum(equal, axis=1)
        np.add.at(self._video_counts[2], videos.start + rows, equal[rows, columns])

    def text_to_video(self) -> Ranks:
        """Ranks of all captions, after all blocks were counted."""
        return Ranks(self._text_counts[0], self._text_counts[1], np.ones_like(self._text_counts[0]))

    def video_to_text(self) -> Ranks:
        """Ranks of all videos that have a caption, after all blocks were counted."""
        counts = self._video_counts[:, np.isfinite(self._of_video)]
        return Ranks(counts[0], counts[1], counts[2])

    def _matched(self, videos: slice, texts: slice) -> tuple[np.ndarray, np.ndarray]:
        own = self._video_of_text[texts] - videos.start
        columns = np.nonzero((own >= 0) & (own < videos.stop - videos.start))[0]
        return own[columns], columns

    def _checked(self, block: np.ndarray, videos: slice, texts: slice) -> np.ndarray:
        """The block in float32, so that a matched score equals itself when it is met again."""
        if not np.all(np.isfinite(block)):
            row, column = (int(i[0]) for i in np.nonzero(~np.isfinite(block)))
            raise ValueError(
                f"the score of video {videos.start + row} and caption {texts.start + column} is {block[row, column]}; "
                "scores must be finite to be ranked"
            )
        return np.asarray(block, np.float32)


def _count_whole(counter: RankCounter, scores: np.ndarray) -> None:
    videos, texts = slice(0, scores.shape[0]), slice(0, scores.shape[1])
    counter.see_matches(scores, videos, texts)
    counter.count(scores, videos, texts)


def _log_choose(n: np.ndarray, m: np.ndarray) -> Any:
    """log C(n, m); the caller handles m > n."""
    m = np.minimum(m, n)
    return gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
