"""Serialized records → padded tensors, for a whole batch of records at once.

Only array operations, no loop over records: TensorFlow spends its time per operation, not per value.
An empty string decodes to a row of padding.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.manifest import REGIONS, FeatureStream, Manifest
from data_pipeline.records.schema import ACTION_NODE
from data_pipeline.text.same_text import WHITE_SPACE

CAPTIONS = "captions"
FOILS = "foils"

Tensors = dict[str, Any]


def fill_up(serialized: tf.Tensor, rows: int) -> tf.Tensor:
    """The records followed by empty strings, ``[rows]``."""
    missing = rows - tf.size(serialized)
    # To join strings is to copy all their bytes: only where there is something to join.
    filled = tf.cond(
        missing > 0, lambda: tf.concat([serialized, tf.fill([missing], "")], axis=0), lambda: serialized
    )
    return tf.ensure_shape(filled, [rows])


def decode_videos(serialized: tf.Tensor, manifest: Manifest, limits: BatchLimits) -> Tensors:
    """The fields of a `VideoBatch` of all records; features are the bits of float16 values, as uint16."""
    keys = {stream: _feature_key(stream) for stream in manifest.streams}
    label_keys = {level: f"attributes/{level}" for level in manifest.attribute_sizes}
    parsed = _parse(serialized, strings=list(keys.values()), integers=list(label_keys.values()))

    counts = {stream: _frame_count(parsed[key], stream) for stream, key in keys.items()}
    kept = _kept_frames(list(counts.values()), limits)
    frame_mask = tf.range(limits.max_frames) < kept[:, None]
    sampled = {
        stream: _sample_frames(parsed[key], counts[stream], kept, frame_mask, stream)
        for stream, key in keys.items()
    }
    videos = tf.range(tf.size(serialized))
    result: Tensors = {
        "frames": tf.concat([sampled[stream] for stream in manifest.frame_streams], axis=-1),
        "frame_mask": frame_mask,
        "labels": {
            level: _multi_hot(_Ragged.of(parsed[key]), videos, manifest.attribute_sizes[level])
            for level, key in label_keys.items()
        },
    }
    if manifest.region_stream:
        result["regions"] = sampled[manifest.region_stream]
    return result


def decode_frame_times(
    serialized: tf.Tensor, manifest: Manifest, limits: BatchLimits
) -> tuple[tf.Tensor, tf.Tensor]:
    """Seconds of the frames that `decode_videos` keeps, float32 ``[v, f]``, and how many are known, ``[v]``."""
    keys = {stream: _feature_key(stream) for stream in manifest.streams}
    spec: Tensors = {key: tf.io.FixedLenFeature([], tf.string) for key in keys.values()}
    spec["frame_times"] = tf.io.RaggedFeature(tf.float32)
    parsed = tf.io.parse_example(serialized, spec)
    times = parsed["frame_times"]
    kept = _kept_frames([_frame_count(parsed[key], stream) for stream, key in keys.items()], limits)
    known = tf.cast(times.row_lengths(), tf.int32)
    index = _uniform_indices(known, kept, limits.max_frames)
    # Videos without times have index 0, which the padding provides.
    padded = tf.pad(times.to_tensor(), [[0, 0], [0, 1]])
    return tf.gather(padded, index, batch_dims=1), tf.minimum(kept, known)


def decode_video_ids(serialized: tf.Tensor) -> tf.Tensor:
    """Video ids; empty for padding."""
    return _parse(serialized, strings=["video_id"])["video_id"]


def caption_counts(serialized: tf.Tensor, group: str = CAPTIONS) -> tf.Tensor:
    """Captions (or foils) of each record, int32 ``[v]``."""
    key = f"{group}/token_counts"
    return tf.cast(_parse(serialized, integers=[key])[key].row_lengths(), tf.int32)


def decode_caption_info(serialized: tf.Tensor) -> Tensors:
    """``ids`` and ``texts`` of all captions of the records, end to end."""
    parsed = _parse(serialized, texts=["captions/ids", "captions/texts"])
    return {"ids": parsed["captions/ids"].flat_values, "texts": parsed["captions/texts"].flat_values}


def decode_foil_info(serialized: tf.Tensor) -> Tensors:
    """``kinds``, ``texts`` and ``caption_indices`` (within the video) of all foils, end to end."""
    parsed = _parse(serialized, integers=["foils/caption_indices"], texts=["foils/kinds", "foils/texts"])
    return {key.removeprefix("foils/"): values.flat_values for key, values in parsed.items()}


def draw_captions(
    video_ids: tf.Tensor, counts: tf.Tensor, epoch: tf.Tensor, seed: int, per_video: int = 1
) -> tf.Tensor:
    """Which of its captions each video shows in an epoch, int32 ``[v, per_video]``.

    The captions of a video are put in the order of a hash of (seed, video id, number); the epochs count
    through that order, `per_video` at a time, again and again.
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


