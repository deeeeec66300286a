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
    """Ragged videos and captions, which may deny nodes; the padding holds numbers, so that it shows if not masked."""

    frames: np.ndarray
    frame_mask: np.ndarray
    nodes: np.ndarray
    node_mask: np.ndarray
    node_negated: np.ndarray | None = None

    def arrays(self, dtype: np.dtype | type) -> tuple[NodeSet, NodeSet]:
        return (
            NodeSet(jnp.asarray(self.frames, dtype), jnp.asarray(self.frame_mask)),
            NodeSet(
                jnp.asarray(self.nodes, dtype),
                jnp.asarray(self.node_mask),
                None if self.node_negated is None else jnp.asarray(self.node_negated),
            ),
        )

    def expected(self, smoothing: float = 4.0) -> np.ndarray:
        """Scores of single nodes, whether they are denied or not."""
        return plain.node_matrix(self.frames, self.frame_mask, self.nodes, self.node_mask, smoothing)

    def expected_mean(self) -> np.ndarray:
        return plain.mean_over_nodes(self.expected(), self.node_mask, self.node_negated)


def draw_problem() -> Problem:
    """Videos of 4, 3, 1 and 0 frames; captions of 3, 1 and 0 nodes, of which the first denies one of three."""
    draw = np.random.default_rng(0)
    frame_mask = np.arange(4)[None] < np.array([4, 3, 1, 0])[:, None]
    node_mask = np.arange(3)[None] < np.array([3, 1, 0])[:, None]
    node_negated = np.array([[False, True, False], [False, True, True], [True, True, True]])
    return Problem(
        draw.normal(size=(4, 4, 5)), frame_mask, draw.normal(size=(3, 3, 5)), node_mask, node_negated
    )


def padded_scores(
    frames: NodeSet, nodes: NodeSet, smoothing: float = 4.0, product_dtype: jnp.dtype | None = None
) -> jax.Array:
    """Scores [v, t, n] of all node slots; zero for padding."""
    captions, slots, width = nodes.vectors.shape
    queries = normalize(jnp.where(nodes.mask[..., None], nodes.vectors, 0).reshape(-1, width))
    scores = attended_similarity(normalise_frames(frames, product_dtype), queries, smoothing, product_dtype)
    return scores.reshape(-1, captions, slots)
