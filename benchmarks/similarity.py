"""Times our similarity of a node level against the direct one in PyTorch, alternately in one run.

`python -m benchmarks.similarity` prints, for the scores alone and for scores and gradients, the seconds of both and
how many times as long the peer takes: with every node slot in use, and with as many nodes as captions really have.
Both run on the CPU in float32, from the vectors that the encoders give to the scores of captions.
"""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import torch
from absl import app, flags
from jaxtyping import Array

from benchmarks.machine import alternate, describe_machine, fastest_ratio, median_ratio
from benchmarks.made_up_batch import draw_node_masks
from benchmarks.peer import similarity as peer
from mcsan_jax.config import DataConfig, SimilarityConfig
from mcsan_jax.levels import NodeSet
from mcsan_jax.scoring.blocks import mean_node_similarity
from mcsan_jax.scoring.frame_attention import prepare_frames
from mcsan_jax.scoring.packing import pack_nodes
from mcsan_jax.scoring.similarity import block_budget, node_scorer

FORWARD_BAR, BACKWARD_BAR = 10, 5

Padded = tuple[torch.Tensor, torch.Tensor]
"""Vectors [item, slot, width], and which slots hold one."""

_VIDEOS = flags.DEFINE_integer("videos", 128, "Videos of the scores alone.", lower_bound=1)
_CAPTIONS = flags.DEFINE_integer("captions", 300, "Captions of the scores alone.", lower_bound=1)
_PAIRS = flags.DEFINE_integer("pairs", 64, "Videos and captions of scores and gradients.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 20, "Frames of a video.", lower_bound=1)
_NODES = flags.DEFINE_integer("nodes", 6, "Nodes of a caption where all slots are in use.", lower_bound=1)
_WIDTH = flags.DEFINE_integer("width", 1024, "Size of a vector.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each function.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the vectors and the numbers of nodes.")


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What is compared.

    Attributes:
        frames: [video, frame, width]; every frame is real.
        nodes: per level, [caption, slot, width].
        masks: per level, which slots hold a node.
        weights: of the scores in the sum whose gradient is taken [video, caption].
    """

    frames: np.ndarray
    nodes: Sequence[np.ndarray]
    masks: Sequence[np.ndarray]
    weights: np.ndarray

    def on_device(self) -> tuple[NodeSet, list[NodeSet]]:
        """Videos and levels for JAX."""
        levels = zip(self.nodes, self.masks, strict=True)
        return (
            NodeSet(jnp.asarray(self.frames), jnp.ones(self.frames.shape[:2], bool)),
            [NodeSet(jnp.asarray(nodes), jnp.asarray(mask)) for nodes, mask in levels],
        )

    def as_tensors(self) -> tuple[Padded, list[Padded]]:
        """Videos and levels for PyTorch."""
        frames = torch.from_numpy(self.frames)
        levels = zip(self.nodes, self.masks, strict=True)
        return (
            (frames, torch.ones(frames.shape[:2], dtype=torch.bool)),
            [(torch.from_numpy(nodes), torch.from_numpy(mask)) for nodes, mask in levels],
        )


def draw_inputs(videos: int, captions: int, real_counts: bool) -> Inputs:
    """Random vectors.

    Args:
        videos: how many.
        captions: how many.
        real_counts: whether there are two levels with the numbers of nodes of real captions, instead of one level
            whose slots are all in use.
    """
    draw = np.random.default_rng(_SEED.value)
    masks: Sequence[np.ndarray] = (np.ones((captions, _NODES.value), bool),)
    if real_counts:
        masks = draw_node_masks(draw, captions, DataConfig())

    def vectors(*shape: int) -> np.ndarray:
        return draw.standard_normal((*shape, _WIDTH.value), np.float32)

    return Inputs(
        vectors(videos, _FRAMES.value),
        [vectors(*mask.shape) for mask in masks],
        masks,
        draw.standard_normal((videos, captions), np.float32),
    )


def our_scores(videos: NodeSet, levels: Sequence[NodeSet]) -> Array:
    """Sum over the levels of their scores [video, caption]."""
    config = SimilarityConfig()
    score_nodes, budget = node_scorer(config, None), block_budget(config)
    frames = prepare_frames(videos)
    scores = [mean_node_similarity(frames, pack_nodes(nodes), score_nodes, budget) for nodes in levels]
    return functools.reduce(jnp.add, scores)


def peer_scores(videos: Padded, levels: Sequence[Padded]) -> torch.Tensor:
    """The same, one level after the other, as HGR does."""
    scores = [peer.attended_similarity(*videos, *nodes) for nodes in levels]
    return functools.reduce(torch.add, scores)


def forward(inputs: Inputs) -> Mapping[str, Callable[[], np.ndarray]]:
    """Both sides' scores."""
    compiled = jax.jit(our_scores)
    given, tensors = inputs.on_device(), inputs.as_tensors()

    def theirs() -> np.ndarray:
        with torch.no_grad():
            return peer_scores(*tensors).numpy()

    return {"ours": lambda: np.asarray(compiled(*given)), "peer": theirs}


def forward_and_backward(inputs: Inputs) -> Mapping[str, Callable[[], np.ndarray]]:
    """Both sides' gradients of the weighted sum of the scores; those by the frames are handed back."""

    def total(frames: Array, nodes: Sequence[Array], videos: NodeSet, levels: Sequence[NodeSet]) -> Array:
        videos = dataclasses.replace(videos, vectors=frames)
        levels = [dataclasses.replace(one, vectors=x) for one, x in zip(levels, nodes, strict=True)]
        return jnp.sum(our_scores(videos, levels) * inputs.weights)

    compiled = jax.jit(jax.grad(total, argnums=(0, 1)))
    given, levels = inputs.on_device()
    (frames, frame_mask), padded = inputs.as_tensors()
    leaves = [vectors.requires_grad_() for vectors in (frames, *(vectors for vectors, _ in padded))]
    weights = torch.from_numpy(inputs.weights)

    def ours() -> np.ndarray:
        gradients = compiled(given.vectors, [nodes.vectors for nodes in levels], given, levels)
        return np.asarray(jax.block_until_ready(gradients)[0])

    def theirs() -> np.ndarray:
        loss = (peer_scores((frames, frame_mask), padded) * weights).sum()
        return torch.autograd.grad(loss, leaves)[0].numpy()

    return {"ours": ours, "peer": theirs}


def measure(title: str, functions: Mapping[str, Callable[[], np.ndarray]], bar: int) -> None:
    """Times both sides and prints a line."""
    ours, theirs = functions["ours"](), functions["peer"]()
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    seconds = alternate(functions, _ROUNDS.value)
    medians = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    print(
        f"{title}: ours {medians['ours']:.1f} ms, peer {medians['peer']:.1f} ms, "
        f"ratio {median_ratio(seconds['peer'], seconds['ours']):.1f}, of the fastest rounds "
        f"{fastest_ratio(seconds['peer'], seconds['ours']):.1f} (wanted: {bar} or more), "
        f"relative difference {difference:.0e}",
        flush=True,
    )


def main(arguments: Sequence[str]) -> None:
    """Entry point."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    jax.config.update("jax_platforms", "cpu")
    print(describe_machine())
    print(
        f"float32, seed {_SEED.value}, {torch.get_num_threads()} threads of PyTorch; {_FRAMES.value} frames, "
        f"width {_WIDTH.value}; medians of {_ROUNDS.value} rounds"
    )
    parts = (
        ("scores", forward, _VIDEOS.value, _CAPTIONS.value, FORWARD_BAR),
        ("scores and gradients", forward_and_backward, _PAIRS.value, _PAIRS.value, BACKWARD_BAR),
    )
    kinds = {False: f"{_NODES.value} nodes each", True: "nodes of real captions (1.7 of 4 and 3.3 of 6)"}
    for name, functions, videos, captions, bar in parts:
        for real_counts, kind in kinds.items():
            title = f"{name} of {videos} videos x {captions} captions, {kind}"
            measure(title, functions(draw_inputs(videos, captions, real_counts)), bar)


if __name__ == "__main__":
    app.run(main)
