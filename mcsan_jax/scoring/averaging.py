"""Averages that leave padding out."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def mean_over_examples(
    values: Float[Array, " b"], example_mask: Bool[Array, " b"], axis: str | None = None
) -> Float[Array, ""]:
    """Mean of the values whose mask is True; zero where there is none.

    Args:
        values: one number per example.
        example_mask: which examples are real.
        axis: inside `jax.shard_map`, the mesh axis over which the examples are split; the mean is over all.
    """
    weights = example_mask.astype(values.dtype)
    total, count = jnp.sum(values * weights), jnp.sum(weights)
    if axis is not None:
        total, count = jax.lax.psum((total, count), axis)
    return total / jnp.maximum(count, 1.0)
