"""How the scores of right pairs and of all other pairs are distributed."""

import numpy as np

from mcsan_jax.evaluation.relevance import Matches

_BINS = 200


class ScoreDensities:
    """Counts scores in bins over [-1, 1], block by block.

    Args:
        matches: which captions and videos belong together.
    """

    def __init__(self, matches: Matches) -> None:
        self._matches = matches
        self._all = np.zeros(_BINS, np.int64)
        self._matched = np.zeros(_BINS, np.int64)

    def count(self, block: np.ndarray, videos: slice, texts: slice) -> None:
        """Takes a block [videos, texts]; every block must be given once."""
        bins = np.clip((block + 1) * (_BINS / 2), 0, _BINS - 1).astype(np.int16)
        self._all += np.bincount(bins.ravel(), minlength=_BINS)
        pairs = self._matches.inside(videos, texts)
        matched = bins[self._matches.videos[pairs] - videos.start, self._matches.texts[pairs] - texts.start]
        self._matched += np.bincount(matched, minlength=_BINS)

    def summary(self) -> dict[str, list[float] | list[int]]:
        """Edges of the bins, and how many matched and other pairs are in each."""
        return {
            "edges": np.linspace(-1, 1, _BINS + 1).round(6).tolist(),
            "matched": self._matched.tolist(),
            "others": (self._all - self._matched).tolist(),
        }
