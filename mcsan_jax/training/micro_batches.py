"""This module encodes a large batch as micro-batches, so that the encoders never hold more than one of them.

The loss still sees the whole batch, with all of its negatives: this is GradCache (Gao et al. 2021). Each
micro-batch is encoded, and everything but the encodings is dropped. Once the gradient of the loss with respect to the
encodings is known, each micro-batch is encoded once more, and its share of the parameters' gradient is added.
In JAX that is `jax.checkpoint` inside `jax.lax.map`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from data_pipeline.batches.batch import PairBatch
from data_pipeline.errors import InputError
from mcsan_jax.encodings import Encoding
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.sharding import DATA_AXIS

Encoded = tuple[Encoding, Encoding, Encoding | None]
"""These are the encoded videos and captions of a batch, and its foils where it has any."""

Encode = Callable[[Any, PairBatch, jax.Array], Encoded]
"""Encodes a batch, given the model's variables and the random key of the dropout."""


def encode_whole(model: MCSAN) -> Encode:
    """Returns the function that encodes the whole batch at once."""

    def encode(variables: Any, batch: PairBatch, key: jax.Array) -> Encoded:
        encoded: Any = model.apply(
            variables, batch, train=True, rngs={"dropout": key}, method=model.encode_pairs
        )
        return encoded

    return encode


def encode_in_micro_batches(model: MCSAN, mesh: Mesh, count: int) -> Encode:
    """Returns the function with which every device encodes its own rows, one micro-batch after the other.

    Dropout differs between micro-batches and devices; apart from it the encodings are those of the whole batch.

    Args:
        model: the network.
        mesh: the devices over which the rows of batches are split.
        count: the number of micro-batches, which divides the rows of each device.
    """

    def encode_own(variables: Any, batch: PairBatch, key: jax.Array) -> Encoded:
        key = jax.random.fold_in(key, jax.lax.axis_index(DATA_AXIS))

        @jax.checkpoint
        def encode(rows: PairBatch, number: jax.Array) -> Encoded:
            rngs = {"dropout": jax.random.fold_in(key, number)}
            encoded: Any = model.apply(variables, rows, train=True, rngs=rngs, method=model.encode_pairs)
            return encoded

        # No size is left to be inferred, because labels of a level without attributes are empty.
        split = jax.tree.map(lambda rows: rows.reshape(count, len(rows) // count, *rows.shape[1:]), batch)
        numbers = jnp.arange(count, dtype=jnp.int32)
        encoded = jax.lax.map(lambda numbered: encode(*numbered), (split, numbers))
        return jax.tree.map(lambda rows: rows.reshape(-1, *rows.shape[2:]), encoded)

    split, everywhere = PartitionSpec(DATA_AXIS), PartitionSpec()
    # Without the check, the network may begin its loops with constants, and the gradient of a value that is the same
    # everywhere is summed over devices once, at the end, and not in every micro-batch.
    return jax.shard_map(
        encode_own,
        mesh=mesh,
        in_specs=(everywhere, split, everywhere),
        out_specs=(split, split, split),
        check_vma=False,
    )


def check_micro_batches(batch_size: int, count: int, mesh: Mesh) -> None:
    """Refuses a number of micro-batches that does not divide the rows of each device.

    Raises:
        InputError: names the config key and the numbers.
    """
    rows = batch_size // mesh.size
    if rows % count:
        raise InputError(
            f"config.train.micro_batches is {count}, which does not divide the {rows} videos that each of {mesh.size} "
            f"device(s) has of config.train.batch_size {batch_size}; choose a divisor of {rows}"
        )
