"""This module says what the search asks of a collection of videos."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from mcsan_jax.retrieval.embeddings import VideoEmbeddings


@runtime_checkable
class SearchedCollection(Protocol):
    """A collection holds the videos that are searched; rows are those of its live videos."""

    ids: tuple[str, ...]
    table: Any
    stage_one: np.ndarray

    def row_of(self, video: str) -> int:
        """Returns the row of a video; InputError where there is none."""

    def metadata_of(self, row: int) -> dict[str, Any]:
        """Returns the columns of a video, without id and clip."""

    def clip_of(self, row: int) -> str | None:
        """Returns the file to play."""

    def matching(self, where: str) -> Bool[np.ndarray, " v"]:
        """Returns which videos pass a filter."""

    def embeddings(self, rows: Sequence[int]) -> VideoEmbeddings:
        """Returns the vectors of some videos."""

    def refresh(self) -> bool:
        """Takes what a writer has committed since; returns whether there was anything."""
