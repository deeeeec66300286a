"""This module keeps the vectors of an index where they are scored, in step with its segments."""

import numpy as np
from jaxtyping import Bool, Float, Int

from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.engines.synchronise import live_numbers, synchronise
from mcsan_jax.index.index_content import IndexContent
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.stages.exact_scores import CollectionScorer
from mcsan_jax.search.stages.two_stages import CandidateSearch


class IndexScores:
    """Index scores are what a search of an index asks; a change of the index costs what has changed.

    Attributes:
        search: scores the videos of the index.
    """

    def __init__(self, model: Mcsan, index: VideoIndex, engine: Engine | None = None) -> None:
        """Takes the model, its index, and the engine that finds candidates; by default the flat one."""
        self._model, self._index = model, index
        self._scorer = CollectionScorer(index.content.segments, model.scoring_parameters, model.config)
        self._engine: Engine = FlatEngine() if engine is None else engine
        self.search = self._in_step(index.content)

    def refresh(self) -> None:
        """Takes what the index holds after its own `refresh`."""
        self._scorer.take_segments(self._index.content.segments)
        self.search = self._in_step(self._index.content)

    def nearest(self, row: int, among: Bool[np.ndarray, " v"], most: int) -> Int[np.ndarray, " m"]:
        """Returns the rows of the videos whose stage-1 vectors have the largest products with that of a row.

        Args:
            row: the row.
            among: the videos that count.
            most: how many are returned at most.
        """
        vector = stage_one_of(self._index, np.array([row]))
        [(found, _)] = self._engine.search(vector, most, np.sort(self.search.numbers[among]))
        return self.search.rows_of(found)[0]

    def _in_step(self, content: IndexContent) -> CandidateSearch:
        synchronise(self._engine, content.segments)
        parameters, config = self._model.scoring_parameters, self._model.config.similarity
        numbers = live_numbers(content.segments)
        return CandidateSearch(self._scorer, self._engine, numbers, parameters, config, self._index.bases)


def stage_one_of(index: VideoIndex, rows: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some w"]:
    """Returns the stage-1 vectors of some videos."""
    return index.content.gathered(STAGE_ONE, rows).astype(np.float32)
