import functools
import math
import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, PartitionSpec
from jaxtyping import Array

from data_pipeline.errors import InputError
from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.frame_attention import FrameSet, attended_similarity, normalise_frames
from mcsan_jax.scoring.fused_kernel import MAXIMUM_FRAMES, fused_attended_similarity
from mcsan_jax.scoring.vectors import normalize
from tests.scoring import plain_formulas as plain

SMOOTHING = 4.0
BFLOAT16 = jnp.dtype("bfloat16")
# Later versions of JAX say, where they compile a kernel by way of Triton, that they will give this way up.
compiles_for_a_gpu = pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")

fused = jax.jit(
    functools.partial(fused_attended_similarity, interpret=True),
    static_argnames=("smoothing", "product_dtype"),
)
reference = jax.jit(attended_similarity, static_argnames=("smoothing", "product_dtype"))


def awkward(videos: int, frames: int, nodes: int, depth: int) -> tuple[NodeSet, np.ndarray]:
    """Frames and nodes among which is all that needs care, as far as there is room for it."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(videos, frames, depth)) * random.uniform(0.1, 9.0, (videos, frames, 1))
    mask = random.random((videos, frames)) < 0.7
    mask[0] = True
    vectors[0, frames // 2] = vectors[0, 0]
    vectors[0, frames // 3] = 0.0
    mask[-1] = videos == 1
    queries = random.normal(size=(nodes, depth))
    queries[0] = vectors[0, -1]
    queries[nodes // 2] = 0.0
    return NodeSet(jnp.asarray(vectors, jnp.float32), jnp.asarray(mask)), queries.astype(np.float32)


def prepared(*sizes: int) -> tuple[FrameSet, Array]:
    frames, queries = awkward(*sizes)
    return jax.jit(lambda f, q: (normalise_frames(f), normalize(q)))(frames, queries)


def assert_close(actual: object, expected: object, tolerance: float) -> None:
    """Equal trees of arrays, with the tolerance relative to one or to the number, whichever is larger."""
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [
        ((1, 1, 1, 5), None),
        ((3, 20, 37, 130), None),
        ((3, 20, 37, 130), BFLOAT16),
        ((2, 33, 1, 64), None),
        ((9, 16, 5, 64), None),
        ((5, 20, 130, 5), None),
        ((2, MAXIMUM_FRAMES, 70, 40), BFLOAT16),
    ],
    ids=str,
)
def test_scores_and_gradients_are_those_of_the_xla_form(
    sizes: tuple[int, int, int, int], dtype: jnp.dtype | None
) -> None:
    frames, queries = prepared(*sizes)
    cotangent = jnp.asarray(np.random.default_rng(1).normal(size=(sizes[0], sizes[2])), jnp.float32)

    def run(score: Callable[..., Array]) -> tuple[Array, tuple[FrameSet, Array]]:
        scores, backward = jax.vjp(lambda f, q: score(f, q, SMOOTHING, dtype), frames, queries)
        return scores, backward(cotangent)

    (scores, gradients), (expected, expected_gradients) = (
        jax.jit(functools.partial(run, score))() for score in (fused, reference)
    )
    assert_close(scores, expected, 2e-6)
    assert_close(gradients, expected_gradients, 1e-5)


def test_scores_are_those_of_the_formula() -> None:
    frames, queries = awkward(3, 20, 6, 64)
    scores = fused(normalise_frames(frames), normalize(jnp.asarray(queries)), SMOOTHING, None)
    expected = plain.node_matrix(
        np.asarray(frames.vectors, np.float64),
        np.asarray(frames.mask),
        queries[None].astype(np.float64),
        np.ones((1, 6), bool),
        SMOOTHING,
    )[:, 0]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    assert not np.any(scores[-1])
    assert not np.any(scores[:, 3])
    assert np.max(expected) > 0.2


def test_double_precision_stays_double(x64: None) -> None:
    random = np.random.default_rng(2)
    frames = normalise_frames(NodeSet(jnp.asarray(random.normal(size=(2, 33, 40))), jnp.ones((2, 33), bool)))
    queries = normalize(jnp.asarray(random.normal(size=(3, 40))))
    expected = reference(frames, queries, SMOOTHING, None)
    np.testing.assert_allclose(fused(frames, queries, SMOOTHING, None), expected, rtol=0, atol=1e-14)


def test_too_many_frames_are_refused() -> None:
    frames = FrameSet(jnp.zeros((1, 65, 4)), jnp.zeros((1, 65)), jnp.zeros((1, 65, 65)))
    with pytest.raises(
        InputError, match=r"at most 64 frames of a video, but videos have 65; lower config\.data"
    ):
        fused(frames, jnp.zeros((2, 4)), SMOOTHING, None)


def test_nothing_but_the_inputs_is_kept_for_the_backward_pass() -> None:
    frames, queries = prepared(3, 7, 19, 8)

    def kept(score: Callable[..., Array]) -> set[tuple[int, ...]]:
        backward = jax.eval_shape(
            lambda: jax.vjp(lambda f, q: score(f, q, SMOOTHING, None), frames, queries)[1]
        )
        return {leaf.shape for leaf in jax.tree.leaves(backward)}

    assert (3, 7, 19) in kept(attended_similarity)
    inputs = {leaf.shape for leaf in jax.tree.leaves((frames, queries))}
    assert kept(functools.partial(fused_attended_similarity, interpret=True)) == inputs


def test_float32_products_are_full_ones() -> None:
    frames, queries = prepared(2, 33, 3, 40)
    kernel = str(jax.make_jaxpr(lambda f, q: fused(f, q, SMOOTHING, None))(frames, queries))
    products = re.findall(r"dot_general\[.*?\]\s", kernel, flags=re.DOTALL)
    # Those of the kernel, and those of the direct form of pairs whose frames cancel.
    assert len(products) == 4
    assert all("precision=(Precision.HIGHEST, Precision.HIGHEST)" in product for product in products)


def block_by_block(score: Callable[..., Array], frames: FrameSet, queries: Array) -> Array:
    """Scores of blocks of two nodes each; a block of zeros is skipped."""

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def step(carry: None, block: Array) -> tuple[None, Array]:
        scores = jax.lax.cond(
            jnp.any(block != 0),
            lambda: score(frames, block, SMOOTHING, None),
            lambda: jnp.zeros((frames.lengths.shape[0], 2)),
        )
        return carry, scores

    return jax.lax.scan(step, None, queries.reshape(-1, 2, queries.shape[1]))[1]


def test_it_works_in_a_checkpointed_loop_with_a_condition() -> None:
    frames, queries = prepared(2, 33, 6, 12)
    queries = queries.at[2:4].set(0.0)

    def run(score: Callable[..., Array]) -> tuple[Array, tuple[FrameSet, Array]]:
        function = functools.partial(block_by_block, score)
        return jax.jit(jax.value_and_grad(lambda f, q: jnp.sum(jnp.sin(function(f, q))), (0, 1)))(
            frames, queries
        )

    results = run(fused), run(reference)
    assert_close(*results, 1e-5)


def test_it_works_over_a_mesh() -> None:
    frames, queries = prepared(4, 33, 3, 12)
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    # JAX's interpreter of kernels cannot follow over which axes of a mesh a value varies.
    shared = jax.shard_map(
        lambda f, q: fused(f, q, SMOOTHING, None),
        mesh=mesh,
        in_specs=(PartitionSpec("batch"), PartitionSpec()),
        out_specs=PartitionSpec("batch"),
        check_vma=False,
    )

    def run(score: Callable[[FrameSet, Array], Array]) -> tuple[Array, tuple[FrameSet, Array]]:
        return jax.jit(jax.value_and_grad(lambda f, q: jnp.sum(jnp.sin(score(f, q))), (0, 1)))(
            frames, queries
        )

    results = run(shared), run(lambda f, q: reference(f, q, SMOOTHING, None))
    assert_close(*results, 1e-5)


# What the program is compiled for; the machine that compiles it has no such device.
GPU = AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=None, platform="gpu")
MESH = AbstractMesh((8,), ("batch",), axis_types=(AxisType.Auto,), abstract_device=GPU)


def compiled_for_a_gpu(function: Callable[..., object], v: int, f: int, m: int, d: int) -> str:
    """The program before XLA's optimisation; `function` takes directions, lengths, Gram matrices and queries."""
    shapes = ((v, f, d), (v, f), (v, f, f), (m, d))
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    with jax.sharding.use_abstract_mesh(MESH):
        return jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()


