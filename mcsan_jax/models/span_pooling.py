"""This module takes the maximum over spans of tokens, without an array over all nodes and all tokens."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def pool_spans(
    states: Float[Array, "t w d"], spans: Int[Array, "t n 2"], mask: Bool[Array, "t n"]
) -> Float[Array, "t n d"]:
    """Returns the maximum of token states over each node's span; it is zero for padded nodes and empty spans.

    Args:
        states: the states of t texts with w tokens each.
        spans: the first token of each node and one past its last; tokens beyond w are left out.
        mask: True for real nodes.
    """
    start = jnp.minimum(spans[..., 0], states.shape[1] - 1)
    size = jnp.where(mask, jnp.minimum(spans[..., 1], states.shape[1]) - start, 0)
    return jnp.where((size > 0)[..., None], _highest(states, start, size), 0.0)


@jax.custom_vjp
def _highest(
    states: Float[Array, "t w d"], start: Int[Array, "t n"], size: Int[Array, "t n"]
) -> Float[Array, "t n d"]:
    return _forward(states, start, size)[0]


def _forward(states: Array, start: Array, size: Array) -> tuple[Array, tuple[Array, ...]]:
    """Compares the first tokens of all spans, then the second ones, and so on to the end of the longest span."""

    def compare(place: Array, best: tuple[Array, Array]) -> tuple[Array, Array]:
        highest, where = best
        states_there = _token(states, start + place)
        better = (place < size)[..., None] & (states_there > highest)
        return jnp.where(better, states_there, highest), jnp.where(better, place, where)

    first = _token(states, start)
    best = (first, jnp.zeros(first.shape, jnp.int32))
    highest, where = jax.lax.fori_loop(1, jnp.max(size), compare, best)
    return highest, (states, start, size, where)


def _backward(kept: tuple[Array, ...], gradient: Array) -> tuple[Array, None, None]:
    """Adds the gradient of each number to the token that the number comes from; of equal tokens, to the first."""
    states, start, size, where = kept

    def hand_over(place: Array, total: Array) -> Array:
        part = jnp.where(where == place, gradient, 0.0)
        rows = jnp.minimum(start + place, states.shape[1] - 1)
        return jax.vmap(lambda of_text, row, values: of_text.at[row].add(values))(total, rows, part)

    return jax.lax.fori_loop(0, jnp.max(size), hand_over, jnp.zeros_like(states)), None, None


_highest.defvjp(_forward, _backward)


def _token(states: Array, row: Array) -> Array:
    rows = jnp.minimum(row, states.shape[1] - 1)
    return jnp.take_along_axis(states, rows[..., None], axis=1)
