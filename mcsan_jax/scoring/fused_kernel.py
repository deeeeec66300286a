"""This module scores videos and nodes by one GPU kernel: the cosines of frames and nodes never leave the chip.

`mcsan_jax.scoring.frame_attention` defines the score and computes it with XLA, which writes the cosines
``[v, f, m]`` to memory and reads them again. Here a program takes a few videos and a tile of nodes, sums the cosines
over slices of the feature axis, and goes on to the scores of its pairs: only ``[v, m]`` is written.

Pairs whose frames cancel leave the kernel with a mark instead of a score, and are computed again as in the XLA form.
The backward pass is that of the XLA form, computed anew from the inputs; nothing but these is kept for it.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float

from data_pipeline.errors import InputError
from mcsan_jax.scoring.frame_attention import (
    CANCELLATION,
    FLOOR,
    FrameSet,
    Inputs,
    attended_similarity,
    replace_cancelled,
)
from mcsan_jax.scoring.vectors import inverse_rounded_length

# Videos and nodes of a program, by its capacity in frames of a video. With eight warps, Triton 3.9 keeps all
# that a program computes in registers on the architectures 8.0 and 9.0; with 64 frames, nearly all.
_BLOCKS = {16: (8, 128), 32: (4, 128), 64: (1, 64)}
_WARPS = 8
# Tensor cores multiply tiles of at least this many rows and columns.
_LEAST_NODES = 16
# Bytes of a slice of one vector, and slices on their way to the chip at a time: they have to fit its shared memory.
_SLICE_BYTES = 128
_STAGES = 3

# In place of the score of a pair whose frames cancel; no cosine has this value.
_CANCELLED = 2.0

MAXIMUM_FRAMES = max(_BLOCKS)
"""The largest capacity of a program in frames of a video."""


def fused_attended_similarity(
    frames: FrameSet,
    queries: Float[Array, "m d"],
    smoothing: float,
    product_dtype: jnp.dtype | None,
    interpret: bool = False,
) -> Float[Array, "v m"]:
    """Returns the score of every video and every node, equal to `attended_similarity` but for rounding.

    Args:
        frames: normalised frames, at most `MAXIMUM_FRAMES` of a video.
        queries: node vectors of unit length, or zero.
        smoothing: λ, the inverse temperature of the attention over frames.
        product_dtype: type of the large product's inputs; sums are float32, and float32 products are full ones.
        interpret: run the kernel's operations one after the other, on any device; slow, for tests. JAX's interpreter
            does not work within a `jax.shard_map` that has ``check_vma`` on; the compiled kernel does.

    Returns:
        Scores, in [−1, 1] but for the rounding of sums; those of zero vectors and of videos without frames are zero.

    Raises:
        InputError: videos have more frames than the largest capacity of a program.
    """
    frame_count = frames.lengths.shape[1]
    if frame_count > MAXIMUM_FRAMES:
        raise InputError(
            f"config.similarity.kernel is pallas, which holds at most {MAXIMUM_FRAMES} frames of a video, but videos "
            f"have {frame_count}; lower config.data.max_frames, or set config.similarity.kernel to xla"
        )
    return _fused(
        (frames.directions, frames.lengths, frames.gram, queries), smoothing, product_dtype, interpret
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _fused(
    inputs: Inputs, smoothing: float, product_dtype: jnp.dtype | None, interpret: bool
) -> Float[Array, "v m"]:
    directions, lengths, gram, queries = inputs
    videos, frame_count = lengths.shape
    nodes = queries.shape[0]
    dtype = queries.dtype if product_dtype is None else jnp.dtype(product_dtype)
    rows = min(capacity for capacity in _BLOCKS if capacity >= frame_count)
    group, largest_tile = _BLOCKS[rows]
    tile = min(max(pl.next_power_of_2(nodes), _LEAST_NODES), largest_tile)
    width = _SLICE_BYTES // dtype.itemsize

    # Added frames have length zero and so no weight; added features add nothing to a product.
    directions = _pad(directions, (group, rows, width))
    lengths = _pad(lengths, (group, rows))
    gram = _pad(gram, (group, rows, rows))
    queries = _pad(queries, (tile, width))
    depth = queries.shape[1]
    score = pl.pallas_call(
        functools.partial(_score_tile, width=width, smoothing=smoothing),
        # The type of a traced product says, other than one written down, over which axes of a mesh it varies.
        jax.eval_shape(functools.partial(jnp.einsum, "vf,md->vm"), lengths, queries),
        # Programs that run at a time share their videos, and all nodes stay in the cache.
        grid=(queries.shape[0] // tile, lengths.shape[0] // group),
        in_specs=[
            pl.BlockSpec((group, rows, depth), lambda m, v: (v, 0, 0)),
            pl.BlockSpec((group, rows), lambda m, v: (v, 0)),
            pl.BlockSpec((group, rows, rows), lambda m, v: (v, 0, 0)),
            pl.BlockSpec((tile, depth), lambda m, v: (m, 0)),
        ],
        out_specs=pl.BlockSpec((group, tile), lambda m, v: (v, m)),
        compiler_params=triton.CompilerParams(num_warps=_WARPS, num_stages=_STAGES),
        interpret=interpret,
        name="fused_attended_similarity",
    )
    scores = score(directions.astype(dtype), lengths, gram, queries.astype(dtype))[:videos, :nodes]
    cancels = scores == _CANCELLED
    if product_dtype is not None:
        scores = scores * inverse_rounded_length(inputs[3], product_dtype)[None]
    return replace_cancelled(scores, cancels, inputs, smoothing, product_dtype)


def _forward(
    inputs: Inputs, smoothing: float, product_dtype: jnp.dtype | None, interpret: bool
) -> tuple[Float[Array, "v m"], Inputs]:
    return _fused(inputs, smoothing, product_dtype, interpret), inputs


def _backward(
    smoothing: float,
    product_dtype: jnp.dtype | None,
    interpret: bool,
    inputs: Inputs,
    cotangent: Float[Array, "v m"],
) -> tuple[Inputs]:
    del interpret

    def reference(inputs: Inputs) -> Float[Array, "v m"]:
        *frames, queries = inputs
        return attended_similarity(FrameSet(*frames), queries, smoothing, product_dtype)

    return jax.vjp(reference, inputs)[1](cotangent)


_fused.defvjp(_forward, _backward)


# Arguments of the kernel are references to memory: directions [v, f, d], lengths [v, f], gram [v, f, f],
# queries [m, d] and scores [v, m], of the videos and nodes of one program.
def _score_tile(
    directions: jax.Ref,
    lengths: jax.Ref,
    gram: jax.Ref,
    queries: jax.Ref,
    scores: jax.Ref,
    *,
    width: int,
    smoothing: float,
) -> None:
    videos, rows, depth = directions.shape

    def add_slice(i: Array, cosines: tuple[Array, ...]) -> tuple[Array, ...]:
        features = pl.ds(i * width, width)
        nodes = queries[:, features].T
        return tuple(
            sums + _product(directions[v, :, features], nodes, sums.dtype) for v, sums in enumerate(cosines)
        )

    zeros = jnp.zeros((rows, queries.shape[0]), scores.dtype)
    for v, cosines in enumerate(jax.lax.fori_loop(0, depth // width, add_slice, (zeros,) * videos)):
        scores[v, :] = _score_video(cosines, lengths[v, :], gram[v, :, :], smoothing)


def _score_video(
    cosines: Float[Array, "f m"], lengths: Float[Array, " f"], gram: Float[Array, "f f"], smoothing: float
) -> Float[Array, " m"]:
    """Computes the Gram form from the cosines of one video on; Triton has no product with a leading axis."""
    positive = jnp.maximum(cosines, 0.0)
    squared = jnp.sum(positive * positive, axis=0, keepdims=True)
    inverse_norm = jax.lax.rsqrt(jnp.maximum(squared, FLOOR**2))
    weights = jnp.exp(smoothing * (positive * inverse_norm - 1.0)) * lengths[:, None]

    squared_length = jnp.sum(weights * _product(gram, weights, weights.dtype), axis=0)
    total = jnp.sum(weights, axis=0)
    cancels = squared_length < CANCELLATION * jnp.square(total)
    inverse_length = jax.lax.rsqrt(jnp.where(cancels | (total == 0), 1.0, squared_length))
    return jnp.where(cancels, _CANCELLED, jnp.sum(weights * cosines, axis=0) * inverse_length)


def _product(x: Float[Array, "f k"], y: Float[Array, "k m"], dtype: jnp.dtype) -> Float[Array, "f m"]:
    """Returns a product of blocks, summed as `dtype`; without the precision, float32 would be cut to 10 bits."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST, preferred_element_type=dtype)


def _pad(x: Array, multiples: tuple[int, ...]) -> Array:
    """Adds zeros after the end of each axis, up to a multiple of the given number."""
    return jnp.pad(x, [(0, -size % multiple) for size, multiple in zip(x.shape, multiples, strict=True)])
