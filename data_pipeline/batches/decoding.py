"""This module decodes whole batches of serialized records: features padded, captions end to end.

It uses array operations only and no loop over records, because TensorFlow spends its time per operation and not per
value. An empty string decodes to a row of padding.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline.batches.batch import BatchLimits, VideoBatch
from data_pipeline.batches.text_layout import Ragged
from data_pipeline.manifest import FeatureStream, Manifest
from data_pipeline.records.schema import (
    CAPTION_FIELDS,
    CAPTIONS,
    FEATURE,
    FOILS,
    TEXT,
    Field,
    feature_key,
    frame_shape,
    record_fields,
)
from data_pipeline.text.same_text import WHITE_SPACE

Tensors = dict[str, Any]


def fill_up(serialized: tf.Tensor, rows: int) -> tf.Tensor:
    """Returns the records followed by empty strings, ``[rows]``."""
    missing = rows - tf.size(serialized)
    # Joining strings copies all their bytes, so it happens only where there is something to join.
    filled = tf.cond(
        missing > 0, lambda: tf.concat([serialized, tf.fill([missing], "")], axis=0), lambda: serialized
    )
    return tf.ensure_shape(filled, [rows])


def decode_videos(serialized: tf.Tensor, manifest: Manifest, limits: BatchLimits) -> Tensors:
    """Returns the arrays of a `VideoBatch` of all records, by name.

    Features are the bits of float16 values, as uint16. For each level, ``labels`` are the attributes of all videos end
    to end, and the number that each video has.
    """
    keys = {stream: feature_key(stream) for stream in manifest.streams}
    label_keys = {level: f"attributes/{level}" for level in manifest.attribute_sizes}
    parsed = _parse(serialized, [*keys.values(), *label_keys.values()], manifest.streams)

    counts = {stream: _frame_count(parsed[key], stream) for stream, key in keys.items()}
    kept = _kept_frames(list(counts.values()), limits)
    frame_mask = tf.range(limits.max_frames) < kept[:, None]
    sampled = {
        stream: _sample_frames(parsed[key], counts[stream], kept, frame_mask, stream)
        for stream, key in keys.items()
    }
    result: Tensors = {
        "frames": tf.concat([sampled[stream] for stream in manifest.frame_streams], axis=-1),
        "frame_mask": frame_mask,
        "labels": {
            level: (parsed[key].flat_values, parsed[key].row_lengths()) for level, key in label_keys.items()
        },
    }
    if manifest.region_stream:
        result["regions"] = sampled[manifest.region_stream]
    return result


def video_batch(arrays: Mapping[str, Any], manifest: Manifest) -> VideoBatch:
    """Returns the batch of the arrays of `decode_videos`, which are numpy's here."""
    regions = arrays.get("regions")
    videos = np.arange(len(arrays["frames"]))
    return VideoBatch(
        frames=arrays["frames"].view(np.float16),
        frame_mask=arrays["frame_mask"],
        regions=None if regions is None else regions.view(np.float16),
        labels={
            level: Ragged(*arrays["labels"][level]).multi_hot(videos, size)
            for level, size in manifest.attribute_sizes.items()
        },
    )


