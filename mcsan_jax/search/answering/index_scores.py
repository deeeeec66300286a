"""This module keeps the vectors of an index where they are scored, in step with its segments."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.on_disk.segments import OpenSegment
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE
from mcsan_jax.index.stage_one_arrays import read_bases
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.stages.exact_scores import CollectionScorer
from mcsan_jax.search.stages.two_stages import CandidateSearch

_ROW_BITS = 24
"""Bits of a number for the row in a segment; those above are of the segment's hash."""

_HASH_DIGITS = 9
"""Hexadecimal digits of the hash, so that a number has 60 bits."""


class IndexScores:
    """Index scores are what a search of an index asks; a change of the index costs what has changed.

    Attributes:
        search: scores the videos of the index.
    """

    def __init__(self, model: Mcsan, index: VideoIndex, engine: Engine | None = None) -> None:
        """Takes the model, its index, and the engine for candidates, which gets the vectors that it lacks.

        Args:
            model: the model.
            index: the videos.
            engine: may hold other vectors as well; by default one that reads those of the index where they are.
        """
        self._model, self._index = model, index
        self._scorer = CollectionScorer(index.content.segments, model.scoring_parameters, model.config)
        self._engine: Engine = FlatEngine() if engine is None else engine
        self._numbers = np.zeros(0, np.int64)
        self.search = self._in_step()

    def refresh(self) -> None:
        """Takes what the index holds after its own `refresh`."""
        self._scorer.replace(self._index.content.segments)
        self.search = self._in_step()

    def nearest(self, row: int, among: Bool[np.ndarray, " v"], most: int) -> Int[np.ndarray, " m"]:
        """Returns the rows of the videos whose stage-1 vectors have the largest products with that of a row.

        Args:
            row: the row.
            among: the videos that count.
            most: how many are returned at most.
        """
        vector = stage_one_of(self._index, np.array([row]))
        [(found, _)] = self._engine.search(vector, most, np.sort(self._numbers[among]))
        order = np.argsort(self._numbers)
        return order[np.searchsorted(self._numbers, found, sorter=order)]

    def _in_step(self) -> CandidateSearch:
        """Gives the engine what is new, and takes from it what was there before and is no more."""
        content, before = self._index.content, self._numbers
        known = self._engine.numbers()
        all_live = [_numbers(segment)[segment.live] for segment in content.segments]
        self._numbers = np.concatenate(all_live) if all_live else np.zeros(0, np.int64)
        self._engine.delete(np.setdiff1d(before, self._numbers))
        for segment, live in zip(content.segments, all_live, strict=True):
            if not np.isin(live, known).all():
                # All rows, so that mapped vectors need not be copied.
                self._engine.insert(_numbers(segment), segment.arrays[STAGE_ONE])
                self._engine.delete(np.setdiff1d(_numbers(segment), live))
        config, bases = self._model.config.similarity, read_bases(self._index.folder, content.description)
        parameters = self._model.scoring_parameters
        return CandidateSearch(self._scorer, self._engine, self._numbers, parameters, config, bases or None)


def _numbers(segment: OpenSegment) -> Int[np.ndarray, " n"]:
    """Returns the numbers of all rows of a segment, live or removed, which rise; no other vector has them."""
    start = int(segment.stored.vectors.sha256[:_HASH_DIGITS], 16) << _ROW_BITS
    return start + np.arange(segment.stored.rows)


def stage_one_of(index: VideoIndex, rows: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some w"]:
    """Returns the stage-1 vectors of some videos."""
    return index.content.gathered(STAGE_ONE, rows).astype(np.float32)
