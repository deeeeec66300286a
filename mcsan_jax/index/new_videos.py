"""This module gathers the videos that are to be added to an index: features, metadata and files to play."""

import dataclasses
import hashlib
import importlib.util
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from data_pipeline.errors import InputError
from data_pipeline.host.files import sha256_of
from data_pipeline.prepared_data import GivenVideos, StoredCaptions, embedded_clips
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.index import index_writer
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.metadata.own_captions import CAPTIONS, captions_table
from mcsan_jax.index.metadata.video_table import link_clips, video_table, without_metadata
from mcsan_jax.index.on_disk.index_description import CLIPS_NAME
from mcsan_jax.index.on_disk.kept_pictures import (
    Kind,
    extracted_pictures,
    keep_pictures,
    remove_unused_pictures,
)
from mcsan_jax.index.on_disk.rendered_clips import note_rendered, remove_unused_clips
from mcsan_jax.index.on_disk.segments import CLIP, ID
from mcsan_jax.index.on_disk.video_ids import counted_videos
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.ranking.encode_split import encode_videos
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.given_features import by_stream
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.searcher import EMBEDDED
from mcsan_jax.sharding import whole_rows

DONE = "this very command has done its work already; the index stays as it is"


@dataclasses.dataclass(frozen=True)
class VideoOptions:
    """Options say how the videos of an index are read, and what is known of them.

    Attributes:
        metadata: file with a column of ids and others, ``.csv`` or ``.jsonl``.
        clips: folder with the files to play; None for those that the features name.
        captions: with which the model's data were prepared; they become a column where there is no other metadata.
        encoders: folders, or names, of the encoders of clips, where they are no longer where they were in training.
        frames_per_second: that are taken of clips; None takes them as those of the training were.
        whole_videos: whether long videos stay whole; else the parts that their features name are videos of the index.
        skip_unknown: whether metadata of videos without features are left out; else they are refused.
        frame_rate: frames per second, where the features tell no times; of all streams, or by the name of each.
        batch_size: how many videos are encoded at a time.
        split: of the embedded data set.
        count: how many clips of it; by default all.
        render_clips: whether files to play are made of the clips of the embedded data set, in the folder of the index.
    """

    metadata: pathlib.Path | None = None
    clips: pathlib.Path | None = None
    captions: Sequence[StoredCaptions] = ()
    encoders: Sequence[str] = ()
    frames_per_second: float | None = None
    whole_videos: bool = False
    skip_unknown: bool = False
    frame_rate: float | Mapping[str, float | None] | None = None
    batch_size: int = 16
    split: str = "test"
    count: int | None = None
    render_clips: bool = False


