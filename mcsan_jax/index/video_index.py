"""This module reads an index: the vectors of its videos, mapped into memory, and the table of their metadata."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from data_pipeline.errors import InputError, nearest_name, shown
from mcsan_jax.calibration.calibration import Calibration, read_calibration
from mcsan_jax.index.index_content import IndexContent, open_content
from mcsan_jax.index.metadata.filters import matching_rows
from mcsan_jax.index.metadata.metadata_table import PART_END, PART_START
from mcsan_jax.index.on_disk.index_description import MODEL_NAME, IndexDescription
from mcsan_jax.index.on_disk.index_files import another_model, read_description
from mcsan_jax.index.on_disk.kept_pictures import Kind, kept_picture
from mcsan_jax.index.on_disk.segments import CLIP
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE, read_videos
from mcsan_jax.index.stage_one_arrays import read_bases
from mcsan_jax.retrieval.embeddings import VideoEmbeddings


class VideoIndex:
    """An index, opened for reading while others may change it.

    What it shows stays the same until `refresh`. A row is the place of a video among the live ones, in the order in
    which they were added.

    Attributes:
        folder: of the index.
    """

    def __init__(self, folder: pathlib.Path, content: IndexContent) -> None:
        """Takes what was opened; `open` opens a folder."""
        self.folder, self._content = folder, content

    @classmethod
    def open(cls, folder: str | pathlib.Path) -> "VideoIndex":
        """Opens an index, and checks versions, the model, sizes and shapes, and that the files belong together.

        Raises:
            InputError: there is no index, or one that is damaged, of a newer version, or of another model.
        """
        place = pathlib.Path(folder)
        return cls(place, open_content(place, ()))

    def refresh(self) -> bool:
        """Takes over what writers have committed since; segments that stayed are not opened again.

        Returns:
            Whether anything changed.

        Raises:
            InputError: the index is damaged, or is of another model now.
        """
        found = read_description(self.folder)
        if found.checksum == self.description.checksum:
            return False
        if found.fingerprint != self.description.fingerprint:
            raise another_model(
                "what is there now", found.fingerprint, self.folder, self.description.fingerprint
            )
        self._content = open_content(self.folder, self._content.segments)
        return True

    @property
    def content(self) -> IndexContent:
        """Returns the content of now, which a later `refresh` replaces and does not change."""
        return self._content

    @property
    def description(self) -> IndexDescription:
        """Returns the description of the index."""
        return self._content.description

    @property
    def model_folder(self) -> pathlib.Path:
        """Returns the folder of the model, as `Mcsan.from_pretrained` opens it."""
        return self.folder / MODEL_NAME

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """Returns the ids of all videos, in the order of the rows."""
        return self._content.ids

    def row_of(self, video: str) -> int:
        """Returns the row of a video by its id.

        Raises:
            InputError: there is no such video.
        """
        row = self._content.rows.get(video)
        if row is None:
            raise InputError(
                f"no video {shown(video)} among the {len(self):,} of the index {self.folder}; "
                f"{nearest_name(str(video), self.ids)}`mcsan index list` shows them"
            )
        return row

    @property
    def table(self) -> pa.Table:
        """Returns the table of the videos, in the order of the rows: ``id``, ``clip`` and the columns of metadata."""
        return self._content.table

    @property
    def columns(self) -> tuple[str, ...]:
        """Returns the names of the columns of metadata."""
        return tuple(self.description.columns)

    def metadata_of(self, row: int) -> dict[str, Any]:
        """Returns the metadata of a video by column, as plain values; None where there is none.

        Raises:
            InputError: there is no such row.
        """
        if row not in range(len(self)):
            raise InputError(
                f"row: expected one of the {len(self):,} videos, numbered from 0; found {shown(row)}"
            )
        return {name: self.table[name][row].as_py() for name in self.columns}

    def clip_of(self, row: int) -> str | None:
        """Returns the path of a video's file; None where none is linked. Whether the file is there is not looked at."""
        clip = self.table[CLIP][row].as_py()
        return None if clip is None else str(self.folder / clip)

    def part_of(self, row: int) -> tuple[float, float] | None:
        """Returns where in its file a video begins and ends, in seconds; None where it is the whole file."""
        if PART_START not in self.columns:
            return None
        start, end = (self.table[name][row].as_py() for name in (PART_START, PART_END))
        return None if start is None or end is None else (start, end)

    def kept_picture(self, row: int, kind: Kind) -> pathlib.Path | None:
        """Returns the poster or the film strip that is kept of a video; None where none is."""
        path = kept_picture(self.folder, self.ids[row], kind)
        return path if path.is_file() else None

    def matching(self, where: str) -> Bool[np.ndarray, " v"]:
        """Returns which videos a filter lets through; an empty one lets all through.

        Raises:
            InputError: the filter has a fault, and where it has it.
        """
        return matching_rows(where, self.table)

    def embeddings(self, rows: Sequence[int] | Int[np.ndarray, " some"]) -> VideoEmbeddings:
        """Returns the vectors of some videos as float32, copied, in the order of `rows`."""
        content, chosen = self._content, np.asarray(rows, np.int64)
        arrays = {name: content.gathered(name, chosen) for name in content.description.arrays}
        return read_videos([content.ids[row] for row in chosen.tolist()], arrays)

    @functools.cached_property
    def calibration(self) -> Calibration | None:
        """Returns what turns scores into probabilities; None where the model has none.

        Raises:
            InputError: its file is damaged.
        """
        return read_calibration(self.model_folder)

    @property
    def bases(self) -> dict[str, Float[np.ndarray, "d w"]]:
        """Returns the bases to which the parts of stage-1 vectors are cut, by component; empty where they are not.

        Raises:
            InputError: their file is damaged.
        """
        return read_bases(self.folder, self.description)

    @property
    def stage_one(self) -> Float[np.ndarray, "v w"]:
        """Returns the stage-1 vectors as float32, copied; ``content.segments`` has those that are mapped."""
        content = self._content
        if STAGE_ONE not in content.description.arrays:
            return np.zeros((0, 0), np.float32)
        return content.gathered(STAGE_ONE).astype(np.float32)
