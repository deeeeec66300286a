"""This module decodes the rows of training batches: videos, the captions drawn for them and, if wanted, their foils."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Int

from data_pipeline.batches import decoding
from data_pipeline.batches.batch import BatchLimits, PairBatch, PairInfo, TextBatch
from data_pipeline.batches.text_layout import FlatCaptions, lay_out
from data_pipeline.errors import InputError, shown
from data_pipeline.levels import FOIL_KINDS
from data_pipeline.manifest import Manifest


@dataclasses.dataclass(frozen=True)
class TrainingRows:
    """Training rows are decoded in two steps: by TensorFlow, many batches at a time, and by numpy.

    Attributes:
        manifest: what the records hold.
        limits: the sizes to pad and cut to.
        seed: the seed of the order of captions and of foils.
        captions_per_video: the number of captions of each video.
        foils: whether each caption comes with one of its foils.
    """

    manifest: Manifest
    limits: BatchLimits
    seed: int
    captions_per_video: int
    foils: bool

    def decode(self, serialized: tf.Tensor, epoch: tf.Tensor) -> decoding.Tensors:
        """Returns what `batch` makes a batch of, with the captions and foils that the epoch shows."""
        counts = decoding.caption_counts(serialized)
        ids = decoding.decode_video_ids(serialized)
        captions = decoding.draw_captions(ids, counts, epoch, self.seed, self.captions_per_video)
        numbers = tf.where(counts[:, None] > 0, captions, -1)
        rows = {
            "ids": ids,
            "captions": captions,
            "videos": decoding.decode_videos(serialized, self.manifest, self.limits),
            "texts": (
                *decoding.decode_captions(serialized, decoding.CAPTIONS),
                _flat_places(numbers, counts),
            ),
            "example_mask": counts > 0,
        }
        if self.foils:
            sources = decoding.decode_foil_sources(serialized)
            numbers = _draw_foils(sources, ids, counts, captions, epoch, self.seed)
            rows["foil_numbers"] = numbers
            rows["foil_kinds"] = decoding.decode_foil_info(serialized)["kinds"]
            rows["foils"] = (
                *decoding.decode_captions(serialized, decoding.FOILS),
                _flat_places(numbers, tf.cast(sources.row_lengths(), tf.int32)),
            )
        return rows

    def batch(self, rows: Mapping[str, Any]) -> tuple[PairInfo, PairBatch]:
        """Returns the batch of what `decode` returned, which are numpy's arrays here.

        Raises:
            InputError: a foil is of a kind that is not in `FOIL_KINDS`.
        """
        batch = PairBatch(
            videos=decoding.video_batch(rows["videos"], self.manifest),
            texts=self._laid_out(rows["texts"]),
            example_mask=rows["example_mask"],
        )
        if self.foils:
            kinds = np.append(_kind_ids(rows["foil_kinds"]), np.int32(-1))
            batch = dataclasses.replace(
                batch,
                foils=self._laid_out(rows["foils"]),
                foil_kinds=kinds[rows["foils"][2]],
            )
        ids = [video.decode() for video in rows["ids"]]
        return PairInfo(ids, rows["captions"], rows.get("foil_numbers")), batch

    def _laid_out(self, texts: tuple[FlatCaptions, np.ndarray, np.ndarray]) -> TextBatch:
        captions, groups, places = texts
        return lay_out(captions, groups, places, self.limits, self.manifest.attribute_sizes)


def _kind_ids(kinds: np.ndarray) -> Int[np.ndarray, " foils"]:
    names = [kind.decode() for kind in kinds]
    if unknown := [name for name in names if name not in FOIL_KINDS]:
        raise InputError(
            f"A foil is of kind {shown(unknown[0])}; expected one of {', '.join(FOIL_KINDS)} in records to train on. "
            "Prepare the data again."
        )
    return np.array([*map(FOIL_KINDS.index, names)], np.int32)


def _draw_foils(
    sources: tf.RaggedTensor,
    video_ids: tf.Tensor,
    counts: tf.Tensor,
    captions: tf.Tensor,
    epoch: tf.Tensor,
    seed: int,
) -> tf.Tensor:
    """Returns which of its video's foils each drawn caption shows beside it, int32 ``[v, c]``; -1 where it has none.

    Each time that a caption is shown it has the next of its foils. The first depends on the seed, the video and the
    caption.

    Args:
        sources: the caption, among those of its video, from which each foil was made, ``[v, (foils)]``.
        video_ids: the ids of the videos.
        counts: the number of captions of each video.
        captions: what `decoding.draw_captions` returned for the same epoch and seed.
        epoch: the epoch.
        seed: the seed.
    """
    per_video = captions.shape[1]
    made_from = tf.cast(sources.to_tensor(default_value=-1), tf.int32)
    # At least one column, for the batches without foils.
    made_from = tf.pad(made_from, [[0, 0], [0, 1]], constant_values=-1)
    is_own = captions[:, :, None] == made_from[:, None, :]
    own = tf.reduce_sum(tf.cast(is_own, tf.int64), axis=2)
    shown = epoch * per_video + tf.range(per_video, dtype=tf.int64)
    times_shown = shown // tf.cast(tf.maximum(counts, 1), tf.int64)[:, None]
    same_shape = tf.broadcast_to(video_ids[:, None], tf.shape(captions))
    names = tf.strings.join([same_shape, tf.strings.as_string(captions)], separator="/")
    first = tf.strings.to_hash_bucket_strong(names, 2**31, key=[seed, 1])
    wanted = (first + times_shown) % tf.maximum(own, 1)
    number = tf.cumsum(tf.cast(is_own, tf.int64), axis=2, exclusive=True)
    place = tf.argmax(is_own & (number == wanted[:, :, None]), axis=2, output_type=tf.int32)
    return tf.where(own > 0, place, -1)


def _flat_places(numbers: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Returns where drawn captions (or foils) lie among those of all videos, end to end, int32 ``[v c]``.

    Args:
        numbers: their numbers among those of their video, ``[v, c]``; -1 stands for none, which gets the place after
            all.
        counts: how many each video has.
    """
    starts = tf.cumsum(counts, exclusive=True)
    return tf.reshape(tf.where(numbers >= 0, starts[:, None] + numbers, tf.reduce_sum(counts)), [-1])
