"""Times our similarity of a node level against the direct one in PyTorch, alternately in one run.

`python -m benchmarks similarity` prints, for the scores alone and for scores and gradients, the seconds of both and
how many times as long the peer takes: with every node slot in use, and with as many nodes as captions really have.
Both run on the CPU in float32, from the vectors that the encoders give to the scores of captions.
"""

import dataclasses
import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
import typer
from jaxtyping import Array

from benchmarks.machine import alternate, describe_machine, fastest_ratio, median_ratio
from benchmarks.made_up_data import draw_node_masks
from benchmarks.options import Rounds, Seed
from benchmarks.peer import model as peer
from mcsan_jax.config import DataConfig, SimilarityConfig
from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.blocks import mean_node_similarity
from mcsan_jax.scoring.frame_attention import normalise_frames
from mcsan_jax.scoring.normalised import pack_nodes
from mcsan_jax.scoring.similarity import block_budget, node_scorer

FORWARD_BAR, BACKWARD_BAR = 10, 5

Padded = tuple[torch.Tensor, torch.Tensor]
"""Vectors [item, slot, width], and which slots hold one."""


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


def draw_inputs(videos: int, frames: int, captions: int, nodes: int | None, width: int, seed: int) -> Inputs:
    """Random vectors.

    Args:
        videos: how many.
        frames: of a video.
        captions: how many.
        nodes: of a caption, at one level whose slots are all in use; None makes two levels with the numbers of nodes
            of real captions.
        width: of a vector.
        seed: of the vectors and the numbers of nodes.
    """
    draw = np.random.default_rng(seed)
    if nodes:
        masks: Sequence[np.ndarray] = (np.ones((captions, nodes), bool),)
    else:
        masks = draw_node_masks(draw, captions, DataConfig())

    def vectors(*shape: int) -> np.ndarray:
        return draw.standard_normal((*shape, width), np.float32)

    return Inputs(
        vectors(videos, frames),
        [vectors(*mask.shape) for mask in masks],
        masks,
        draw.standard_normal((videos, captions), np.float32),
    )


def our_scores(videos: NodeSet, levels: Sequence[NodeSet]) -> Array:
    """Sum over the levels of their scores [video, caption]."""
    config = SimilarityConfig()
    score_nodes, budget = node_scorer(config, None), block_budget(config)
    frames = normalise_frames(videos)
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


def measure(
    title: str, functions: Mapping[str, Callable[[], np.ndarray]], bar: int, rounds: int
) -> dict[str, Any]:
    """Times both sides and prints a line."""
    ours, theirs = functions["ours"](), functions["peer"]()
    difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    seconds = alternate(functions, rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = median_ratio(seconds["peer"], seconds["ours"])
    fastest = fastest_ratio(seconds["peer"], seconds["ours"])
    print(
        f"{title}: ours {1e3 * medians['ours']:.1f} ms, peer {1e3 * medians['peer']:.1f} ms, ratio {ratio:.1f}, "
        f"of the fastest rounds {fastest:.1f} (wanted: {bar} or more), relative difference {difference:.0e}",
        flush=True,
    )
    return {
        "title": title,
        "seconds": medians,
        "ratio": ratio,
        "fastest_ratio": fastest,
        "wanted": bar,
        "difference": difference,
    }


def run(
    videos: Annotated[int, typer.Option(min=1, help="Videos of the scores alone.")] = 128,
    captions: Annotated[int, typer.Option(min=1, help="Captions of the scores alone.")] = 300,
    pairs: Annotated[int, typer.Option(min=1, help="Videos and captions of scores and gradients.")] = 64,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a video.")] = 20,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of a caption where all slots are in use.")] = 6,
    width: Annotated[int, typer.Option(min=1, help="Size of a vector.")] = 1024,
    rounds: Rounds = 7,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Compares and prints."""
    jax.config.update("jax_platforms", "cpu")
    print(describe_machine())
    print(
        f"float32, seed {seed}, {torch.get_num_threads()} threads of PyTorch; {frames} frames, "
        f"width {width}; medians of {rounds} rounds"
    )
    parts = (
        ("scores", forward, videos, captions, FORWARD_BAR),
        ("scores and gradients", forward_and_backward, pairs, pairs, BACKWARD_BAR),
    )
    kinds = {nodes: f"{nodes} nodes each", None: "nodes of real captions (1.7 of 4 and 3.3 of 6)"}
    found = []
    for name, functions, of_videos, of_captions, bar in parts:
        for slots, kind in kinds.items():
            title = f"{name} of {of_videos} videos x {of_captions} captions, {kind}"
            inputs = draw_inputs(of_videos, frames, of_captions, slots, width, seed)
            found.append(measure(title, functions(inputs), bar, rounds))
    return {"comparisons": found}
