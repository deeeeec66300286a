"""Graph nodes of captions without their padding: only real nodes are ever compared with frames."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.vectors import normalize


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PackedNodes:
    """The nodes of ``t`` captions at one level, one caption after the other, real nodes first.

    Attributes:
        queries: node vectors of unit length; padding is zero.
        groups: which of the captions that have a node here the node belongs to, counted from 0; never falls along
            the axis, and is ``t`` for padding.
        shares: one over the number of nodes of the node's caption; zero for padding.
        present: whether a caption has a node here.
    """

    queries: Float[Array, "m d"]
    groups: Int[Array, " m"]
    shares: Float[Array, " m"]
    present: Bool[Array, " t"]


def pack_nodes(nodes: NodeSet) -> PackedNodes:
    """Moves the real nodes of padded captions to the front; the size stays, so it works under `jax.jit`."""
    captions, slots = nodes.mask.shape
    real = nodes.mask.reshape(-1)
    order = jnp.argsort(~real, stable=True)
    counts = jnp.sum(nodes.mask, axis=1)
    present = counts > 0
    groups = jnp.where(real, jnp.repeat(jnp.cumsum(present) - 1, slots), captions)
    shares = jnp.where(real, jnp.repeat(1.0 / jnp.maximum(counts, 1).astype(nodes.vectors.dtype), slots), 0.0)
    flat = jnp.where(real[:, None], nodes.vectors.reshape(captions * slots, -1), 0.0)
    queries = normalize(flat.at[order].get(unique_indices=True))
    return PackedNodes(queries, groups[order].astype(jnp.int32), shares[order], present)
