import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.models.layers import Linear
from mcsan_jax.models.recurrent import BidirectionalGRU, GRUWeights, bidirectional_gru
from mcsan_jax.training.sharding import make_mesh, replicated, split_rows

WIDTH, INPUT = 4, 3
LENGTHS = np.array([6, 3, 1, 0])
MASK = np.arange(6)[None] < LENGTHS[:, None]
X = np.random.default_rng(0).normal(size=(4, 6, INPUT)).astype(np.float32)


def one_direction(weights: dict[str, jax.Array], reverse: bool) -> np.ndarray:
    """Flax's own recurrent layer with the weights of one direction of `BidirectionalGRU`."""
    half = slice(3 * WIDTH, None) if reverse else slice(0, 3 * WIDTH)
    inputs = jnp.split(weights["input_kernel"][:, half], 3, axis=1)
    biases = jnp.split(weights["input_bias"][half], 3)
    recurrent = jnp.split(weights["recurrent"][int(reverse)], 3, axis=1)
    cell = {
        **{f"i{gate}": {"kernel": k, "bias": b} for gate, k, b in zip("rzn", inputs, biases, strict=True)},
        **{f"h{gate}": {"kernel": k} for gate, k in zip("rz", recurrent, strict=False)},
        "hn": {"kernel": recurrent[2], "bias": weights["recurrent_bias"][int(reverse), 0]},
    }
    layer = nn.RNN(nn.GRUCell(WIDTH), reverse=reverse, keep_order=True)
    states = jax.jit(layer.apply)(
        {"params": {"cell": cell}}, jnp.asarray(X), seq_lengths=jnp.asarray(LENGTHS)
    )
    return np.asarray(states)


def test_bidirectional_gru_equals_flax() -> None:
    layer = BidirectionalGRU(WIDTH)
    variables = jax.jit(layer.init)(jax.random.key(0), X, MASK)
    draw = np.random.default_rng(1)
    variables = jax.tree.map(
        lambda x: x + jnp.asarray(0.3 * draw.normal(size=x.shape), jnp.float32), variables
    )
    params = variables["params"]
    dense = params["input"]["Dense_0"]
    weights = {
        "input_kernel": dense["kernel"],
        "input_bias": dense["bias"],
        "recurrent": params["recurrent"],
        "recurrent_bias": params["recurrent_bias"],
    }
    result = jax.jit(layer.apply)(variables, X, MASK)
    expected = 0.5 * (one_direction(weights, reverse=False) + one_direction(weights, reverse=True))
    np.testing.assert_allclose(result[MASK], expected[MASK], atol=1e-5)
    np.testing.assert_array_equal(result[~MASK], 0.0)

    junk = np.where(MASK[..., None], X, 50.0).astype(np.float32)
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, junk, MASK), result, atol=1e-6)


def test_recurrent_weights_start_orthogonal() -> None:
    layer = BidirectionalGRU(WIDTH)
    recurrent = jax.jit(layer.init)(jax.random.key(0), X, MASK)["params"]["recurrent"]
    blocks = [block for one in np.asarray(recurrent) for block in np.split(one, 3, axis=1)]
    assert len(blocks) == 6
    for i, block in enumerate(blocks):
        np.testing.assert_allclose(block @ block.T, np.eye(WIDTH), atol=1e-5)
        assert all(np.abs(block - other).max() > 0.1 for other in blocks[i + 1 :])


def test_input_weights_start_like_those_of_a_linear_map() -> None:
    class WithLinear(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return Linear(6 * WIDTH, name="input")(x)

    key = jax.random.key(0)
    expected = jax.jit(WithLinear().init)(key, X)["params"]["input"]
    found = jax.jit(BidirectionalGRU(WIDTH).init)(key, X, MASK)["params"]["input"]
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def plain_loop(x: jax.Array, mask: jax.Array, weights: GRUWeights) -> jax.Array:
    """One row, one direction and one token after the other; differentiated by JAX."""
    states = []
    for direction, times in enumerate((range(x.shape[1]), reversed(range(x.shape[1])))):
        kernel, bias, recurrent, recurrent_bias = (weight[direction] for weight in weights)
        h, outputs = jnp.zeros((x.shape[0], recurrent.shape[0]), x.dtype), {}
        for time in times:
            a_r, a_z, a_n = jnp.split(x[:, time] @ kernel + bias[None], 3, axis=1)
            u_r, u_z, u_n = jnp.split(h @ recurrent, 3, axis=1)
            update = jax.nn.sigmoid(a_z + u_z)
            new = jnp.tanh(a_n + jax.nn.sigmoid(a_r + u_r) * (u_n + recurrent_bias[None]))
            h = jnp.where(mask[:, time, None], (1.0 - update) * new + update * h, h)
            outputs[time] = jnp.where(mask[:, time, None], h, 0.0)
        states.append(jnp.stack([outputs[time] for time in sorted(outputs)], axis=1))
    return (states[0] + states[1]) / 2.0


def ragged(rows: int, length: int) -> np.ndarray:
    lengths = np.random.default_rng(3).integers(0, length + 1, rows)
    lengths[:3] = (0, length, 1)
    return np.arange(length)[None] < lengths[:, None]


def value_and_gradients(function: Callable, x: jax.Array, mask: jax.Array, weights: GRUWeights) -> Any:
    outer = jnp.asarray(np.random.default_rng(5).normal(size=(*x.shape[:2], weights[3].shape[1])), x.dtype)

    def loss(x: jax.Array, weights: GRUWeights) -> tuple[jax.Array, jax.Array]:
        result = function(x, mask, weights)
        return jnp.sum(result * outer), result

    return jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(x, weights)


def draw(rows: int, length: int, width: int, dtype: str) -> tuple[jax.Array, GRUWeights]:
    random = np.random.default_rng(4)
    sizes = ((2, INPUT, 3 * width), (2, 3 * width), (2, width, 3 * width), (2, width))
    weights = GRUWeights(*(jnp.asarray(0.4 * random.normal(size=size), dtype) for size in sizes))
    return jnp.asarray(random.normal(size=(rows, length, INPUT)), dtype), weights


# 256 rows are 32 for each of the eight devices: enough for several numbers of rows in a step.
@pytest.mark.parametrize(
    ("rows", "mask"),
    [
        (7, ragged(7, 5)),
        (256, ragged(256, 9)),
        (8, np.ones((8, 4), bool)),
        (8, np.zeros((8, 4), bool)),
        (1, np.array([[True, True, False]])),
    ],
    ids=["ragged", "many", "full", "empty", "one"],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-13)])
