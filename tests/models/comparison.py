from collections.abc import Sequence

import jax
import numpy as np

from data_pipeline.levels import GLOBAL
from mcsan_jax.encodings import Encoding


def pooled(encoding: Encoding) -> jax.Array:
    assert encoding.embeddings.pooled is not None
    return encoding.embeddings.pooled


def assert_same(one: Encoding, other: Encoding, tolerance: float = 1e-5) -> None:
    """Equal pooled vectors, attribute logits and real nodes; zeros in the place of padded nodes."""
    assert one.embeddings.levels == other.embeddings.levels
    np.testing.assert_allclose(pooled(one), pooled(other), atol=tolerance)
    for level, nodes in one.embeddings.nodes.items():
        more = other.embeddings.nodes[level]
        np.testing.assert_allclose(
            nodes.vectors[nodes.mask], more.vectors[more.mask], atol=tolerance, err_msg=level
        )
        np.testing.assert_array_equal(nodes.vectors[~nodes.mask], 0.0)
        np.testing.assert_array_equal(more.vectors[~more.mask], 0.0)
        np.testing.assert_allclose(
            one.attribute_logits[level], other.attribute_logits[level], atol=tolerance, err_msg=level
        )


def assert_level_is(
    encoding: Encoding, level: str, expected: Sequence[np.ndarray | Sequence[np.ndarray]]
) -> None:
    """A network's level is what was expected of each video or caption: one vector, or those of its real nodes."""
    if level == GLOBAL:
        np.testing.assert_allclose(pooled(encoding), np.stack(expected), rtol=1e-4, atol=2e-5)
        return
    nodes = encoding.embeddings.nodes[level]
    for row, vectors in enumerate(expected):
        mask = np.asarray(nodes.mask[row])
        np.testing.assert_array_equal(mask, np.arange(len(mask)) < len(vectors))
        np.testing.assert_array_equal(nodes.vectors[row][~mask], 0.0)
        if len(vectors):
            np.testing.assert_allclose(nodes.vectors[row][mask], np.stack(vectors), rtol=1e-4, atol=2e-5)
