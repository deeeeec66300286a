"""This module builds an index of one's own videos, adds to it and removes from it: what `mcsan index` does."""

import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import pyarrow as pa

from data_pipeline.errors import InputError
from mcsan_jax.index.clip_features import are_clips, features_of_clips
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.metadata.metadata_table import read_metadata
from mcsan_jax.index.new_videos import DONE, NewVideos, VideoOptions, digest_of, left_clips
from mcsan_jax.index.on_disk.index_description import NumberType
from mcsan_jax.index.on_disk.index_files import model_fingerprint
from mcsan_jax.index.on_disk.index_folder import check_place
from mcsan_jax.index.on_disk.segments import ID
from mcsan_jax.index.on_disk.video_ids import counted_videos
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import check_batch_size
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.model_folder import is_model_folder


def build_index(
    name: str,
    features: Sequence[str] | Mapping[str, str],
    out: pathlib.Path,
    number_type: NumberType,
    options: VideoOptions,
    overwrite: bool,
) -> list[str]:
    """Encodes videos and makes an index of them.

    Args:
        name: of the model, as `Mcsan.from_pretrained` takes it.
        features: ``PATH`` or ``STREAM=PATH``, or ``moving_shapes`` for the clips of the embedded data set; or a path by
            the name of each stream; or clips, files and folders, whose features are extracted first.
        out: folder of the index.
        number_type: how directions of frames are kept.
        options: of the videos.
        overwrite: whether an index that is there is replaced.

    Returns:
        Lines that say what came of it.

    Raises:
        InputError: the model, the features, the metadata or the folder cannot be used.
    """
    check_place(out)
    check_batch_size(options.batch_size)
    metadata = read_metadata(options.metadata, {}) if options.metadata else None
    model, found = Mcsan.from_pretrained(name), find_model(name)
    features, said = _extracted(model, features, out, options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = found
        if not is_model_folder(found):
            # A run from before runs had model folders.
            folder = pathlib.Path(temporary) / "model"
            model.save_pretrained(folder)
        videos = NewVideos.open(model, features, out, metadata, options)
        digest = videos.digest("build", model_fingerprint(folder), number_type)
        with IndexWriter.create(
            out, folder, number_type, model=model, digest=digest, overwrite=overwrite
        ) as writer:
            return [*said, *videos.added_by(writer, digest)]


def add_videos(index: pathlib.Path, features: Sequence[str], options: VideoOptions) -> list[str]:
    """Encodes videos with the model of an index and adds them, all or nothing; returns lines that say so.

    Raises:
        InputError: the index, the features or the metadata cannot be used, or a video is in the index already.
    """
    check_batch_size(options.batch_size)
    with IndexWriter.open(index) as writer:
        known = writer.description.columns
        metadata = read_metadata(options.metadata, known) if options.metadata else None
        given, said = _extracted(writer.model, features, index, options)
        videos = NewVideos.open(writer.model, given, index, metadata, options)
        digest = videos.digest("add", writer.description.fingerprint, writer.description.number_type)
        return [*said, *videos.added_by(writer, digest)]


def _extracted(
    model: Mcsan, features: Sequence[str] | Mapping[str, str], index: pathlib.Path, options: VideoOptions
) -> tuple[Sequence[str] | Mapping[str, str], list[str]]:
    """Returns features, those of clips where clips are given, and what is said of their extraction."""
    if isinstance(features, Mapping) or not are_clips(features):
        given = [f"--encoder={one}" for one in options.encoders]
        given += [] if options.frames_per_second is None else [f"--fps={options.frames_per_second:g}"]
        if given:
            raise InputError(f"{given[0]} is for clips; features were extracted already")
        return features, []
    streams = model.manifest.streams
    return features_of_clips(features, streams, index, options.encoders, options.frames_per_second)


def remove_videos(index: pathlib.Path, ids: Sequence[str], where: str) -> list[str]:
    """Removes videos from an index by id or by a filter, all or nothing; returns lines that say so.

    Raises:
        InputError: a video is unknown, or the filter has a fault or lets no video through.
    """
    if ids and where.strip():
        raise InputError(
            "ids and --where are both given: choose one of the two; a filter can also name ids, as in "
            '\'id in ("a", "b")\''
        )
    if not ids and not where.strip():
        raise InputError("give the ids of the videos to be removed, or --where with a filter")
    digest = digest_of(["remove", sorted(set(ids)), where])
    with IndexWriter.open(index) as writer:
        if writer.is_finished(digest):
            return [*left_clips(writer), f"{index}: {DONE}"]
        opened = VideoIndex.open(index)
        chosen = opened.table[ID].filter(pa.array(opened.matching(where))).to_pylist() if where else list(ids)
        if not chosen:
            raise InputError(
                f"{index}: no video passes the filter {where!r}; `mcsan index list` takes --where, too"
            )
        writer.remove(chosen, digest=digest, words=f"remove {counted_videos(len(set(chosen)))}")
        said = f"{index}: removed {counted_videos(len(set(chosen)))}, {len(writer):,} are left"
        return [*writer.notes, *left_clips(writer), said]
