"""This module counts ranks from blocks of scores, of which several processes have a share each.

Blocks that hold matched pairs are needed twice, first to find the score that each query must beat, then to count, and
are kept as long as memory is left for them.
"""

import contextlib
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float

from data_pipeline.host.files import replacing
from mcsan_jax.processes import from_all_processes, share_of
from mcsan_jax.ranking.block_scores import BlockScorer, ComponentScores
from mcsan_jax.ranking.ranks import Gather, RankCounter, SecondRoundCounter
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED

_KEPT_SHARE = 4
"""Blocks that are needed twice may take so many times `evaluation.encoded_bytes`."""
_GATHERED_BYTES = 2**26
"""Bytes of a matrix that each process gives to the others at a time."""
_BINS = 200
"""Bins of the densities of scores."""


@runtime_checkable
class BlockCounter(Protocol):
    """A counter learns from the blocks of one component of the score; see `ranks.MatchedScores` for its two rounds."""

    def has_match(self, videos: slice, texts: slice) -> bool:
        """Returns whether it needs the block in the first round."""
        ...

    def see_matches(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes, in the first round, a block that holds a caption with its video."""
        ...

    def share_matches(self, gather: Gather) -> None:
        """Takes over what other processes saw in the first round, in which each was given other blocks."""
        ...

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes, in the second round, every block once."""
        ...

    def share_counts(self, gather: Gather) -> None:
        """Takes over what other processes counted in the second round, in which each was given other blocks."""
        ...


def count_ranks(
    scorer: BlockScorer, matches: Matches, others: Sequence[BlockCounter] = ()
) -> dict[str, RankCounter]:
    """Counts ranks in both directions by every component of the score.

    Each of several processes scores and counts its share of the captions; all of them end with all counts.

    Args:
        scorer: the collections.
        matches: which captions and videos belong together.
        others: counters that are shown the fused scores, too.
    """
    ranks = {name: RankCounter(matches) for name in scorer.components}
    counters: dict[str, list[BlockCounter]] = {name: [counter] for name, counter in ranks.items()}
    counters[FUSED] += others

    def shown(components: ComponentScores) -> list[tuple[BlockCounter, Float[np.ndarray, "v t"]]]:
        return [(counter, scores) for name, scores in components.items() for counter in counters[name]]

    kept: dict[tuple[int, int], ComponentScores] = {}
    bytes_left = _KEPT_SHARE * scorer.encoded_bytes
    for strip in share_of(scorer.blocks()):
        matched = [block for block in strip if any(each.has_match(*block) for each in counters[FUSED])]
        for (rows, columns), components in scorer.scores(matched):
            for counter, scores in shown(components):
                counter.see_matches(scores, rows, columns)
            size = sum(scores.nbytes for scores in components.values())
            if size <= bytes_left:
                kept[rows.start, columns.start] = components
                bytes_left -= size
    if jax.process_count() > 1:
        for counter in itertools.chain(*counters.values()):
            counter.share_matches(from_all_processes)

    for strip in share_of(scorer.blocks()):
        missing = [(rows, columns) for rows, columns in strip if (rows.start, columns.start) not in kept]
        known = [
            ((rows, columns), kept.pop((rows.start, columns.start)))
            for rows, columns in strip
            if (rows.start, columns.start) in kept
        ]
        for (rows, columns), components in (*known, *scorer.scores(missing)):
            for counter, scores in shown(components):
                counter.count(scores, rows, columns)
    if jax.process_count() > 1:
        for counter in itertools.chain(*counters.values()):
            counter.share_counts(from_all_processes)
    return ranks


class ScoreDensities(SecondRoundCounter):
    """They count scores in bins over [-1, 1], block by block.

    Args:
        matches: which captions and videos belong together.
    """

    def __init__(self, matches: Matches) -> None:
        self._matches = matches
        self._all = np.zeros(_BINS, np.int64)
        self._matched = np.zeros(_BINS, np.int64)

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Takes a block; every block must be given once."""
        bins = np.clip((block + 1) * (_BINS / 2), 0, _BINS - 1).astype(np.int16)
        self._all += np.bincount(bins.ravel(), minlength=_BINS)
        pairs = self._matches.inside(videos, texts)
        matched = bins[self._matches.videos[pairs] - videos.start, self._matches.texts[pairs] - texts.start]
        self._matched += np.bincount(matched, minlength=_BINS)

    def share_counts(self, gather: Gather) -> None:
        """Adds what other processes counted, each of which was given other blocks."""
        self._all, self._matched = gather(np.stack([self._all, self._matched])).sum(axis=0)

    def summary(self) -> dict[str, list[float] | list[int]]:
        """Returns the edges of the bins, and how many matched and other pairs are in each."""
        return {
            "edges": np.linspace(-1, 1, _BINS + 1).round(6).tolist(),
            "matched": self._matched.tolist(),
            "others": (self._all - self._matched).tolist(),
        }


class ScoreMatrix(SecondRoundCounter):
    """It is a matrix of scores in a file that is mapped to memory.

    Args:
        path: of the file, which is made.
        shape: number of videos and of captions.
    """

    def __init__(self, path: pathlib.Path, shape: tuple[int, int]) -> None:
        # It is written to the end first: a mapped file that outgrows its disk kills the process without a word.
        with path.open("wb") as file:
            header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(shape[0]):
                file.write(bytes(4 * shape[1]))
        self._matrix = np.lib.format.open_memmap(path, "r+")

    def count(self, block: Float[np.ndarray, "v t"], videos: slice, texts: slice) -> None:
        """Writes a block."""
        self._matrix[videos, texts] = block

    def share_counts(self, gather: Gather) -> None:
        """Takes over the blocks that other processes wrote, some videos at a time."""
        bits = self._matrix.view(np.uint32)
        some = max(_GATHERED_BYTES // max(bits[:1].nbytes, 1), 1)
        for start in range(0, len(bits), some):
            rows = slice(start, start + some)
            # What a process has not written is zero.
            bits[rows] = np.bitwise_or.reduce(gather(bits[rows]))

    def flush(self) -> None:
        """Brings all of it to the disk."""
        self._matrix.flush()


@contextlib.contextmanager
def score_file(path: pathlib.Path, shape: tuple[int, int]) -> Iterator[ScoreMatrix]:
    """Yields a matrix [v, t] on disk; the file appears under its name at the end, when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        matrix = ScoreMatrix(partial, shape)
        yield matrix
        matrix.flush()


def write_scores(scorer: BlockScorer, path: pathlib.Path) -> None:
    """Writes all fused scores [v, t] to a file; several processes must be given a file each, and share the work."""
    with score_file(path, scorer.shape) as matrix:
        for strip in share_of(scorer.blocks()):
            for (rows, columns), components in scorer.scores(strip):
                matrix.count(components[FUSED], rows, columns)
        if jax.process_count() > 1:
            matrix.share_counts(from_all_processes)
