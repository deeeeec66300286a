"""Scores of whole collections block by block, and ranks counted from them.

Only one block of the score matrix exists at a time, beside the few that hold matched pairs: those are needed twice,
first to find the score that each query must beat, then to count, and are kept while there is room for them.
"""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.evaluation.collection import TextCollection, VideoCollection
from mcsan_jax.evaluation.ranking import RankCounter
from mcsan_jax.levels import ScoringParameters
from mcsan_jax.scoring.multi_level import FUSED, score_prepared
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos
from mcsan_jax.scoring.vectors import product_dtype

Block = tuple[slice, slice]
Parts = dict[str, np.ndarray]

_KEPT_SHARE = 4
"""Blocks that are needed twice may take as many times the bytes of the block that is compared."""


class BlockScorer:
    """Scores blocks of two collections; all blocks have the same shape, so that one program serves them.

    Args:
        videos: all videos.
        texts: all captions.
        parameters: level weights.
        config: the experiment.
    """

    def __init__(
        self, videos: VideoCollection, texts: TextCollection, parameters: ScoringParameters, config: Config
    ) -> None:
        self.videos, self.texts, self.parameters = videos, texts, parameters
        self._score = _compiled_scorer(config.similarity, config.model.compute_dtype)
        self.block_bytes = config.evaluation.block_bytes
        third = self.block_bytes / 3
        self._height = max(min(int(third / max(videos.bytes_per_video, 1)), len(videos)), 1)
        self._width = max(min(int(2 * third / max(texts.bytes_per_caption, 1)), len(texts)), 1)
        self._room = texts.room(self._width)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of videos and of captions."""
        return len(self.videos), len(self.texts)

    def blocks(self) -> list[list[Block]]:
        """All blocks, those of the same captions together."""
        videos, texts = self.shape
        return [
            [(rows, columns) for rows in _slices(videos, self._height)]
            for columns in _slices(texts, self._width)
        ]

    def scores(self, blocks: list[Block]) -> Iterator[tuple[Block, Parts]]:
        """Scores of blocks that share their captions, for every part of the score."""
        texts = None
        for rows, columns in blocks:
            if texts is None:
                texts = self.texts.take(columns, self._width, self._room)
            videos = self.videos.take(rows, self._height)
            parts = self._score(videos, texts, self.parameters)
            height, width = rows.stop - rows.start, columns.stop - columns.start
            yield (rows, columns), {part: np.asarray(block)[:height, :width] for part, block in parts.items()}

    def margins_over(
        self, foils: TextCollection, captions: np.ndarray, video_of_text: np.ndarray, size: int
    ) -> Parts:
        """By how much each of these captions scores above its foil, with the caption's own video.

        Args:
            foils: a false caption for each of the captions.
            captions: their true captions.
            video_of_text: the video of every caption.
            size: to which both are filled up.
        """
        rooms = (foils.room_for(slice(None)), self.texts.room_for(captions))
        room = {level: max(of_level[level] for of_level in rooms) for level in rooms[0]}
        videos = self.videos.take(video_of_text[captions], size)
        of_true = self._score(videos, self.texts.take(captions, size, room), self.parameters)
        of_foils = self._score(videos, foils.take(slice(None), size, room), self.parameters)
        return {part: np.diagonal(of_true[part] - of_foils[part])[: len(captions)] for part in of_true}


def count_ranks(
    scorer: BlockScorer, video_of_text: np.ndarray, scores_file: pathlib.Path | None = None
) -> dict[str, RankCounter]:
    """Ranks in both directions by every part of the score.

    Args:
        scorer: the collections.
        video_of_text: index of each caption's video.
        scores_file: where the fused scores are written, if anywhere; appears when it is complete.
    """
    video_count = scorer.shape[0]
    locate = RankCounter(video_of_text, video_count)
    counters: dict[str, RankCounter] = {}
    kept: dict[tuple[int, int], Parts] = {}
    room = _KEPT_SHARE * scorer.block_bytes
    for strip in scorer.blocks():
        matched = [block for block in strip if locate.has_match(*block)]
        for (rows, columns), parts in scorer.scores(matched):
            for part, scores in parts.items():
                counter = counters.setdefault(part, RankCounter(video_of_text, video_count))
                counter.see_matches(scores, rows, columns)
            size = sum(scores.nbytes for scores in parts.values())
            if size <= room:
                kept[rows.start, columns.start] = parts
                room -= size

    matrix = None if scores_file is None else _ScoreFile(scores_file, scorer.shape)
    for strip in scorer.blocks():
        missing = [(rows, columns) for rows, columns in strip if (rows.start, columns.start) not in kept]
        known = [
            ((rows, columns), kept.pop((rows.start, columns.start)))
            for rows, columns in strip
            if (rows.start, columns.start) in kept
        ]
        for (rows, columns), parts in (*known, *scorer.scores(missing)):
            for part, scores in parts.items():
                counters[part].count(scores, rows, columns)
            if matrix is not None:
                matrix.write(parts[FUSED], rows, columns)
    if matrix is not None:
        matrix.finish()
    return counters


class _ScoreFile:
    """A matrix on disk that appears under its name when it is complete."""

    def __init__(self, path: pathlib.Path, shape: tuple[int, int]) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._matrix = np.lib.format.open_memmap(self._partial, "w+", np.float32, shape)

    def write(self, block: np.ndarray, rows: slice, columns: slice) -> None:
        self._matrix[rows, columns] = block

    def finish(self) -> None:
        self._matrix.flush()
        self._partial.replace(self._path)


@functools.cache
def _compiled_scorer(similarity: SimilarityConfig, compute_dtype: str) -> Any:
    """The scoring function; kept, so that the next evaluation does not compile it again."""
    dtype = product_dtype(compute_dtype)

    @jax.jit
    def scores(
        videos: PreparedVideos, texts: PreparedTexts, parameters: ScoringParameters
    ) -> dict[str, jax.Array]:
        result = score_prepared(videos, texts, parameters, similarity, dtype)
        return {FUSED: result.fused, **result.parts}

    return scores


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