def decode_captions(
    serialized: tf.Tensor, manifest: Manifest, limits: BatchLimits, group: str, chosen: tf.Tensor
) -> Tensors:
    """The fields of a `TextBatch` of chosen captions.

    Args:
        serialized: records, ``[v]``.
        manifest, limits: what the records hold and the sizes to pad to.
        group: `CAPTIONS` or `FOILS`.
        chosen: int32 ``[t]``, indices into all captions of the records end to end; one past the last
            stands for a row of padding.
    """
    levels = list(manifest.attribute_sizes)
    names = ["token_counts", "token_ids", "node_counts", "node_levels", "node_spans", "node_roles"]
    names += ["edge_counts", "edges", *(f"attribute_counts/{level}" for level in levels)]
    names += [f"attributes/{level}" for level in levels]
    parsed = _parse(serialized, integers=[f"{group}/{name}" for name in names], texts=[f"{group}/texts"])
    flat = {name: parsed[f"{group}/{name}"].flat_values for name in names}

    tokens, token_mask = _Ragged(flat["token_ids"], flat["token_counts"]).rows(chosen, limits.max_tokens)
    nodes = _Ragged(
        tf.concat(
            [
                flat["node_levels"][:, None],
                flat["node_roles"][:, None],
                tf.reshape(flat["node_spans"], [-1, 2]),
            ],
            axis=1,
        ),
        flat["node_counts"],
    )
    edges = _Ragged(tf.reshape(flat["edges"], [-1, 3]), flat["edge_counts"])
    texts = tf.gather(tf.concat([parsed[f"{group}/texts"].flat_values, [""]], axis=0), chosen)
    groups = tf.cast(tf.strings.to_hash_bucket_fast(text_keys(texts), 2**31), tf.int32)
    return {
        "token_ids": tokens,
        "token_mask": token_mask,
        **_decode_graph(nodes, edges, chosen, limits),
        "labels": {
            level: _multi_hot(
                _Ragged(flat[f"attributes/{level}"], flat[f"attribute_counts/{level}"]),
                chosen,
                manifest.attribute_sizes[level],
            )
            for level in levels
        },
        "caption_group": tf.where(texts != "", groups, 0),
    }


def text_keys(texts: tf.Tensor) -> tf.Tensor:
    """The key of each text, ``[t]``, by the rule of `data_pipeline.text.same_text.text_key`."""
    lower = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.strip(tf.strings.regex_replace(lower, WHITE_SPACE, " "))


