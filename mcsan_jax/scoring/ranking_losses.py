"""Costs of queries whose matched item should rank above the others of the batch.

Both take the scores of some queries with all candidates, so that one function serves both directions and any part of
the queries. Which candidates are positive is given as a matrix: captions that are equally true of a video (the same
text, the same video) are never used as negatives.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def triplet_costs(
    scores: Float[Array, "q c"],
    matched: Float[Array, " q"],
    negatives: Bool[Array, "q c"],
    margin: float,
    hardest: bool = True,
) -> Float[Array, " q"]:
    """Hinge cost of each query; Faghri et al. 2018, VSE++.

    ``max over negatives j of [margin − matched + s_j]₊``; with ``hardest=False`` the maximum is a sum.

    Args:
        scores: of each query with each candidate.
        matched: score of each query with its own item.
        negatives: which candidates are wrong answers.
        margin: by how much the matched item should be ahead.
        hardest: whether the worst negative alone counts.
    """
    costs = jnp.where(negatives, jax.nn.relu(margin - matched[:, None] + scores), 0.0)
    return (jnp.max if hardest else jnp.sum)(costs, axis=1)


def info_nce_costs(
    scores: Float[Array, "q c"],
    positives: Bool[Array, "q c"],
    negatives: Bool[Array, "q c"],
    temperature: Float[Array, ""] | float,
) -> Float[Array, " q"]:
    """Multi-positive InfoNCE of each query (van den Oord et al. 2018; several positives as in Khosla et al. 2020).

    For a query with positives P and negatives N, with z = score / temperature:
    ``mean over p in P of −log(exp z_p / (exp z_p + Σ_{n in N} exp z_n))``. With one positive it is the usual
    cross-entropy.
    """
    logits = scores / temperature
    lowest = jnp.finfo(logits.dtype).min
    negative_sum = jax.nn.logsumexp(jnp.where(negatives, logits, lowest), axis=1)
    losses = jax.nn.softplus(negative_sum[:, None] - logits)
    count = jnp.maximum(jnp.sum(positives, axis=1), 1).astype(logits.dtype)
    return jnp.sum(jnp.where(positives, losses, 0.0), axis=1) / count
