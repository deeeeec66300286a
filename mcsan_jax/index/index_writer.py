"""This module changes an index: one writer at a time, each change all or nothing, a killed one to be continued.

Finished segments lie beside those of the index until one replacement of ``index.json`` makes them a part of it, and
``command.json`` says which they are. Whatever an interruption leaves is invisible to readers.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence

import filelock
import numpy as np
import pyarrow as pa

from data_pipeline.host.progress_bar import track_if
from mcsan_jax.index.index_content import check_model
from mcsan_jax.index.metadata.metadata_table import aligned, joined_columns
from mcsan_jax.index.on_disk import index_folder, unfinished, video_ids
from mcsan_jax.index.on_disk.index_description import (
    MODEL_NAME,
    Command,
    IndexDescription,
    NumberType,
    new_description,
)
from mcsan_jax.index.on_disk.index_files import (
    another_model,
    read_description,
    write_command,
    write_description,
)
from mcsan_jax.index.on_disk.segments import CLIP, ID, OpenSegment, open_segments
from mcsan_jax.index.on_disk.stored_layout import STORED_TOGETHER, arrays_in_parts, fitted, layout_of
from mcsan_jax.index.on_disk.stored_vectors import Encode, stored_arrays
from mcsan_jax.index.on_disk.write_segment import write_segment
from mcsan_jax.index.stage_one_arrays import with_stage_one
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.model_folder import read_description as read_model_description

SEGMENT_ROWS = 4096
"""How many videos a segment has, but for the last one of a command."""
JOINED_ROWS = 128
"""Added videos join the last segment where both together are at most so many: it is written anew, which is quick."""


class IndexWriter:
    """A writer holds the lock of an index; it is a context manager, and readers go on meanwhile.

    Attributes:
        folder: of the index.
        notes: what the user should know, such as that the work of an interrupted command is removed.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        description: IndexDescription,
        lock: filelock.BaseFileLock,
        model: Mcsan | None = None,
    ) -> None:
        """Takes a locked folder; `open` and `create` lock one."""
        self.folder, self.notes = folder, list[str]()
        self._description, self._lock, self._model = description, lock, model
        self._segments: list[OpenSegment] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._open_segments()

    @classmethod
    def open(cls, folder: str | pathlib.Path, model: Mcsan | None = None) -> "IndexWriter":
        """Opens an index for changes; its model is opened when it is needed, unless it is given.

        Raises:
            InputError: there is no index, it is damaged, another program writes to it, or nothing can be written.
        """
        place = pathlib.Path(folder)
        read_description(place)
        lock = index_folder.locked(place)
        with index_folder.released_on_error(lock):
            description = read_description(place)
            check_model(place, description)
            return cls(place, description, lock, model)

    @classmethod
    def create(
        cls,
        folder: str | pathlib.Path,
        model_folder: pathlib.Path,
        number_type: NumberType = "float16",
        *,
        model: Mcsan | None = None,
        digest: str = "",
        overwrite: bool = False,
    ) -> "IndexWriter":
        """Makes an index, which readers see once videos were added.

        Args:
            folder: a new or empty one, or one in which the same command was interrupted.
            model_folder: of the model whose vectors the index will hold; it is copied.
            number_type: how directions of frames are kept: ``float16`` or ``int8``.
            model: the model in this folder, where it is open already.
            digest: of the command that makes it; an index that this very command made is opened.
            overwrite: whether an index that is there is removed.

        Raises:
            InputError: the folder holds something else, an index of another model or of another command, or cannot be
                written.
        """
        place, fingerprint = pathlib.Path(folder), read_model_description(model_folder).fingerprint
        index_folder.check_place(place)
        lock = index_folder.locked(place)
        with index_folder.released_on_error(lock):
            there = index_folder.existing(place, fingerprint, str(model_folder), digest, overwrite)
            if there is not None:
                return cls(place, there, lock, model)
            calibration = index_folder.copy_model(model_folder, place / MODEL_NAME)
            return cls(place, new_description(fingerprint, number_type, calibration), lock, model)

    def __enter__(self) -> "IndexWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._description.videos

    def close(self) -> None:
        """Gives the lock back."""
        self._lock.release()

    @property
    def description(self) -> IndexDescription:
        """Returns the description of the index."""
        return self._description

    @property
    def model(self) -> Mcsan:
        """Returns the model of the index, which is opened when it is first needed."""
        if self._model is None:
            self._model = Mcsan.from_pretrained(self.folder / MODEL_NAME)
        return self._model

    def check_new(self, ids: Sequence[str]) -> None:
        """Checks ids of videos that are to be added, as `video_ids.check_new_ids` does."""
        video_ids.check_new_ids(self.folder, ids, self._places)

    def is_finished(self, digest: str) -> bool:
        """Returns whether the last command was the one of this digest, and has ended."""
        finished = unfinished.is_finished(self.folder, self._description, digest)
        if finished:  # It may have been killed when only these were left.
            unfinished.remove_unused(self.folder, self._description)
        return finished

    def add(
        self, videos: VideoEmbeddings, table: pa.Table | None = None, fingerprint: str | None = None
    ) -> None:
        """Adds encoded videos in one commit.

        Args:
            videos: the videos, by the model of the index.
            table: ``id``, ``clip`` and metadata of the videos, in the same order, as `metadata.aligned` makes it.
            fingerprint: of the model that encoded them, where it is known.

        Raises:
            InputError: a video is in the index already, or the vectors are those of another model.
        """
        if fingerprint is not None and fingerprint != self._description.fingerprint:
            own = self._description.fingerprint
            raise another_model("the model of the videos", fingerprint, self.folder, own)
        rows = {video: row for row, video in enumerate(videos.ids)}
        self.add_in_parts(videos.ids, lambda ids: videos.take([rows[one] for one in ids]), table)

    def add_in_parts(
        self,
        ids: Sequence[str],
        encode: Encode,
        table: pa.Table | None = None,
        *,
        digest: str = "",
        words: str = "",
        show_progress: bool | None = False,
    ) -> bool:
        """Adds videos in one commit, of which few are in memory at a time.

        Args:
            ids: of the videos.
            encode: encodes those of some ids.
            table: ``id``, ``clip`` and metadata of the videos, in the order of the ids.
            digest: hash of all that decides the result, by which a killed command is known; else it cannot continue.
            words: what the command does, for messages.
            show_progress: whether progress is shown; None shows it for long work.

        Returns:
            Whether anything was done: False where this very command had ended before.

        Raises:
            InputError: a video is in the index already, or the vectors are those of another model.
        """
        if self.is_finished(digest):
            return False
        self.check_new(ids)
        rows = aligned(None, ids, {}) if table is None else table
        joins = bool(self._segments) and len(self._segments[-1].live) + len(ids) <= JOINED_ROWS
        result = self._started(joined_columns(self._description.columns, rows, "the metadata"), digest)
        finished = result.next_segment - self._description.next_segment
        starts = range(0, len(ids), SEGMENT_ROWS)[finished:]
        batches = sum(-(-len(ids[start : start + SEGMENT_ROWS]) // STORED_TOGETHER) for start in starts)
        progress = iter(track_if(show_progress, range(batches), batches, "encoding videos"))

        def stored(some: Sequence[str]) -> dict[str, np.ndarray]:
            next(progress)
            return stored_arrays(encode(some), result.number_type, self.model.config.data.max_frames)

        for start in starts:
            arrays = arrays_in_parts(ids[start : start + SEGMENT_ROWS], stored)
            result, arrays = with_stage_one(self.folder, result, arrays, self.model)
            arrays = fitted(arrays, result.arrays or layout_of(arrays))
            result = self._with_segment(result, arrays, rows.slice(start, SEGMENT_ROWS), joins)
            if digest:
                write_command(self.folder, Command(digest, words, result))
        # It says how long all of it took.
        next(progress, None)
        self._commit(result, digest, words)
        return True

    def remove(self, ids: Iterable[str], *, digest: str = "", words: str = "") -> bool:
        """Removes videos in one commit; their bytes stay on the disk until their segment is written anew.

        Args:
            ids: of the videos.
            digest: hash of the command, as for `add_in_parts`.
            words: what the command does, for messages.

        Returns:
            False where this very command had ended before.

        Raises:
            InputError: names every id that the index does not have.
        """
        if self.is_finished(digest):
            return False
        gone = set(ids)
        video_ids.check_known_ids(self.folder, gone, self._places)
        result = self._started(self._description.columns, "")
        rows: dict[int, list[int]] = {}
        for video in gone:
            number, row = self._places[video]
            rows.setdefault(number, []).append(row)
        changed = [
            dataclasses.replace(one, removed=tuple(sorted({*one.removed, *rows.get(one.number, ())})))
            for one in result.segments
        ]
        kept = tuple(stored for stored in changed if stored.live)
        self._commit(dataclasses.replace(result, segments=kept), digest, words)
        for video in gone:
            del self._places[video]
        return True

    def _started(self, columns: dict[str, str], digest: str) -> IndexDescription:
        """Returns the description with which a command goes on: its own of before, or that of the index."""
        finished, note = unfinished.take_up(self.folder, self._description, digest)
        self.notes += [note] if note else []
        now = self._description
        return finished or dataclasses.replace(now, commits=now.commits + 1, columns=columns, checksum="")

    def _with_segment(
        self, result: IndexDescription, arrays: dict[str, np.ndarray], rows: pa.Table, joins: bool
    ) -> IndexDescription:
        """Writes a segment and returns the description that has it; where it joins the last one, in its place."""
        if joins:
            arrays, rows = self._segments[-1].followed_by(arrays, rows)
        rows = rows.select([one for one in (ID, CLIP, *result.columns) if one in rows.column_names])
        written = write_segment(self.folder, result.next_segment, arrays, rows, result.fingerprint)
        return dataclasses.replace(
            result,
            next_segment=result.next_segment + 1,
            arrays=result.arrays or layout_of(arrays),
            segments=(*result.segments[: -1 if joins else None], written),
        )

    def _commit(self, result: IndexDescription, digest: str, words: str) -> None:
        """Makes a description that of the index, in one step, and removes what it no longer has."""
        final = result.signed()
        if digest:
            write_command(self.folder, Command(digest, words, final))
        write_description(self.folder, final)
        self._description = final
        self._open_segments()
        unfinished.remove_unused(self.folder, final)

    def _open_segments(self) -> None:
        """Opens those that are not open, and notes the segment and the row of every video in them."""
        opened, now = {segment.stored.number for segment in self._segments}, self._description
        self._segments = open_segments(self.folder, now, self._segments)
        for segment in self._segments:
            number = segment.stored.number
            if number not in opened:
                self._places |= {segment.ids[row]: (number, row) for row in segment.live.tolist()}