def decode_frame_times(
    serialized: tf.Tensor, manifest: Manifest, limits: BatchLimits
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the seconds of the frames that `decode_videos` keeps, float32 ``[v, f]``, and how many are known."""
    keys = {stream: feature_key(stream) for stream in manifest.streams}
    parsed = _parse(serialized, [*keys.values(), "frame_times"], manifest.streams)
    times = parsed["frame_times"]
    kept = _kept_frames([_frame_count(parsed[key], stream) for stream, key in keys.items()], limits)
    known = tf.cast(times.row_lengths(), tf.int32)
    index = _uniform_indices(known, kept, limits.max_frames)
    # Videos without times have index 0, which points at the padding.
    padded = tf.pad(times.to_tensor(), [[0, 0], [0, 1]])
    return tf.gather(padded, index, batch_dims=1), tf.minimum(kept, known)


def decode_video_ids(serialized: tf.Tensor) -> tf.Tensor:
    """Returns the ids of the videos; an id is empty for padding."""
    return _parse(serialized, ["video_id"])["video_id"]


def caption_counts(serialized: tf.Tensor, group: str = CAPTIONS) -> tf.Tensor:
    """Returns the number of captions (or foils) of each record, int32 ``[v]``."""
    key = f"{group}/token_counts"
    return tf.cast(_parse(serialized, [key])[key].row_lengths(), tf.int32)


def decode_caption_info(serialized: tf.Tensor) -> Tensors:
    """Returns ``ids`` and ``texts`` of all captions of the records, end to end."""
    return _flat(serialized, CAPTIONS, ["ids", "texts"])


def decode_foil_info(serialized: tf.Tensor) -> Tensors:
    """Returns ``kinds``, ``texts`` and ``caption_indices`` (within the video) of all foils, end to end."""
    return _flat(serialized, FOILS, ["kinds", "texts", "caption_indices"])


def draw_captions(
    video_ids: tf.Tensor, counts: tf.Tensor, epoch: tf.Tensor, seed: int, per_video: int = 1
) -> tf.Tensor:
    """Returns which of its captions each video shows in an epoch, int32 ``[v, per_video]``.

    The captions of a video are ordered by a hash of (seed, video id, number). The epochs go through that order,
    `per_video` captions at a time, again and again.
    """
    width = tf.maximum(tf.reduce_max(counts), 1)
    number = tf.range(width)
    shape = [tf.size(video_ids), width]
    names = tf.strings.join(
        [tf.broadcast_to(video_ids[:, None], shape), tf.broadcast_to(tf.strings.as_string(number), shape)],
        separator="/",
    )
    hashes = tf.strings.to_hash_bucket_strong(names, 2**62, key=[seed, 0])
    order = tf.argsort(tf.where(number < counts[:, None], hashes, tf.int64.max), axis=1, stable=True)
    turns = epoch * per_video + tf.range(per_video, dtype=tf.int64)
    turns %= tf.cast(tf.maximum(counts, 1), tf.int64)[:, None]
    return tf.gather(order, tf.cast(turns, tf.int32), batch_dims=1)


def decode_foil_sources(serialized: tf.Tensor) -> tf.RaggedTensor:
    """Returns the caption, among those of its video, from which each foil was made, ``[v, (foils)]``."""
    key = f"{FOILS}/caption_indices"
    return _parse(serialized, [key])[key]


def decode_captions(serialized: tf.Tensor, group: str) -> tuple[Tensors, tf.Tensor]:
    """Returns all captions (or foils) of the records, end to end, for `data_pipeline.batches.text_layout.lay_out`.

    Returns:
        The integers of `CAPTION_FIELDS` by key, and an int32 number for each caption, equal for equal texts.
    """
    numbers = [name for name, field in CAPTION_FIELDS.items() if field.dtype != TEXT]
    flat = _flat(serialized, group, [*numbers, "texts"])
    groups = tf.strings.to_hash_bucket_fast(text_keys(flat.pop("texts")), 2**31)
    return flat, tf.cast(groups, tf.int32)


def text_keys(texts: tf.Tensor) -> tf.Tensor:
    """Returns the key of each text, ``[t]``, by the rule of `data_pipeline.text.same_text.text_key`."""
    lower = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.strip(tf.strings.regex_replace(lower, WHITE_SPACE, " "))


def _frame_count(encoded: tf.Tensor, stream: FeatureStream) -> tf.Tensor:
    return tf.strings.length(encoded) // _bytes_per_frame(stream)


def _bytes_per_frame(stream: FeatureStream) -> int:
    return 2 * math.prod(frame_shape(stream))


def _kept_frames(counts: Sequence[tf.Tensor], limits: BatchLimits) -> tf.Tensor:
    """Returns the number of frames of each video in the batch: those of its longest stream, up to the limit."""
    return tf.minimum(tf.reduce_max(tf.stack(counts), axis=0), limits.max_frames)


def _uniform_indices(counts: tf.Tensor, kept: tf.Tensor, width: int) -> tf.Tensor:
    """Returns rows that start with ``round(linspace(0, counts[i] - 1, kept[i]))``, int32 ``[v, width]``."""
    last = tf.cast(tf.maximum(counts - 1, 0), tf.float64)
    step = last / tf.cast(tf.maximum(kept - 1, 1), tf.float64)
    positions = tf.range(width, dtype=tf.float64) * step[:, None]
    return tf.cast(tf.minimum(tf.round(positions), last[:, None]), tf.int32)


def _sample_frames(
    encoded: tf.Tensor, counts: tf.Tensor, kept: tf.Tensor, mask: tf.Tensor, stream: FeatureStream
) -> tf.Tensor:
    """Returns uint16 ``[v, f, dim]`` or ``[v, f, k, dim]`` from the bytes of each video; zero where not ``mask``."""
    # The array has one frame more than the longest video has; it is zero everywhere, and padding points at it.
    padding = tf.reduce_max(counts)
    # TensorFlow has no kernel that decodes float16 with padding.
    values = tf.io.decode_raw(encoded, tf.uint16, fixed_length=(padding + 1) * _bytes_per_frame(stream))
    values = tf.reshape(values, [-1, padding + 1, *frame_shape(stream)])
    index = tf.where(mask, _uniform_indices(counts, kept, mask.shape[1]), padding)
    return tf.gather(values, index, batch_dims=1)


def _flat(serialized: tf.Tensor, group: str, names: Iterable[str]) -> Tensors:
    """Returns the values of all captions (or foils) of the records, end to end."""
    parsed = _parse(serialized, [f"{group}/{name}" for name in names])
    return {key.removeprefix(f"{group}/"): values.flat_values for key, values in parsed.items()}


def _parse(
    serialized: tf.Tensor, keys: Iterable[str], streams: Iterable[FeatureStream] = ()
) -> Mapping[str, Any]:
    fields = record_fields(streams)
    return tf.io.parse_example(serialized, {key: _specification(fields[key]) for key in keys})


def _specification(field: Field) -> Any:
    if field.single or field.dtype == FEATURE:
        return tf.io.FixedLenFeature([], tf.string, default_value="")
    # Records know no shorter integers than int64.
    types = {TEXT: tf.string, "int32": tf.int64, "float32": tf.float32}
    return tf.io.RaggedFeature(types[field.dtype])
