"""This module opens the content of an index as it is between two changes, also while a writer goes on."""

import functools
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from data_pipeline.errors import InputError
from mcsan_jax.index.metadata.column_types import arrow_type
from mcsan_jax.index.on_disk.index_description import ADVICE, MODEL_NAME, IndexDescription
from mcsan_jax.index.on_disk.index_files import another_model, model_fingerprint, read_description
from mcsan_jax.index.on_disk.segments import CLIP, ID, OpenSegment, open_segments

_OPENINGS = 20
"""How often an index is opened anew while programs change it, before that is an error."""


class IndexContent:
    """The content of an index between two changes; it stays readable when a writer goes on.

    Attributes:
        description: its ``index.json``.
        segments: the opened segments, in their order.
    """

    def __init__(self, description: IndexDescription, segments: Sequence[OpenSegment]) -> None:
        self.description, self.segments = description, tuple(segments)

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Returns the ids of the live videos."""
        return tuple(segment.ids[row] for segment in self.segments for row in segment.live.tolist())

    @functools.cached_property
    def rows(self) -> dict[str, int]:
        """Returns the row of each video by its id."""
        return {video: row for row, video in enumerate(self.ids)}

    @functools.cached_property
    def ends(self) -> Int[np.ndarray, " segment"]:
        """Returns how many live videos there are up to the end of each segment."""
        return np.cumsum([len(segment.live) for segment in self.segments], dtype=np.int64)

    @functools.cached_property
    def table(self) -> pa.Table:
        """Returns ids, clips and metadata of the live videos; what a segment lacks is null."""
        columns = {ID: pa.string(), CLIP: pa.string()}
        columns |= {name: arrow_type(kind) for name, kind in self.description.columns.items()}
        parts = []
        for segment in self.segments:
            whole = segment.table.num_rows == len(segment.live)
            own = segment.table if whole else segment.table.take(pa.array(segment.live))
            parts.append(
                [
                    own[name].combine_chunks() if name in own.column_names else pa.nulls(len(own), kind)
                    for name, kind in columns.items()
                ]
            )
        return pa.table(
            [
                pa.chunked_array([part[place] for part in parts], type=kind).combine_chunks()
                for place, kind in enumerate(columns.values())
            ],
            names=list(columns),
        )

    def gathered(self, name: str, rows: Int[np.ndarray, " some"] | None = None) -> np.ndarray:
        """Copies rows of an array, in its own numbers; by default those of all live videos."""
        stored = self.description.arrays[name]
        if rows is None:
            rows = np.arange(self.description.videos)
        found = np.empty((len(rows), *stored.shape), stored.dtype)
        owners = np.searchsorted(self.ends, rows, side="right")
        for number in np.unique(owners).tolist():
            segment, own = self.segments[number], owners == number
            start = self.ends[number] - len(segment.live)
            found[own] = segment.arrays[name][segment.live[rows[own] - start]]
        return found


def open_content(folder: pathlib.Path, opened: Sequence[OpenSegment]) -> IndexContent:
    """Opens an index, also while a writer replaces segments, and takes over those that are open already."""
    for _ in range(_OPENINGS):
        description = read_description(folder)
        try:
            check_model(folder, description)
            return IndexContent(description, open_segments(folder, description, opened))
        except FileNotFoundError as error:
            # A writer may have removed it after its commit; then there is another description.
            if read_description(folder).checksum == description.checksum:
                raise InputError(f"{error.filename or error}: is missing. {ADVICE}") from error
    raise InputError(f"{folder}: other programs change the index all the time; try again")


def check_model(folder: pathlib.Path, description: IndexDescription) -> None:
    """Checks that the model in an index is the one whose vectors it holds.

    Raises:
        InputError: it is another one; the message has both fingerprints.
    """
    model = folder / MODEL_NAME
    if (found := model_fingerprint(model)) != description.fingerprint:
        raise another_model(str(model), found, folder, description.fingerprint)