@dataclasses.dataclass(frozen=True)
class _Ragged:
    """Rows of different lengths, end to end: ``values`` ``[m, ...]``, ``lengths`` ``[rows]``, both integers."""

    values: tf.Tensor
    lengths: tf.Tensor

    @staticmethod
    def of(tensor: tf.RaggedTensor) -> "_Ragged":
        return _Ragged(tensor.flat_values, tensor.row_lengths())

    def rows(self, chosen: tf.Tensor, width: tf.Tensor | int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Chosen rows, cut and zero-padded to ``width`` (default: the longest), and the mask of values.

        Returns:
            int32 ``[t, width, ...]`` and bool ``[t, width]``; a row one past the last is empty.
        """
        lengths = _with_zero(tf.cast(self.lengths, tf.int32))
        starts = tf.cumsum(lengths, exclusive=True)
        chosen_lengths = tf.gather(lengths, chosen)
        if width is None:
            width = tf.maximum(tf.reduce_max(chosen_lengths), 1)
        column = tf.range(width)
        mask = column < chosen_lengths[:, None]
        # The appended zero is what padding points at.
        padding = tf.shape(self.values)[0]
        index = tf.where(mask, tf.gather(starts, chosen)[:, None] + column, padding)
        return tf.gather(_with_zero(tf.cast(self.values, tf.int32)), index), mask


def _decode_graph(nodes: _Ragged, edges: _Ragged, chosen: tf.Tensor, limits: BatchLimits) -> Tensors:
    node, real = nodes.rows(chosen)
    level, role, span = node[..., 0], node[..., 1], node[..., 2:]
    kept = real & (span[..., 0] < limits.max_tokens)
    is_action = level == ACTION_NODE
    action_rank, entity_rank = _rank(kept & is_action), _rank(kept & ~is_action)
    slot = tf.where(is_action, action_rank, limits.max_actions + entity_rank)
    kept &= tf.where(is_action, action_rank < limits.max_actions, entity_rank < limits.max_entities)
    node_at, node_mask = _invert(slot, kept, limits.max_actions + limits.max_entities)

    edge, real = edges.rows(chosen)
    source, target = edge[..., 0], edge[..., 1]
    both_ends = tf.gather(kept, source, batch_dims=1) & tf.gather(kept, target, batch_dims=1)
    edge_at, edge_mask = _invert(_rank(real & both_ends), real & both_ends, limits.max_relationships)

    def place(values: tf.Tensor, at: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        return tf.where(mask, tf.gather(values, at, batch_dims=1), 0)

    return {
        "node_spans": place(tf.minimum(span, limits.max_tokens), node_at, node_mask[..., None]),
        "node_roles": place(role, node_at, node_mask),
        "node_mask": node_mask,
        "edge_source": place(tf.gather(slot, source, batch_dims=1), edge_at, edge_mask),
        "edge_target": place(tf.gather(slot, target, batch_dims=1), edge_at, edge_mask),
        "edge_roles": place(edge[..., 2], edge_at, edge_mask),
        "edge_mask": edge_mask,
    }


def _rank(kept: tf.Tensor) -> tf.Tensor:
    """How many kept items stand before each, along the last axis."""
    return tf.cumsum(tf.cast(kept, tf.int32), axis=1, exclusive=True)


def _invert(slot: tf.Tensor, kept: tf.Tensor, slots: int) -> tuple[tf.Tensor, tf.Tensor]:
    """From the slot of each kept item ``[t, n]`` to the item of each slot ``[t, slots]``, and its mask."""
    matches = kept[:, None, :] & (slot[:, None, :] == tf.range(slots)[:, None])
    return tf.argmax(tf.cast(matches, tf.int8), axis=2, output_type=tf.int32), tf.reduce_any(matches, axis=2)


def _multi_hot(ids: _Ragged, chosen: tf.Tensor, size: int) -> tf.Tensor:
    """Bool ``[t, size]``: True at the ids of each chosen row."""
    values, mask = ids.rows(chosen)
    # Padding marks an extra column, cut off in the end.
    values = tf.where(mask, values, size)
    rows = tf.broadcast_to(tf.range(tf.shape(values)[0])[:, None], tf.shape(values))
    labels = tf.zeros([tf.shape(values)[0], size + 1], tf.bool)
    return tf.tensor_scatter_nd_update(labels, tf.stack([rows, values], axis=-1), mask)[:, :size]


def _feature_key(stream: FeatureStream) -> str:
    return f"{stream.kind}/{stream.name}"


def _frame_count(encoded: tf.Tensor, stream: FeatureStream) -> tf.Tensor:
    return tf.strings.length(encoded) // _bytes_per_frame(stream)


def _bytes_per_frame(stream: FeatureStream) -> int:
    return 2 * stream.dim * (stream.regions if stream.kind == REGIONS else 1)


def _kept_frames(counts: Sequence[tf.Tensor], limits: BatchLimits) -> tf.Tensor:
    """Frames of each video in the batch: those of its longest stream, up to the limit."""
    return tf.minimum(tf.reduce_max(tf.stack(counts), axis=0), limits.max_frames)


def _uniform_indices(counts: tf.Tensor, kept: tf.Tensor, width: int) -> tf.Tensor:
    """Row i starts with ``round(linspace(0, counts[i] - 1, kept[i]))``; int32 ``[v, width]``."""
    last = tf.cast(tf.maximum(counts - 1, 0), tf.float64)
    step = last / tf.cast(tf.maximum(kept - 1, 1), tf.float64)
    positions = tf.range(width, dtype=tf.float64) * step[:, None]
    return tf.cast(tf.minimum(tf.round(positions), last[:, None]), tf.int32)


def _sample_frames(
    encoded: tf.Tensor, counts: tf.Tensor, kept: tf.Tensor, mask: tf.Tensor, stream: FeatureStream
) -> tf.Tensor:
    """Uint16 ``[v, f, dim]`` or ``[v, f, k, dim]`` from the bytes of each video; zero where not ``mask``."""
    per_frame = [stream.regions, stream.dim] if stream.kind == REGIONS else [stream.dim]
    # One frame more than the longest video has: zero in all of them, it is what padding points at.
    padding = tf.reduce_max(counts)
    # TensorFlow has no kernel that decodes float16 with padding.
    values = tf.io.decode_raw(encoded, tf.uint16, fixed_length=(padding + 1) * _bytes_per_frame(stream))
    values = tf.reshape(values, [-1, padding + 1, *per_frame])
    index = tf.where(mask, _uniform_indices(counts, kept, mask.shape[1]), padding)
    return tf.gather(values, index, batch_dims=1)


def _with_zero(values: tf.Tensor) -> tf.Tensor:
    return tf.pad(values, [[0, 1]] + [[0, 0]] * (values.shape.rank - 1))


def _parse(
    serialized: tf.Tensor,
    strings: Sequence[str] = (),
    integers: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> Mapping[str, Any]:
    spec: Tensors = {key: tf.io.FixedLenFeature([], tf.string, default_value="") for key in strings}
    spec.update({key: tf.io.RaggedFeature(tf.int64) for key in integers})
    spec.update({key: tf.io.RaggedFeature(tf.string) for key in texts})
    return tf.io.parse_example(serialized, spec)