@dataclasses.dataclass(frozen=True)
class NewVideos:
    """Videos that are about to be added.

    Attributes:
        given: their features.
        model: which encodes them.
        table: id, clip and metadata of each.
        options: how they are read.
        source: what decides their features, for the digest.
        lines: what the user should know.
        images: the frames of the clips that are to be rendered, by the id of the video.
        pictures: posters and film strips that lie beside the features, by the id of the video and their kind.
    """

    given: GivenVideos
    model: Mcsan
    table: pa.Table
    options: VideoOptions
    source: Any
    lines: list[str]
    images: Mapping[str, np.ndarray]
    pictures: Mapping[str, Mapping[Kind, pathlib.Path]]

    @classmethod
    def open(
        cls,
        model: Mcsan,
        features: Sequence[str] | Mapping[str, str],
        index: pathlib.Path,
        metadata: pa.Table | None,
        options: VideoOptions,
    ) -> "NewVideos":
        """Opens features and looks at every video, and joins the metadata.

        Raises:
            InputError: the features cannot be used, or the metadata are of other videos.
        """
        embedded = list(features) == [EMBEDDED]
        if not embedded and (options.count is not None or options.split != "test"):
            raise InputError(f"--count and --split choose clips of {EMBEDDED}; leave them out")
        if options.render_clips:
            _check_rendering(embedded, options)
        arrays: Any
        images: Mapping[str, np.ndarray] = {}
        frame_rate = options.frame_rate
        if embedded:
            clips = embedded_clips(options.count, options.split, show_progress=None)
            arrays, source = clips.features, [EMBEDDED, options.split, len(clips.captions)]
            images = clips.images if options.render_clips else {}
            frame_rate = frame_rate or clips.frames_per_second
            if metadata is None:
                captions = pa.array([list(texts) for texts in clips.captions.values()], pa.list_(pa.string()))
                metadata = pa.table({ID: pa.array(list(clips.captions)), CAPTIONS: captions})
        else:
            arrays = features if isinstance(features, Mapping) else by_stream(features, "")
            source = files_of(arrays if isinstance(arrays, Mapping) else {"": arrays})
        options = dataclasses.replace(options, frame_rate=frame_rate)
        given = GivenVideos(
            arrays,
            model.manifest,
            batch_limits(model.config.data),
            frame_rate,
            show_progress=False,
            in_parts=not options.whole_videos,
        )
        lines: list[str] = []
        if metadata is not None:
            lines += without_metadata(metadata, given, options.metadata, options.skip_unknown)
        elif options.captions:
            metadata = captions_table(options.captions, given)
        found = {name: f"{CLIPS_NAME}/{name}.mp4" for name in images}
        if options.clips or not embedded:
            found, said = link_clips(given, options.clips, index)
            lines += said
        table = video_table(given, metadata, found)
        return cls(given, model, table, options, source, lines, images, _pictures_of(arrays, given.ids))

    def digest(self, verb: str, fingerprint: str, number_type: str) -> str:
        """Returns a hash of all that decides what is written."""
        metadata = sha256_of(self.options.metadata) if self.options.metadata else ""
        shape = [index_writer.SEGMENT_ROWS, index_writer.JOINED_ROWS, self._batch_size]
        clips = [self.options.skip_unknown, self.table[CLIP].to_pylist()]
        parts = [verb, fingerprint, number_type, self.source, self.given.ids, self.options.frame_rate]
        captions = (
            self.table[CAPTIONS].to_pylist()
            if self.options.captions and CAPTIONS in self.table.column_names
            else []
        )
        return digest_of([*parts, metadata, clips, captions, shape])

    def added_by(self, writer: IndexWriter, digest: str) -> list[str]:
        """Adds the videos, and returns what is said of it."""
        count = len(self.given.ids)
        words = f"add {counted_videos(count)}"
        if not writer.is_finished(digest):
            writer.check_new(self.given.ids)
            if self.images:
                self._render(writer)
            keep_pictures(writer.folder, self.pictures)
        if not writer.add_in_parts(
            self.given.ids, self._encode, self.table, digest=digest, words=words, show_progress=None
        ):
            return [*left_clips(writer), f"{writer.folder}: {DONE}"]
        described = writer.description
        said = f"{writer.folder}: added {counted_videos(count)}, {described.videos:,} in all"
        return [
            *writer.notes,
            *left_clips(writer),
            *self.lines,
            f"{said} ({described.number_type}, model {described.fingerprint[:12]})",
        ]

    def _render(self, writer: IndexWriter) -> None:
        """Renders clips before the index names them; the same command, given again, writes the same bytes."""
        from data_pipeline.clips.render_clips import render_clips

        note_rendered(writer.folder, [f"{name}.mp4" for name in self.images])
        rate = self.options.frame_rate
        rate = 1.0 if rate is None or isinstance(rate, Mapping) else rate
        render_clips(self.images, writer.folder / CLIPS_NAME, rate, show_progress=None)

    @property
    def _batch_size(self) -> int:
        """Returns a batch size that the devices divide."""
        return whole_rows(self.options.batch_size, self.model.encoders.local_mesh)

    def _encode(self, ids: Sequence[str]) -> VideoEmbeddings:
        part, model = self.given.part(ids), self.model
        encoded = encode_videos(model.encoders, model.variables, part, self._batch_size, "given")
        return VideoEmbeddings.of(encoded, part.frame_times)


def _check_rendering(embedded: bool, options: VideoOptions) -> None:
    """Checks that clips can be rendered.

    Raises:
        InputError: there are no pictures, other clips are given, or a library is missing.
    """
    if not embedded:
        raise InputError(f"--render_clips makes clips of {EMBEDDED}; name yours with --clips=FOLDER")
    if options.clips is not None:
        raise InputError(f"--clips={options.clips} and --render_clips: give one of the two")
    if importlib.util.find_spec("av") is None:
        raise InputError("--render_clips: av is not installed; pip install 'mcsan-jax[serve]'")


def _pictures_of(arrays: Any, ids: Sequence[str]) -> dict[str, dict[Kind, pathlib.Path]]:
    """Returns the pictures beside the first features that have any, by the id of the video."""
    paths = arrays.values() if isinstance(arrays, Mapping) else [arrays]
    for path in paths:
        if isinstance(path, str):
            found = {video: extracted_pictures(pathlib.Path(path), video) for video in ids}
            if any(found.values()):
                return {video: files for video, files in found.items() if files}
    return {}


def files_of(paths: Mapping[str, Any]) -> list[Any]:
    """Returns names, sizes and times of the files of features, by which a change between two commands is noticed."""
    found = []
    for stream, given in paths.items():
        path = pathlib.Path(given)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                status = file.stat()
                found.append([stream, str(file.relative_to(path)), status.st_size, status.st_mtime_ns])
    return found


def left_clips(writer: IndexWriter) -> list[str]:
    """Removes rendered clips and kept pictures that no video of the index has, and returns what is said of it."""
    index = VideoIndex.open(writer.folder)
    remove_unused_pictures(writer.folder, index.ids)
    removed = remove_unused_clips(writer.folder, set(index.table[CLIP].to_pylist()))
    clips = "rendered clip" if removed == 1 else "rendered clips"
    return [f"removed {removed:,} {clips} of no video of the index"] if removed else []


def digest_of(parts: Any) -> str:
    """Returns a hash of plain values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
