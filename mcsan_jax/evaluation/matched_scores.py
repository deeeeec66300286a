"""What is common to counting ranks from blocks of a score matrix."""

import numpy as np

from mcsan_jax.evaluation.relevance import Matches


class MatchedScores:
    """The first of the two rounds in which a score matrix is counted that never exists as a whole.

    `see_matches` must be given every block that holds a matched pair; then a subclass' ``count`` must be given every
    block once. A block must have bit for bit the same scores in both rounds.

    Args:
        matches: the pairs that belong together.
    """

    def __init__(self, matches: Matches) -> None:
        self.matches = matches
        self._scores = np.full(len(matches.texts), np.nan, np.float32)
        self._cells = 0

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Whether the block holds a matched pair."""
        return len(self.matches.inside(videos, texts)) > 0

    def see_matches(self, block: np.ndarray, videos: slice, texts: slice) -> None:
        """Takes note of the scores of matched pairs in a block [videos, texts]."""
        block = self._checked(block, videos, texts)
        pairs = self.matches.inside(videos, texts)
        rows, columns = self.matches.videos[pairs] - videos.start, self.matches.texts[pairs] - texts.start
        self._scores[pairs] = block[rows, columns]

    def _counted(self, block: np.ndarray, videos: slice, texts: slice) -> np.ndarray:
        """A block that `count` takes."""
        self._cells += block.size
        return self._checked(block, videos, texts)

    def _checked(self, block: np.ndarray, videos: slice, texts: slice) -> np.ndarray:
        """The block in float32, so that a matched score equals itself when it is met again."""
        if not np.all(np.isfinite(block)):
            row, column = (int(i[0]) for i in np.nonzero(~np.isfinite(block)))
            raise ValueError(
                f"the score of video {videos.start + row} and caption {texts.start + column} is {block[row, column]}; "
                "scores must be finite to be ranked"
            )
        return np.asarray(block, np.float32)

    def _require_all(self) -> None:
        """Blocks that were left out, or counted twice, would give ranks that look right."""
        unseen = int(np.sum(np.isnan(self._scores)))
        cells = self.matches.video_count * self.matches.text_count
        if unseen or self._cells != cells:
            raise ValueError(
                f"{self._cells} of {cells} scores were counted, and {unseen} of {len(self._scores)} matched pairs were "
                "not seen before; every block must be counted once, after see_matches had all that hold a pair"
            )


def count_in_columns(mask: np.ndarray) -> np.ndarray:
    """How many of each column are true, faster than numpy's own sum of booleans."""
    return mask.sum(axis=0, dtype=np.int32)


def count_in_rows(mask: np.ndarray) -> np.ndarray:
    """How many of each row are true, faster than numpy's own sum of booleans."""
    return np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64)
