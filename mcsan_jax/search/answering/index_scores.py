"""This module keeps the vectors of an index where they are scored, in step with its segments."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.index_content import IndexContent
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.stages.exact_scores import CollectionScorer
from mcsan_jax.search.stages.two_stages import CandidateSearch

_ROWS_OF_SEGMENT = 1 << 32
"""More than a segment can have, so that its number and the row make one number."""


class IndexScores:
    """Index scores are what a search of an index asks; a change of the index costs what has changed.

    Attributes:
        search: scores the videos of the index.
    """

    def __init__(self, model: Mcsan, index: VideoIndex) -> None:
        """Takes the model and its index."""
        self._model, self._index = model, index
        self._scorer = CollectionScorer(index.content.segments, model.scoring_parameters, model.config)
        self._engine = FlatEngine()
        self.search = self._in_step(index.content)

    def refresh(self) -> None:
        """Takes what the index holds after its own `refresh`."""
        self._scorer.replace(self._index.content.segments)
        self.search = self._in_step(self._index.content)

    def nearest(self, row: int, among: Bool[np.ndarray, " v"], most: int) -> Int[np.ndarray, " m"]:
        """Returns the rows of the videos whose stage-1 vectors have the largest products with that of a row.

        Args:
            row: the row.
            among: the videos that count.
            most: how many are returned at most.
        """
        numbers = self.search.numbers
        vector = stage_one_of(self._index, np.array([row]))
        [(found, _)] = self._engine.search(vector, most, numbers[among])
        return np.searchsorted(numbers, found)

    def _in_step(self, content: IndexContent) -> CandidateSearch:
        known = self._engine.numbers()
        numbers = _numbers(content)
        self._engine.delete(np.setdiff1d(known, numbers))
        for segment in content.segments:
            first = segment.stored.number * _ROWS_OF_SEGMENT
            all_rows = first + np.arange(len(segment.arrays[STAGE_ONE]))
            if not np.isin(all_rows, known).any():
                self._engine.insert(all_rows, segment.arrays[STAGE_ONE])
                self._engine.delete(np.setdiff1d(all_rows, numbers))
        config = self._model.config.similarity
        return CandidateSearch(self._scorer, self._engine, numbers, self._model.scoring_parameters, config)


def _numbers(content: IndexContent) -> Int[np.ndarray, " v"]:
    """Returns the numbers of the live videos, which rise with their rows."""
    parts = [segment.stored.number * _ROWS_OF_SEGMENT + segment.live for segment in content.segments]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def stage_one_of(index: VideoIndex, rows: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some w"]:
    """Returns the stage-1 vectors of some videos."""
    return index.content.gathered(STAGE_ONE, rows).astype(np.float32)
