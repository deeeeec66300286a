"""The score of frames and nodes on a GPU: the form that XLA compiles against the one fused kernel.

`python -m benchmarks.gpu_similarity` times both in turn, forward and forward with backward, on a training batch
(128 videos × 20 frames, 1,800 nodes) and a block of the evaluation (512 videos, 4,096 nodes) of 1,024 features, with
float32 and bfloat16 products, and prints how many times as long the XLA form takes, and how far the scores differ.
`--interpret` runs a tiny block on any device, to see that the program works; its times mean nothing.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import functools
import pathlib
import statistics
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks.figures import write_figures
from benchmarks.machine import alternate, describe_machine, median_ratio
from data_pipeline.errors import InputError
from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.frame_attention import SMOOTHING, FrameSet, attended_similarity, normalise_frames
from mcsan_jax.scoring.fused_kernel import fused_attended_similarity
from mcsan_jax.scoring.vectors import normalize, product_dtype

Scorer = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class Block:
    """How many of each are scored together."""

    name: str
    videos: int
    frames: int
    nodes: int
    depth: int


BLOCKS = (Block("training batch", 128, 20, 1800, 1024), Block("evaluation block", 512, 20, 4096, 1024))
TINY_BLOCKS = (Block("tiny block", 2, 3, 5, 8),)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Both forms of one pass over a block.

    Attributes:
        block: its name.
        products: their type.
        name: of the pass.
        xla, kernel: median seconds of a call.
        ratio: how many times as long the XLA form takes.
        difference: the largest of any score.
    """

    block: str
    products: str
    name: str
    xla: float
    kernel: float
    ratio: float
    difference: float

    @property
    def row(self) -> str:
        """Of the table."""
        times = f"{1e3 * self.xla:.3f} | {1e3 * self.kernel:.3f} | {self.ratio:.2f}"
        return f"| {self.block} | {self.products} | {self.name} | {times} | {self.difference:.1e} |"


def make_inputs(block: Block, seed: int) -> tuple[FrameSet, Array]:
    """Prepared frames of normally distributed vectors, and nodes of unit length."""
    frame_key, node_key = jax.random.split(jax.random.key(seed))
    vectors = jax.random.normal(frame_key, (block.videos, block.frames, block.depth))
    frames = normalise_frames(NodeSet(vectors, jnp.ones((block.videos, block.frames), bool)))
    return frames, normalize(jax.random.normal(node_key, (block.nodes, block.depth)))


def forward(score: Scorer, dtype: jnp.dtype | None) -> Callable[[FrameSet, Array], Array]:
    """The compiled scores."""
    return jax.jit(lambda frames, queries: score(frames, queries, SMOOTHING, dtype))


def forward_and_backward(score: Scorer, dtype: jnp.dtype | None) -> Callable[[FrameSet, Array], object]:
    """The compiled scores and gradients of all inputs; the loss is such that both passes are needed."""

    def loss(frames: FrameSet, queries: Array) -> tuple[Array, Array]:
        scores = score(frames, queries, SMOOTHING, dtype)
        return jnp.sum(scores * scores), scores

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))


def repeat(
    function: Callable[[FrameSet, Array], object], frames: FrameSet, queries: Array, calls: int
) -> None:
    """Calls that the device runs one after the other, waited for once."""
    jax.block_until_ready([function(frames, queries) for _ in range(calls)][-1])


def compare(
    block: Block, compute_dtype: str, seed: int, rounds: int, calls: int, interpret: bool
) -> Iterator[Comparison]:
    """One for each pass."""
    frames, queries = make_inputs(block, seed)
    dtype = product_dtype(compute_dtype)
    kernel = functools.partial(fused_attended_similarity, interpret=interpret)
    difference = jnp.max(
        jnp.abs(
            forward(kernel, dtype)(frames, queries) - forward(attended_similarity, dtype)(frames, queries)
        )
    )
    for name, make in (("forward", forward), ("forward and backward", forward_and_backward)):
        seconds = alternate(
            {
                "xla": functools.partial(repeat, make(attended_similarity, dtype), frames, queries, calls),
                "kernel": functools.partial(repeat, make(kernel, dtype), frames, queries, calls),
            },
            rounds,
        )
        xla, fused = (statistics.median(seconds[form]) / calls for form in ("xla", "kernel"))
        ratio = median_ratio(seconds["xla"], seconds["kernel"])
        yield Comparison(block.name, compute_dtype, name, xla, fused, ratio, float(difference))


def run(arguments: argparse.Namespace) -> None:
    """Prints the table and writes the figures.

    Raises:
        InputError: there is no GPU to measure, or nothing is to be measured.
    """
    if jax.default_backend() != "gpu" and not arguments.interpret:
        raise InputError(
            f"the kernel needs an NVIDIA GPU, but JAX finds only {jax.devices()[0].platform} devices; run this on a "
            "machine with a GPU, with JAX installed for it (pip install '.[cuda]'), or give --interpret"
        )
    if min(arguments.rounds, arguments.calls) < 1:
        raise InputError(
            f"--rounds={arguments.rounds} --calls={arguments.calls}: expected at least 1 of each; raise them"
        )
    blocks = TINY_BLOCKS if arguments.interpret else BLOCKS
    print(describe_machine())
    if arguments.interpret:
        print("the kernel is interpreted: its times mean nothing")
    for block in blocks:
        print(
            f"{block.name}: {block.videos} videos x {block.frames} frames, {block.nodes} nodes, {block.depth} features"
        )
    print(
        f"seed {arguments.seed}; {arguments.rounds} rounds of {arguments.calls} calls of each form, in turn"
    )
    print("| block | products | pass | XLA, ms | kernel, ms | XLA : kernel | largest difference of scores |")
    print("|---|---|---|---|---|---|---|")
    options = (arguments.seed, arguments.rounds, arguments.calls, arguments.interpret)
    found = []
    for block in blocks:
        for compute_dtype in ("float32", "bfloat16"):
            for one in compare(block, compute_dtype, *options):
                print(one.row, flush=True)
                found.append(dataclasses.asdict(one))
    write_figures(arguments.json, {"comparisons": found})


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the made-up vectors")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--rounds", type=int, default=15, help="how often the forms are timed in turn")
    parser.add_argument("--calls", type=int, default=10, help="calls of a form in a round")
    parser.add_argument("--interpret", action="store_true", help="run a tiny block on any device")
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Reads the command line and measures; without a GPU, says so and ends with status 2."""
    run(make_parser().parse_args(words))


if __name__ == "__main__":
    main()
