"""This module computes the similarity matrix of a node level in blocks of videos and packed nodes.

A block holds the cosines of some videos' frames and some nodes; it lives only while it is computed, in the forward
pass and, computed again, in the backward pass. What stays is the matrix of videos and captions. A block without a
real node is skipped.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.scoring.frame_attention import FrameSet
from mcsan_jax.scoring.normalised import PackedNodes

NodeScorer = Callable[[FrameSet, Float[Array, "block d"]], Float[Array, "v block"]]
"""Scores of all given videos and nodes."""


def block_sizes(videos: int, frames: int, nodes: int, budget: int) -> tuple[int, int]:
    """Returns how many videos and how many nodes make a block whose float32 cosines need at most `budget` bytes.

    It holds some eight times as many frames as nodes: few nodes leave little padding in the last block, and a product
    of this shape still runs at full speed. One video and one node are the least.
    """
    elements = max(budget // 4, 1)
    node_block = min(2 ** int(math.log2(max(math.isqrt(elements // 8), 1))), nodes)
    video_block = max(min(elements // (frames * node_block), videos), 1)
    # Blocks of nearly equal size: the last one would else be mostly padding.
    return -(-videos // -(-videos // video_block)), -(-nodes // -(-nodes // node_block))


def mean_node_similarity(
    frames: FrameSet, nodes: PackedNodes, score_nodes: NodeScorer, budget: int
) -> Float[Array, "v t"]:
    """Returns the mean over each caption's nodes of their scores with each video, zero for captions without nodes.

    The score of a node that its caption denies counts with a minus, as the shares of the packed nodes say.

    Args:
        frames: normalised frames of the videos.
        nodes: packed nodes of the captions.
        score_nodes: the score of videos and nodes.
        budget: bytes of a block's cosines.
    """
    videos, frame_count = frames.lengths.shape
    known = not jax.export.is_symbolic_dim(videos)
    video_block, node_block = block_sizes(videos if known else 1, frame_count, nodes.groups.shape[0], budget)
    node_blocks = _split_nodes(nodes, node_block)
    captions = nodes.present.shape[0]
    arrays, kind = jax.tree.flatten(frames)

    def strip(of_block: list[Array]) -> Float[Array, "groups block"]:
        block = jax.tree.unflatten(kind, of_block)
        step = functools.partial(_add_block, block, captions, score_nodes)
        empty = jax.lax.full_like(block.lengths, 0.0, shape=(captions + node_block, block.lengths.shape[0]))
        return jax.lax.scan(jax.checkpoint(step, prevent_cse=False), empty, node_blocks)[0]

    if known:
        # [blocks, groups, videos of a block] → [groups, videos]
        strips = jax.lax.map(strip, [_split_rows(array, video_block) for array in arrays])
        of_groups = strips.transpose(1, 0, 2).reshape(captions + node_block, -1)[:, :videos]
    else:
        # A number of videos that is known only when the program runs (`jax.export`) cannot be divided: one block.
        of_groups = strip(arrays)
    of_captions = of_groups[jnp.maximum(jnp.cumsum(nodes.present) - 1, 0)]
    return jnp.where(nodes.present[:, None], of_captions, 0.0).T


def _add_block(
    frames: FrameSet,
    captions: int,
    score_nodes: NodeScorer,
    totals: Float[Array, "groups v"],
    nodes: tuple[Array, Array, Array],
) -> tuple[Float[Array, "groups v"], None]:
    """Adds the shares of a block of nodes to the totals of their captions."""
    queries, groups, shares = nodes
    first, size = groups[0], groups.shape[0]

    def add() -> Float[Array, "groups v"]:
        # Nodes lie in the order of their captions, so those of a block belong to a window of that many captions.
        belongs = (groups[:, None] - first == jnp.arange(size, dtype=groups.dtype)[None]).astype(
            shares.dtype
        ) * shares[:, None]
        scores = score_nodes(frames, queries)
        window = jnp.einsum("vm,mg->gv", scores, belongs, precision=jax.lax.Precision.HIGHEST)
        before = jax.lax.dynamic_slice_in_dim(totals, first, size)
        return jax.lax.dynamic_update_slice_in_dim(totals, before + window, first, 0)

    return jax.lax.cond(first < captions, add, lambda: totals), None


def _split_rows(array: Array, size: int) -> Array:
    """Returns rows in blocks of `size` [block, size, …]; zeros, videos without frames, fill up the last one."""
    padding = [(0, -array.shape[0] % size)] + [(0, 0)] * (array.ndim - 1)
    return jnp.pad(array, padding).reshape(-1, size, *array.shape[1:])


def _split_nodes(nodes: PackedNodes, size: int) -> tuple[Array, Array, Array]:
    """Returns nodes in blocks of `size` [block, size, …]; padding fills up the last one."""
    missing = -nodes.groups.shape[0] % size
    queries = jnp.pad(nodes.queries, ((0, missing), (0, 0)))
    groups = jnp.pad(nodes.groups, (0, missing), constant_values=nodes.present.shape[0])
    shares = jnp.pad(nodes.shares, (0, missing))
    return queries.reshape(-1, size, queries.shape[1]), groups.reshape(-1, size), shares.reshape(-1, size)
