"""Ragged videos and captions for the tests of similarities."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.frame_attention import attended_similarity, normalise_frames
from mcsan_jax.scoring.vectors import normalize
from tests.scoring import plain_formulas as plain


class Problem(NamedTuple):
    """Ragged videos and captions; the padding holds numbers, so that it shows where it is not masked."""

    frames: np.ndarray
    frame_mask: np.ndarray
    nodes: np.ndarray
    node_mask: np.ndarray

    def arrays(self, dtype: np.dtype | type) -> tuple[NodeSet, NodeSet]:
        return (
            NodeSet(jnp.asarray(self.frames, dtype), jnp.asarray(self.frame_mask)),
            NodeSet(jnp.asarray(self.nodes, dtype), jnp.asarray(self.node_mask)),
        )

    def expected(self, smoothing: float = 4.0) -> np.ndarray:
        return plain.node_matrix(*self, smoothing)


def draw_problem() -> Problem:
    """Videos of 4, 3, 1 and 0 frames; captions of 3, 1 and 0 nodes."""
    draw = np.random.default_rng(0)
    frame_mask = np.arange(4)[None] < np.array([4, 3, 1, 0])[:, None]
    node_mask = np.arange(3)[None] < np.array([3, 1, 0])[:, None]
    return Problem(draw.normal(size=(4, 4, 5)), frame_mask, draw.normal(size=(3, 3, 5)), node_mask)


def padded_scores(
    frames: NodeSet, nodes: NodeSet, smoothing: float = 4.0, product_dtype: jnp.dtype | None = None
) -> jax.Array:
    """Scores [v, t, n] of all node slots; zero for padding."""
    captions, slots, width = nodes.vectors.shape
    queries = normalize(jnp.where(nodes.mask[..., None], nodes.vectors, 0).reshape(-1, width))
    scores = attended_similarity(normalise_frames(frames, product_dtype), queries, smoothing, product_dtype)
    return scores.reshape(-1, captions, slots)
