"""This module makes encodings ready to be compared: unit vectors, Gram matrices of frames, nodes without padding.

Only real nodes of captions are ever compared with frames, so that their padding is left out.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.levels import GLOBAL, LEVELS
from mcsan_jax.encodings import Encoding, NodeSet
from mcsan_jax.scoring.frame_attention import FrameSet, normalise_frames
from mcsan_jax.scoring.vectors import normalize


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PackedNodes:
    """They are the nodes of ``t`` captions at one level, one caption after the other, real nodes first.

    Attributes:
        queries: node vectors of unit length; padding is zero.
        groups: which of the captions that have a node here the node belongs to, counted from 0; never falls along
            the axis, and is ``t`` for padding.
        shares: one over the number of nodes of the node's caption, with a minus where the caption denies the node;
            zero for padding.
        present: whether a caption has a node here.
    """

    queries: Float[Array, "m d"]
    groups: Int[Array, " m"]
    shares: Float[Array, " m"]
    present: Bool[Array, " t"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NormalisedVideos:
    """They hold unit vectors of the global level, frames of the others, and unit vectors of attribute probabilities.

    The vectors of the linear branch are as they were encoded.
    """

    pooled: Float[Array, "v d"] | None
    frames: dict[str, FrameSet]
    attributes: dict[str, Float[Array, "v _"]]
    linear: Float[Array, "v r"] | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NormalisedTexts:
    """They hold unit vectors of the global level, nodes of the others, and unit vectors of attribute probabilities.

    The attributes of a level are zero for a caption that states nothing there, but denies all or has no node. The
    vectors of the linear branch are as they were encoded.
    """

    pooled: Float[Array, "t d"] | None
    nodes: dict[str, PackedNodes]
    attributes: dict[str, Float[Array, "t _"]]
    linear: Float[Array, "t r"] | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """Returns the names of the levels present, in the order of `LEVELS`."""
        present = set(self.nodes) | ({GLOBAL} if self.pooled is not None else set())
        return tuple(level for level in LEVELS if level in present)

    def presence(self) -> dict[str, Bool[Array, " t"]]:
        """Returns for each level whether a caption has at least one node there; every caption has a global level."""
        present = {level: nodes.present for level, nodes in self.nodes.items()}
        if self.pooled is not None:
            present[GLOBAL] = jnp.ones(self.pooled.shape[0], bool)
        return {level: present[level] for level in self.levels}


def normalise_videos(videos: Encoding, product_dtype: jnp.dtype | None = None) -> NormalisedVideos:
    """Computes all of a comparison that does not depend on the captions with which videos are compared."""
    embeddings = videos.embeddings
    return NormalisedVideos(
        None if embeddings.pooled is None else normalize(embeddings.pooled),
        {level: normalise_frames(frames, product_dtype) for level, frames in embeddings.nodes.items()},
        _attribute_directions(videos),
        videos.linear,
    )


def normalise_texts(texts: Encoding) -> NormalisedTexts:
    """Returns captions' unit vectors, with the nodes packed."""
    embeddings = texts.embeddings
    return NormalisedTexts(
        None if embeddings.pooled is None else normalize(embeddings.pooled),
        {level: pack_nodes(nodes) for level, nodes in embeddings.nodes.items()},
        stated_attributes(texts),
        texts.linear,
    )


def stated_attributes(texts: Encoding) -> dict[str, Float[Array, "t _"]]:
    """Returns captions' unit vectors of attribute probabilities by level, zero where nothing is stated."""
    directions = _attribute_directions(texts)
    return {
        level: jnp.where(jnp.any(nodes.affirmed, axis=1, keepdims=True), directions[level], 0.0)
        for level, nodes in texts.embeddings.nodes.items()
        if level in directions
    }


def pack_nodes(nodes: NodeSet) -> PackedNodes:
    """Moves the real nodes of padded captions to the front; the size stays, so it works under `jax.jit`."""
    captions, slots = nodes.mask.shape
    real = nodes.mask.reshape(-1)
    order = jnp.argsort(~real, stable=True)
    counts = jnp.sum(nodes.mask, axis=1)
    present = counts > 0
    groups = jnp.where(real, jnp.repeat(jnp.cumsum(present) - 1, slots), captions)
    shares = jnp.where(real, jnp.repeat(1.0 / jnp.maximum(counts, 1).astype(nodes.vectors.dtype), slots), 0.0)
    if nodes.negated is not None:
        shares = jnp.where(nodes.negated.reshape(-1), -shares, shares)
    flat = jnp.where(real[:, None], nodes.vectors.reshape(captions * slots, -1), 0.0)
    queries = normalize(flat.at[order].get(unique_indices=True))
    return PackedNodes(queries, groups[order].astype(jnp.int32), shares[order], present)


def _attribute_directions(encoding: Encoding) -> dict[str, Float[Array, "item _"]]:
    return {level: normalize(jax.nn.sigmoid(logits)) for level, logits in encoding.attribute_logits.items()}
