"""This module runs gated recurrent units in both directions, over the real tokens only.

It does not use `flax.linen.RNN` and `Bidirectional`, which scan over all tokens, padding included, and add to the
gradients of the weights at every step. By `benchmarks/speed/recurrent.py` such a plain scan takes 2.4 times as long
forward and 2.1 times with gradients on two CPU cores (`docs/results.md`); on accelerators nothing was measured.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mcsan_jax.models.layers import Linear
from mcsan_jax.models.sequence_packing import (
    DimSize,
    Packing,
    over_used_slots,
    pack,
    to_slots,
    to_tokens,
)


class BidirectionalGRU(nn.Module):
    """This layer averages gated recurrent units that run in both directions (Cho et al. 2014).

    Padding must come last; it is not read, and the output there is zero. Products run in `compute_dtype`, sums in
    float32. Axes: b rows, n tokens, d numbers of a token; the result has ``width`` numbers for each token.

    Attributes:
        width: the size of a state.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
    """

    width: int
    compute_dtype: str = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b n width"]:
        recurrent = self.param("recurrent", _orthogonal_gates, (2, self.width, 3 * self.width))
        recurrent_bias = self.param("recurrent_bias", nn.initializers.zeros, (2, 1, self.width))
        kernel, bias = Linear(6 * self.width, name="input").weights(x.shape[-1])
        weights = GRUWeights(
            kernel=jnp.stack(jnp.split(kernel, 2, axis=1)),
            bias=jnp.reshape(bias, (2, -1)),
            recurrent=recurrent,
            recurrent_bias=recurrent_bias[:, 0],
        )
        return bidirectional_gru(x, jnp.asarray(mask), weights, self.compute_dtype)


class GRUWeights(NamedTuple):
    """These are the weights of both directions; the gates stand side by side in the order reset, update, new.

    Attributes:
        kernel: W, for the inputs.
        bias: b, for all gates.
        recurrent: U, for the state.
        recurrent_bias: c, added to the new gate's product with the state.
    """

    kernel: Float[Array, "2 d gates"]
    bias: Float[Array, "2 gates"]
    recurrent: Float[Array, "2 width gates"]
    recurrent_bias: Float[Array, "2 width"]


class _Trace(NamedTuple):
    """A trace keeps what the backward pass needs of each step, in one row for each slot of the packing."""

    gates: Array
    before: Array
    after: Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def bidirectional_gru(
    x: Float[Array, "b n d"], mask: Bool[Array, "b n"], weights: GRUWeights, compute_dtype: str
) -> Float[Array, "b n width"]:
    """Returns the mean of the states of both directions; it is zero at padding, which must come last.

    With ``a = x W + b`` and ``u = h U``, a step is

        r = σ(a_r + u_r)    z = σ(a_z + u_z)    m = u_n + c    q = tanh(a_n + r m)    h' = (1 - z) q + z h

    and the gradients of the loss, ``∂``, are

        ∂a_n = ∂h' (1 - z) (1 - q²)     ∂a_z = ∂h' (h - q) z (1 - z)     ∂a_r = ∂a_n m r (1 - r)
        ∂u = (∂a_r, ∂a_z, r ∂a_n)       ∂h = z ∂h' + ∂u Uᵀ

    The gradients of the weights are sums over all steps. Each is computed after the last step, as one product over
    all tokens; adding to it at each step would move it through memory at each step.
    """
    return _forward(x, mask, weights, compute_dtype)[0]


def _forward(x: Array, mask: Array, weights: GRUWeights, compute_dtype: str) -> tuple[Array, tuple]:
    packing = pack(mask)
    inputs = to_slots(packing, x)
    fast = jax.tree.map(lambda weight: weight.astype(compute_dtype), weights)
    bias, recurrent_bias = weights.bias[:, None, None], weights.recurrent_bias[:, None, None]

    def step(carry: tuple[Array, Array, _Trace]) -> tuple[Array, Array, _Trace]:
        time, h, trace = carry
        start = packing.starts[time]
        a = _product("sgrd,sde->sgre", _rows(inputs, start, h.shape[2]), fast.kernel) + bias
        u = _product("sgrd,sde->sgre", h, fast.recurrent)
        (a_r, a_z, a_n), (u_r, u_z, u_n) = jnp.split(a, 3, axis=-1), jnp.split(u, 3, axis=-1)
        r, z, m = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z), u_n + recurrent_bias
        q = jnp.tanh(a_n + r * m)
        after = (1.0 - z) * q + z * h
        now = _Trace(jnp.concatenate([r, z, m, q], axis=-1), h, after)
        trace = jax.tree.map(lambda whole, rows: _put_rows(whole, rows, start), trace, now)
        return time + 1, after, trace

    width, places = recurrent_bias.shape[-1], inputs.shape[:3]
    trace = _Trace(*(jnp.zeros((*places, parts * width), bias.dtype) for parts in (4, 1, 1)))
    time, h = jnp.int32(0), jnp.zeros((*places[:2], packing.sizes[0], width), bias.dtype)
    for size, end in zip(packing.sizes, packing.ends, strict=True):
        going = functools.partial(_is_before, end)
        time, h, trace = jax.lax.while_loop(going, step, (time, h[:, :, :size], trace))
    return 0.5 * to_tokens(packing, trace.after), (packing, inputs, trace, weights)


def _backward(compute_dtype: str, residuals: tuple, gradient: Array) -> tuple[Array, None, GRUWeights]:
    packing, inputs, trace, weights = residuals
    outer = 0.5 * to_slots(packing, gradient)
    recurrent = weights.recurrent.astype(compute_dtype)

    def step(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        time, dh, d_a = carry
        start, size = packing.starts[time], dh.shape[2]
        dh = dh + _rows(outer, start, size)
        r, z, m, q = jnp.split(_rows(trace.gates, start, size), 4, axis=-1)
        d_n = dh * (1.0 - z) * (1.0 - q * q)
        d_z = dh * (_rows(trace.before, start, size) - q) * z * (1.0 - z)
        d_r = d_n * m * r * (1.0 - r)
        d_u = jnp.concatenate([d_r, d_z, r * d_n], axis=-1)
        dh = z * dh + _product("sgre,sde->sgrd", d_u.astype(compute_dtype), recurrent)
        return time - 1, dh, _put_rows(d_a, jnp.concatenate([d_r, d_z, d_n], axis=-1), start)

    time, dh = packing.ends[-1] - 1, jnp.zeros_like(outer[:, :, :0])
    d_a = jnp.zeros((*outer.shape[:3], weights.bias.shape[-1]), outer.dtype)
    begins = (jnp.int32(0), *packing.ends[:-1])
    for size, begin in reversed(list(zip(packing.sizes, begins, strict=True))):
        dh = jnp.pad(dh, ((0, 0), (0, 0), (0, size - dh.shape[2]), (0, 0)))
        going = functools.partial(_is_not_before, begin)
        time, dh, d_a = jax.lax.while_loop(going, step, (time, dh, d_a))
    d_inputs, d_weights = _after_last_step(packing, inputs, trace, d_a, weights, compute_dtype)
    return to_tokens(packing, d_inputs), None, d_weights


def _after_last_step(
    packing: Packing, inputs: Array, trace: _Trace, d_a: Array, weights: GRUWeights, compute_dtype: str
) -> tuple[Array, GRUWeights]:
    """Returns the gradients of the inputs in their slots, and of the weights, from those of ``a``."""
    width = trace.before.shape[-1]

    def compute(count: int) -> tuple[Array, GRUWeights]:
        used = d_a[:, :, :count]
        d_m = used[..., 2 * width :] * trace.gates[:, :, :count, :width]
        fast, fast_m = used.astype(compute_dtype), d_m.astype(compute_dtype)
        before = trace.before[:, :, :count]
        d_inputs = _product("sgpe,sde->sgpd", fast, weights.kernel.astype(compute_dtype))
        d_weights = GRUWeights(
            kernel=_product("sgpd,sgpe->sde", inputs[:, :, :count], fast),
            bias=jnp.sum(used, axis=(1, 2)),
            recurrent=jnp.concatenate(
                [_product("sgpd,sgpe->sde", before, part) for part in (fast[..., : 2 * width], fast_m)],
                axis=-1,
            ),
            recurrent_bias=jnp.sum(d_m, axis=(1, 2)),
        )
        return jnp.pad(d_inputs, ((0, 0), (0, 0), (0, inputs.shape[2] - count), (0, 0))), d_weights

    return over_used_slots(packing, compute)


bidirectional_gru.defvjp(_forward, _backward)


def _product(axes: str, x: Array, fast: Array) -> Array:
    """Returns a product in the type of its second factor, with sums in at least float32."""
    sums = jnp.float64 if fast.dtype == jnp.float64 else jnp.float32
    return jnp.einsum(axes, x.astype(fast.dtype), fast, preferred_element_type=sums)


def _is_before(end: Array, carry: tuple[Array, Array, object]) -> Array:
    return carry[0] < end


def _is_not_before(begin: Array, carry: tuple[Array, Array, object]) -> Array:
    return carry[0] >= begin


def _rows(slots: Array, start: Array, size: DimSize) -> Array:
    return jax.lax.dynamic_slice_in_dim(slots, start, size, axis=2)


def _put_rows(slots: Array, rows: Array, start: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(slots, rows, start, axis=2)


def _orthogonal_gates(key: Array, shape: tuple[int, int, int]) -> Array:
    """Returns one orthogonal matrix for each direction and gate."""
    directions, width, gates = shape
    keys = jax.random.split(key, directions * gates // width)
    blocks = [nn.initializers.orthogonal()(one, (width, width)) for one in keys]
    per_direction = len(blocks) // directions
    return jnp.stack(
        [
            jnp.concatenate(blocks[i * per_direction : (i + 1) * per_direction], axis=1)
            for i in range(directions)
        ]
    )
