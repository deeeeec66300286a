"""This module packs sequences of different lengths for a recurrent layer: few empty steps, and fixed shapes.

Rows are sorted by length, longest first, and both directions start at a sequence's own first token, so that after
some steps only the first rows are still going. A step computes as many rows as are going, rounded up to one of
a few fixed numbers; those rows are its slots, and the slots of all steps follow one another.

Rows are sorted within the share of each device only, so that no row has to move between devices. Which rows a step
computes is the same for all shares.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Result = TypeVar("Result")
DimSize = Any
"""The size of an axis: an integer, or an expression, of a type that JAX does not publish, where it is not known yet."""

_LEAST_ROWS = 8
"""A product with fewer rows takes as long as one with so many: reading the weights takes its time."""
_LEAST_SLOTS = 128
"""Fewer slots than these are not worth another version of the products over all of them."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Packing:
    """A packing says where each token stands. Axes: 2 directions, `g` shares of `r` rows, `n` tokens, `p = r n` slots.

    Attributes:
        sizes: the numbers of rows that a step may compute, the largest first.
        ends: for each size, the number of steps with at least so many rows.
        starts: the first slot of each step.
        count: the number of slots in use, which are the first ones.
        tokens: the token of each slot, by its number in its share.
        filled: True for slots of real tokens.
        slots: the slot of each token.
        real: True for real tokens.
    """

    sizes: tuple[DimSize, ...] = dataclasses.field(metadata={"static": True})
    ends: tuple[Int[Array, ""], ...]
    starts: Int[Array, " n"]
    count: Int[Array, ""]
    tokens: Int[Array, "2 g p"]
    filled: Bool[Array, "g p"]
    slots: Int[Array, "2 g p"]
    real: Bool[Array, "b n"]


def pack(mask: Bool[Array, "b n"]) -> Packing:
    """Packs sequences whose padding comes last."""
    batch, length = mask.shape
    # A number of rows that is known only when the program runs (`jax.export`) has neither divisors nor eighths.
    known = not jax.export.is_symbolic_dim(batch)
    shares = _shares(batch) if known else 1
    rows = batch // shares
    sizes = _fixed_sizes(rows, _LEAST_ROWS) if known else (rows,)
    times = jnp.arange(length, dtype=jnp.int32)

    lengths = jnp.sum(mask, axis=1, dtype=jnp.int32).reshape(shares, rows)
    order = jnp.argsort(-lengths, axis=1).astype(jnp.int32)
    rank = jnp.argsort(order, axis=1).astype(jnp.int32)
    going = jnp.max(jnp.sum(lengths[..., None] > times[None, None], axis=1, dtype=jnp.int32), axis=0)
    choices = jnp.array((0, *reversed(sizes)), jnp.int32)
    computed = choices[jnp.searchsorted(choices, going)]
    ends = jnp.cumsum(computed, dtype=jnp.int32)
    starts = ends - computed

    def in_both_directions(time: Array, of: Array) -> Array:
        return jnp.stack([time, jnp.maximum(of - 1 - time, 0)])

    place = jnp.arange(rows * length, dtype=jnp.int32)
    time = jnp.minimum(jnp.searchsorted(ends, place, side="right").astype(jnp.int32), length - 1)
    ranked = jnp.minimum(place - starts[time], rows - 1)
    row = order[:, ranked]
    row_length = jnp.take_along_axis(lengths, row, axis=1)
    time = jnp.broadcast_to(time, row.shape)
    filled = (time < row_length) & (place < ends[-1])[None]
    tokens = row[None] * length + in_both_directions(time, row_length)

    time = jnp.broadcast_to(times, (shares, rows, length))
    slots = starts[in_both_directions(time, lengths[..., None])] + rank[None, :, :, None]
    slots = jnp.minimum(slots, rows * length - 1).reshape(2, shares, -1)
    size_ends = tuple(jnp.sum(computed >= size, dtype=jnp.int32) for size in sizes)
    return Packing(sizes, size_ends, starts, ends[-1], tokens, filled, slots, mask)


def to_slots(packing: Packing, values: Float[Array, "b n d"]) -> Float[Array, "2 g p d"]:
    """Returns the values of the tokens in the order of each direction; slots without a token are zero."""
    shares, slots = packing.filled.shape
    shared = values.reshape(1, shares, slots, -1)
    taken = jnp.take_along_axis(shared, packing.tokens[..., None], axis=2)
    return jnp.where(packing.filled[None, ..., None], taken, 0.0)


def to_tokens(packing: Packing, values: Float[Array, "2 g p d"]) -> Float[Array, "b n d"]:
    """Returns the transpose of `to_slots`: the sum of both directions at each token, and zero at padding."""
    taken = jnp.take_along_axis(values, packing.slots[..., None], axis=2)
    return jnp.where(packing.real[..., None], (taken[0] + taken[1]).reshape(*packing.real.shape, -1), 0.0)


def over_used_slots(packing: Packing, compute: Callable[[int], Result]) -> Result:
    """Runs `compute` with a fixed number of slots that holds all slots in use.

    Args:
        packing: says how many slots are in use.
        compute: a function of a number of slots, the first ones; its results have the same shapes for every number.
    """
    sizes = sorted(_fixed_sizes(packing.filled.shape[1], _LEAST_SLOTS))
    branches = [lambda size=size: compute(size) for size in sizes]
    return jax.lax.switch(jnp.searchsorted(jnp.array(sizes, jnp.int32), packing.count), branches)


def _shares(batch: int) -> int:
    """Returns the number of devices over which the rows of an array are split.

    Inside `jax.shard_map` an array has the rows of its own device only, which need no further division: shares of a
    few rows each would all wait for the longest of any of them.
    """
    if jax.sharding.get_abstract_mesh().manual_axes:
        return 1
    return math.gcd(batch, jax.device_count())


def _fixed_sizes(largest: int, least: int) -> tuple[int, ...]:
    """Returns all eighths of the largest size that are not below `least`, and the largest itself.

    Fewer rows save time on a processor only: an accelerator takes as long for them, and must wait for each branch.
    """
    if jax.default_backend() != "cpu":
        return (largest,)
    eighths = {largest * part // 8 for part in range(1, 8)}
    return (largest, *sorted((size for size in eighths if least <= size < largest), reverse=True))
