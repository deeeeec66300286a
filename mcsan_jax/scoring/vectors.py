"""This module computes lengths, directions and cosines, also of zero vectors and of very long or short ones."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

TINY = 1e-12


def product_dtype(compute_dtype: str) -> jnp.dtype | None:
    """Returns the type to which large products round their inputs; None leaves them as they are, for float32."""
    return None if compute_dtype == "float32" else jnp.dtype(compute_dtype)


def safe_norm(x: Float[Array, "*batch d"]) -> Float[Array, "*batch 1"]:
    """Returns the Euclidean length over the last axis; one below 1e-12 counts as 1e-12 and has a zero gradient."""
    squared = jnp.sum(x * x, axis=-1, keepdims=True)
    is_zero = squared <= TINY**2
    return jnp.where(is_zero, TINY, jnp.sqrt(jnp.where(is_zero, 1.0, squared)))


def direction_and_length(
    x: Float[Array, "*batch d"],
) -> tuple[Float[Array, "*batch d"], Float[Array, "*batch 1"]]:
    """Returns vectors of unit length, and how long they were; zero vectors stay zero and have length zero.

    The largest component is taken out first, so that no square overflows or vanishes. As a constant it leaves both
    derivatives as they are: the direction does not depend on it, and the length is put together again.
    """
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-1, keepdims=True))
    scale = jnp.where(largest > 0, largest, 1.0)
    scaled = x / scale
    norm = safe_norm(scaled)
    return scaled / norm, jnp.where(largest > 0, norm, 0.0) * scale


def normalize(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Scales vectors to unit length; zero vectors stay zero."""
    return direction_and_length(x)[0]


def cosines_of_directions(
    videos: Float[Array, "v d"], texts: Float[Array, "t d"], product_dtype: jnp.dtype | None = None
) -> Float[Array, "v t"]:
    """Returns the cosine of every pair of vectors that have unit length or are zero.

    `product_dtype` is the type to which the inputs of the product are rounded. Rounded vectors are not quite of unit
    length, and their lengths, in float32, are divided out: the result is in [−1, 1] but for the rounding of float32.
    """
    cosines = product("vd,td->vt", videos, texts, product_dtype)
    if product_dtype is None:
        return cosines
    return (
        cosines
        * inverse_rounded_length(videos, product_dtype)[:, None]
        * inverse_rounded_length(texts, product_dtype)[None]
    )


def inverse_rounded_length(
    directions: Float[Array, "*batch d"], product_dtype: jnp.dtype
) -> Float[Array, "*batch"]:
    """Returns one over the length that vectors of unit length have once they are rounded, one for zero vectors.

    It is a constant to the gradient: a direction has no length that could change.
    """
    rounded = jax.lax.stop_gradient(directions).astype(product_dtype).astype(directions.dtype)
    squared = jnp.sum(rounded * rounded, axis=-1)
    return jax.lax.rsqrt(jnp.where(squared > 0, squared, 1.0))


def product(equation: str, x: Array, y: Array, dtype: jnp.dtype | None) -> Array:
    """Computes an einsum whose inputs are rounded to `dtype` and whose sums are float32 (or float64 for float64)."""
    if dtype is None:
        return jnp.einsum(equation, x, y, precision=jax.lax.Precision.HIGHEST)
    return jnp.einsum(equation, x.astype(dtype), y.astype(dtype), preferred_element_type=jnp.float32)
