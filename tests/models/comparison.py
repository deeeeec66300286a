import jax
import numpy as np

from mcsan_jax.levels import Encoding


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