def test_value_and_gradient_equal_those_of_a_plain_loop(
    rows: int, mask: np.ndarray, dtype: str, tolerance: float
) -> None:
    with jax.enable_x64(dtype == "float64"):
        x, weights = draw(rows, mask.shape[1], 5, dtype)
        real = jnp.asarray(mask)

        def packed(x: jax.Array, mask: jax.Array, weights: GRUWeights) -> jax.Array:
            return bidirectional_gru(x, mask, weights, dtype)

        found = jax.device_get(value_and_gradients(packed, x, real, weights))
        expected = jax.device_get(value_and_gradients(plain_loop, x, real, weights))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype == np.dtype(dtype)
        np.testing.assert_allclose(one, other, atol=tolerance * max(np.abs(other).max(), 1.0), rtol=0)


def test_bfloat16_products_keep_states_and_gradients_in_float32() -> None:
    mask = jnp.asarray(ragged(64, 9))
    x, weights = draw(64, 9, 32, "float32")

    def results(compute_dtype: str) -> list[np.ndarray]:
        def packed(x: jax.Array, mask: jax.Array, weights: GRUWeights) -> jax.Array:
            return bidirectional_gru(x, mask, weights, compute_dtype)

        return [np.asarray(leaf) for leaf in jax.tree.leaves(value_and_gradients(packed, x, mask, weights))]

    for rounded, exact in zip(results("bfloat16"), results("float32"), strict=True):
        assert rounded.dtype == np.float32
        difference = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
        assert 1e-5 < difference < 0.05


def test_padding_is_not_read() -> None:
    layer = BidirectionalGRU(WIDTH)
    variables = jax.jit(layer.init)(jax.random.key(0), X, MASK)

    def loss(variables: dict, x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(jnp.asarray(layer.apply(variables, x, jnp.asarray(MASK)))))

    gradient = jax.jit(jax.grad(loss))
    junk = np.where(MASK[..., None], X, np.nan).astype(np.float32)
    jax.tree.map(np.testing.assert_array_equal, gradient(variables, junk), gradient(variables, X))


def test_sharded_rows_stay_on_their_device() -> None:
    mesh = make_mesh(jax.devices()[:8])
    x, weights = draw(128, 9, 5, "float32")
    mask = ragged(128, 9)

    def gradients(x: jax.Array, mask: jax.Array, weights: GRUWeights) -> Any:
        return value_and_gradients(lambda *of: bidirectional_gru(*of, "float32"), x, mask, weights)

    rows, everywhere = split_rows(mesh), replicated(mesh)
    step = jax.jit(gradients, in_shardings=(rows, rows, everywhere))
    sharded = (jax.device_put(x, rows), jax.device_put(mask, rows), jax.device_put(weights, everywhere))
    program = step.lower(*sharded).compile().as_text() or ""
    assert "all-reduce(" in program
    moved = re.findall(r"= \(?(\w+\[\S*).* (?:all-gather|all-to-all|collective-permute)\(", program)
    assert not moved
    alone = jax.jit(gradients)(x, jnp.asarray(mask), weights)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=2e-5), step(*sharded), alone)


def test_one_program_for_all_lengths() -> None:
    traced = []

    @jax.jit
    def apply(x: jax.Array, mask: jax.Array, weights: GRUWeights) -> jax.Array:
        traced.append(x.shape)
        return bidirectional_gru(x, mask, weights, "float32")

    x, weights = draw(4, 6, WIDTH, "float32")
    for mask in (MASK, np.ones_like(MASK), np.zeros_like(MASK)):
        apply(x, jnp.asarray(mask), weights)
    assert traced == [x.shape]