def sizes_of_tensors(program: str) -> set[int]:
    """How many elements the program's arrays have."""
    return {math.prod(map(int, found.split("x")[:-1])) for found in re.findall(r"tensor<([\dx]+x)", program)}


@compiles_for_a_gpu
@pytest.mark.parametrize("dtype", [None, BFLOAT16])
@pytest.mark.parametrize(("v", "f", "m", "d", "rows"), [(64, 20, 256, 1024, 32), (8, 33, 128, 130, 64)])
def test_one_kernel_writes_only_scores(
    v: int, f: int, m: int, d: int, rows: int, dtype: jnp.dtype | None
) -> None:
    def program(score: Callable[..., Array]) -> str:
        return compiled_for_a_gpu(lambda *x: score(FrameSet(*x[:3]), x[3], SMOOTHING, dtype), v, f, m, d)

    kernel, xla_form = program(fused_attended_similarity), program(attended_similarity)
    assert len(re.findall(r"custom_call @\S*triton", kernel)) == 1
    assert v * f * m in sizes_of_tensors(xla_form)
    assert v * m in sizes_of_tensors(kernel)
    assert not {v * f * m, v * rows * m} & sizes_of_tensors(kernel)


@compiles_for_a_gpu
@pytest.mark.parametrize("queries", [PartitionSpec(), PartitionSpec("batch")], ids=["replicated", "sharded"])
def test_a_mesh_checks_the_compiled_kernel_and_its_gradient(queries: PartitionSpec) -> None:
    batch = PartitionSpec("batch")
    score = jax.shard_map(
        lambda *x: fused_attended_similarity(FrameSet(*x[:3]), x[3], SMOOTHING, None),
        in_specs=(batch, batch, batch, queries),
        out_specs=batch,
        check_vma=True,
    )
    value_and_gradient = jax.value_and_grad(lambda *x: jnp.sum(score(*x)), (0, 1, 2, 3))
    program = compiled_for_a_gpu(value_and_gradient, v=16, f=3, m=8, d=5)
    assert len(re.findall(r"custom_call @\S*triton", program)) == 1
    # The gradient of nodes that every device holds is a sum over devices; that of a device's own nodes is not.
    assert ("all_reduce" in program) == (queries == PartitionSpec())
