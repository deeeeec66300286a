"""The bidirectional recurrent layer against a plain scan over all token slots.

`python -m benchmarks recurrent` times both in turn, forward and forward with backward, on captions with the lengths
of MSR-VTT's (9.3 words on average in 30 slots, batch 64, words of 300 and states of 1,024 numbers), and prints how
many times as long the plain scan takes, and how far the results differ.
"""

import statistics
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jax import Array

from benchmarks.machine import alternate, describe_machine, median_ratio
from benchmarks.made_up_data import WORDS, WORDS_SHAPE
from benchmarks.options import Rounds, Seed
from mcsan_jax.models.recurrent import GRUWeights, bidirectional_gru

Layer = Callable[[Array, Array, GRUWeights, str], Array]


def plain_scan(x: Array, mask: Array, weights: GRUWeights, compute_dtype: str) -> Array:
    """The same function as `bidirectional_gru`: every step for every row, differentiated by JAX."""

    def product(left: Array, right: Array) -> Array:
        left, right = left.astype(compute_dtype), right.astype(compute_dtype)
        return jnp.einsum("s...d,sde->s...e", left, right, preferred_element_type=jnp.float32)

    both = jnp.stack([x, x[:, ::-1]])
    inputs = product(both, weights.kernel) + weights.bias[:, None, None]
    kept = jnp.stack([mask, mask[:, ::-1]])[..., None]

    def step(h: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        given, keep = now
        reset_in, update_in, new_in = jnp.split(given, 3, axis=-1)
        reset_h, update_h, new_h = jnp.split(product(h, weights.recurrent), 3, axis=-1)
        reset = jax.nn.sigmoid(reset_in + reset_h)
        update = jax.nn.sigmoid(update_in + update_h)
        new = jnp.tanh(new_in + reset * (new_h + weights.recurrent_bias[:, None]))
        h = jnp.where(keep, (1.0 - update) * new + update * h, h)
        return h, h

    start = jnp.zeros((2, x.shape[0], weights.recurrent_bias.shape[-1]), jnp.float32)
    _, states = jax.lax.scan(step, start, (jnp.moveaxis(inputs, 2, 0), jnp.moveaxis(kept, 2, 0)), unroll=2)
    states = jnp.moveaxis(states, 0, 2)
    return jnp.where(mask[..., None], 0.5 * (states[0] + states[1][:, ::-1]), 0.0)


def make_inputs(
    batch: int, slots: int, inputs: int, width: int, seed: int
) -> tuple[Array, Array, GRUWeights, Array]:
    """Normally distributed words, their mask, weights of usual size, and the gradient at the output."""
    draw = np.random.default_rng(seed)
    more_words = draw.negative_binomial(WORDS_SHAPE, WORDS_SHAPE / (WORDS_SHAPE + WORDS - 1), batch)
    mask = np.arange(slots)[None] < np.minimum(1 + more_words, slots)[:, None]

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return jnp.asarray(scale * draw.standard_normal(shape, np.float32))

    weights = GRUWeights(
        kernel=normal(2, inputs, 3 * width, scale=inputs**-0.5),
        bias=normal(2, 3 * width, scale=0.1),
        recurrent=normal(2, width, 3 * width, scale=width**-0.5),
        recurrent_bias=normal(2, width, scale=0.1),
    )
    return normal(batch, slots, inputs), jnp.asarray(mask), weights, normal(batch, slots, width)


def forward(layer: Layer, dtype: str) -> Callable[..., Array]:
    """The compiled layer."""
    return jax.jit(lambda x, mask, weights, _: layer(x, mask, weights, dtype))


def forward_and_backward(layer: Layer, dtype: str) -> Callable[..., tuple[Array, GRUWeights]]:
    """The compiled gradients of the inputs and of the weights."""

    def loss(x: Array, mask: Array, weights: GRUWeights, outer: Array) -> Array:
        return jnp.sum(layer(x, mask, weights, dtype) * outer)

    return jax.jit(jax.grad(loss, argnums=(0, 2)))


def waiting(function: Callable[..., object], inputs: tuple) -> Callable[[], None]:
    """The function of these inputs, returning when its results are there."""

    def call() -> None:
        jax.block_until_ready(function(*inputs))

    return call


def largest_difference(found: object, expected: object) -> float:
    """Largest difference of any array, as a part of that array's largest value."""
    parts = jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b)), found, expected)
    return max(float(part) for part in jax.tree.leaves(parts))


def run(
    batch: Annotated[int, typer.Option(min=1, help="Captions.")] = 64,
    slots: Annotated[int, typer.Option(min=1, help="Token slots of a caption.")] = 30,
    inputs: Annotated[int, typer.Option(min=1, help="Numbers of a word.")] = 300,
    width: Annotated[int, typer.Option(min=1, help="Numbers of a state.")] = 1024,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option(help="Of the products.")] = "float32",
    rounds: Rounds = 15,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Compares and prints."""
    given = make_inputs(batch, slots, inputs, width, seed)
    lengths = np.asarray(given[1]).sum(axis=1)
    print(describe_machine())
    print(
        f"{batch} captions of {lengths.mean():.1f} words on average and {lengths.max()} at most in "
        f"{slots} slots, {inputs} to {width}, {dtype} products, seed {seed}, {rounds} rounds"
    )
    figures = {}
    for name, build in (("forward", forward), ("forward and backward", forward_and_backward)):
        plain, layer = build(plain_scan, dtype), build(bidirectional_gru, dtype)
        difference = largest_difference(layer(*given), plain(*given))
        seconds = alternate({"plain": waiting(plain, given), "layer": waiting(layer, given)}, rounds)
        medians = {form: statistics.median(values) for form, values in seconds.items()}
        ratio = median_ratio(seconds["plain"], seconds["layer"])
        print(
            f"{name}: the plain scan takes {ratio:.2f} x as long ({1e3 * medians['plain']:.0f} ms against "
            f"{1e3 * medians['layer']:.0f} ms); largest difference {difference:.1e}"
        )
        figures[name] = {"seconds": medians, "ratio": ratio, "difference": difference}
    return figures
