"""The maximum over spans of tokens, without an array of all nodes and all tokens."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def pool_spans(
    states: Float[Array, "t w d"], spans: Int[Array, "t n 2"], mask: Bool[Array, "t n"]
) -> Float[Array, "t n d"]:
    """Maximum of the token states over each node's span of tokens; zero for padded nodes and empty spans.

    Args:
        states: of tokens.
        spans: first token and one past the last of each node; what lies beyond the tokens is left out.
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
    """Compares the first words of all spans, then the second ones, and so on to the end of the longest span."""

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
    """Hands the gradient of each number to the token that it comes from; of equal ones, to the first."""
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
