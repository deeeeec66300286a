"""This module chooses the foils that come with the captions of a training batch, and lays them out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Int

from data_pipeline.batches import decoding
from data_pipeline.batches.batch import BatchLimits, TextBatch
from data_pipeline.batches.text_layout import lay_out
from data_pipeline.errors import InputError, shown
from data_pipeline.levels import FOIL_KINDS


def decode_drawn_foils(
    serialized: tf.Tensor, captions: tf.Tensor, counts: tf.Tensor, epoch: tf.Tensor, seed: int
) -> decoding.Tensors:
    """Returns all foils of the records, and which of them the drawn captions have.

    Each time that a caption is shown it has the next of its foils. The first depends on the seed, the video and the
    caption.

    Args:
        serialized: the records.
        captions: what `decoding.draw_captions` returned for the same epoch and seed, ``[v, c]``.
        counts: the number of captions of each video.
        epoch: the epoch.
        seed: the seed.

    Returns:
        ``numbers``, the number of each caption's foil among those of its video, int32 ``[v, c]``, -1 where it has none;
        ``kinds``, the kinds of all foils end to end; ``texts``, what `lay_out_foils` lays out.
    """
    ids = decoding.decode_video_ids(serialized)
    sources = decoding.decode_foil_sources(serialized)
    numbers = _draw(sources, ids, counts, captions, epoch, seed)
    places = decoding.flat_places(numbers, tf.cast(sources.row_lengths(), tf.int32))
    return {
        "numbers": numbers,
        "kinds": decoding.decode_foil_info(serialized)["kinds"],
        "texts": (*decoding.decode_captions(serialized, decoding.FOILS), places),
    }


def lay_out_foils(
    drawn: Mapping[str, Any], limits: BatchLimits, attribute_sizes: Mapping[str, int]
) -> tuple[TextBatch, Int[np.ndarray, " t"]]:
    """Returns the foils of the drawn captions, and the ids of their kinds (-1 where a caption has none).

    Args:
        drawn: what `decode_drawn_foils` returned, which are numpy's arrays here.
        limits: the sizes to pad and cut to.
        attribute_sizes: the number of attributes of each node level.

    Raises:
        InputError: a foil is of a kind that is not in `FOIL_KINDS`.
    """
    flat, groups, places = drawn["texts"]
    kinds = [kind.decode() for kind in drawn["kinds"]]
    if unknown := [kind for kind in kinds if kind not in FOIL_KINDS]:
        raise InputError(
            f"A foil is of kind {shown(unknown[0])}; expected one of {', '.join(FOIL_KINDS)} in records to train on. "
            "Prepare the data again."
        )
    ids = np.array([*map(FOIL_KINDS.index, kinds), -1], np.int32)
    return lay_out(flat, groups, places, limits, attribute_sizes), ids[places]


def _draw(
    sources: tf.RaggedTensor,
    video_ids: tf.Tensor,
    counts: tf.Tensor,
    captions: tf.Tensor,
    epoch: tf.Tensor,
    seed: int,
) -> tf.Tensor:
    """Returns ``numbers`` of `decode_drawn_foils`.

    ``sources`` says from which caption of its video each foil was made, ``[v, (foils)]``.
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
