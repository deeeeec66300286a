"""This module has the scores of texts and videos as an array that also knows its levels and explains its entries."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from data_pipeline.errors import InputError, shown
from data_pipeline.levels import LEVELS
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.retrieval.explain import Explanation
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, LINEAR


def check_row(number: Any, count: int, what: str) -> None:
    """Refuses what is no number of a row.

    Raises:
        InputError: it is no whole number, or there is no such row.
    """
    if not isinstance(number, int | np.integer) or not 0 <= number < count:
        raise InputError(f"there are {count} {what}, numbered from 0; found {shown(number)}")


Explain = Callable[[int, int], Explanation]


class SimilarityMatrix(np.ndarray):
    """A similarity matrix holds the fused scores, float32 [texts, videos]; it is an array that knows more.

    What is cut or computed from it is a plain matrix of numbers, without levels and explanations.
    """

    _made_of: tuple[BlockScorer, Explain] | None

    @classmethod
    def of(cls, scorer: BlockScorer, explain: Explain) -> "SimilarityMatrix":
        """Computes the scores, block by block.

        Args:
            scorer: compares the videos and the texts.
            explain: explains the score of a text and a video, given by their numbers.
        """
        scores = _components(scorer, [FUSED])[FUSED].view(cls)
        scores._made_of = scorer, explain
        return scores

    def __array_finalize__(self, source: Any) -> None:
        self._made_of = None

    @property
    def levels(self) -> dict[str, np.ndarray]:
        """The scores of each level, and of the attributes and the linear branch where the fused score has them.

        Each is float32 [texts, videos], NaN in the rows of texts that have no node there.

        Raises:
            InputError: the matrix was cut or computed from another one.
        """
        scorer, _ = self._source()
        return _components(scorer, [*LEVELS, ATTRIBUTES, LINEAR])

    def explain(self, text: int, video: int) -> Explanation:
        """Explains a score: which phrase of the text met which frame of the video, and what each word adds.

        Args:
            text: number of the row.
            video: number of the column.

        Raises:
            InputError: there is no such row or column, or the matrix was cut or computed from another one.
        """
        _, explain = self._source()
        for number, count, what in zip((text, video), self.shape, ("texts", "videos"), strict=True):
            check_row(number, count, what)
        return explain(text, video)

    def _source(self) -> tuple[BlockScorer, Explain]:
        if self._made_of is None:
            raise InputError(
                "this matrix was cut or computed from another one; ask the one that `similarity` returned"
            )
        return self._made_of


def _components(scorer: BlockScorer, names: Iterable[str]) -> dict[str, np.ndarray]:
    kept = [name for name in names if name in scorer.components]
    videos, texts = scorer.shape
    found = {name: np.full((texts, videos), np.nan, np.float32) for name in kept}
    for strip in scorer.blocks():
        for (rows, columns), block in scorer.scores(strip):
            for name in kept:
                found[name][columns, rows] = block[name].T
    for level, nodes in scorer.texts.nodes.items():
        if level in found:
            found[level][nodes.counts == 0] = np.nan
    return found
