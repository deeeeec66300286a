"""This module says what a split of videos and captions must offer to be ranked, wherever it is kept."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from data_pipeline.batches.batch import TextBatch, VideoBatch


@runtime_checkable
class CaptionRows(Protocol):
    """They say which captions the real rows of a batch are."""

    @property
    def ids(self) -> Sequence[str]:
        """Returns the ids of the captions."""

    @property
    def texts(self) -> Sequence[str]:
        """Returns what they say."""

    @property
    def videos(self) -> Int[np.ndarray, " t"]:
        """Returns the index of each caption's video in the order of the videos."""


@runtime_checkable
class FoilRows(Protocol):
    """They say which foils the real rows of a batch are."""

    @property
    def kinds(self) -> Sequence[str]:
        """Returns what each foil changes."""

    @property
    def texts(self) -> Sequence[str]:
        """Returns what they say."""

    @property
    def captions(self) -> Int[np.ndarray, " t"]:
        """Returns the index of each foil's true caption in the order of the captions."""


@runtime_checkable
class Videos(Protocol):
    """Videos can be read through, in an order that never changes."""

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """Yields all videos, in padded batches, with the ids of the real rows."""


@runtime_checkable
class Split(Videos, Protocol):
    """A split can be read through, in an order that never changes."""

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """Yields all captions of all videos, in padded batches."""

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """Yields all foils, captions that are false of their video, in padded batches."""
