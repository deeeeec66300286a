"""Averages that leave padding out."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def mean_over_examples(values: Float[Array, " b"], example_mask: Bool[Array, " b"]) -> Float[Array, ""]:
    """Mean of the values whose mask is True; zero where there is none."""
    weights = example_mask.astype(values.dtype)
    return jnp.sum(values * weights) / jnp.maximum(jnp.sum(weights), 1.0)
