import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from mcsan_jax.models.layers import Linear
from mcsan_jax.models.recurrent import BidirectionalGRU, GRUWeights, bidirectional_gru
from mcsan_jax.models.sequence_packing import pack
from mcsan_jax.sharding import DATA_AXIS, make_mesh, replicated, split_rows
from tests.models.plain_gru import bidirectional_states, weights_of_layer

WIDTH, INPUT = 4, 3
LENGTHS = np.array([6, 3, 1, 0])
MASK = np.arange(6)[None] < LENGTHS[:, None]
X = np.random.default_rng(0).normal(size=(4, 6, INPUT)).astype(np.float32)


def test_the_layer_equals_a_plain_loop() -> None:
    """Each parameter of the layer has its place in the formulas."""
    layer = BidirectionalGRU(WIDTH)
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), X, MASK)
    variables = jax.tree.map(lambda x: (0.4 * random.normal(size=x.shape)).astype(x.dtype), shapes)
    params = jax.tree.map(np.float64, variables["params"])
    expected = bidirectional_states(X.astype(np.float64), MASK, weights_of_layer(params))
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, X, MASK), expected, atol=1e-6)


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
        expected = jax.device_get(value_and_gradients(bidirectional_states, x, real, weights))
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

    def loss(variables: dict, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        states = jnp.asarray(layer.apply(variables, x, jnp.asarray(MASK)))
        return jnp.sum(jnp.square(states)), states

    gradient_and_states = jax.jit(jax.grad(loss, has_aux=True))
    junk = np.where(MASK[..., None], X, np.nan).astype(np.float32)
    found, expected = gradient_and_states(variables, junk), gradient_and_states(variables, X)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


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


def test_slots_inside_shard_map_are_those_of_a_devices_own_rows() -> None:
    """As many as the fixed numbers of rows ask for, step by step, of the 32 rows that each of eight devices holds."""
    mesh, rows = make_mesh(jax.devices()[:8]), 32
    mask = ragged(8 * rows, 9)

    def slots(mask: jax.Array) -> jax.Array:
        packing = pack(mask)
        return (packing.count * len(packing.filled))[None]

    split = PartitionSpec(DATA_AXIS)
    inside = jax.shard_map(slots, mesh=mesh, in_specs=split, out_specs=split, check_vma=False)
    found = jax.jit(inside)(jax.device_put(mask, split_rows(mesh)))
    for own, count in zip(np.split(mask, 8), found, strict=True):
        going = own.sum(axis=0)
        assert count == sum(min(size for size in (0, *range(8, 33, 4)) if size >= n) for n in going)


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
