"""Losses that rank a matched video and caption above the others of the batch.

Both take the similarity matrix of the global batch and a matrix of positives, so that captions that are equally
true of a video (the same text, the same video) are never used as negatives.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mcsan_jax.scoring.averaging import mean_over_examples


def triplet_loss(
    scores: Float[Array, "v t"],
    positives: Bool[Array, "v t"],
    example_mask: Bool[Array, " b"],
    margin: float,
    hardest: bool = True,
) -> Float[Array, ""]:
    """Bidirectional hinge loss on the matched pairs (the diagonal); Faghri et al. 2018, VSE++.

    For each pair i: ``max over j of [margin − s_ii + s_ij]₊ + max over j of [margin − s_ii + s_ji]₊``, where j runs
    over the batch's negatives; with ``hardest=False`` the maximum is a sum. Averaged over the real pairs.
    """
    negatives = _negatives(positives, example_mask)
    matched = jnp.diagonal(scores)
    costs = [
        jnp.where(negatives, jax.nn.relu(margin - matched[:, None] + scores), 0.0),
        jnp.where(negatives.T, jax.nn.relu(margin - matched[:, None] + scores.T), 0.0),
    ]
    reduce = jnp.max if hardest else jnp.sum
    per_pair = sum((reduce(cost, axis=1) for cost in costs), start=jnp.zeros_like(matched))
    return mean_over_examples(per_pair, example_mask)


def info_nce_loss(
    scores: Float[Array, "v t"],
    positives: Bool[Array, "v t"],
    example_mask: Bool[Array, " b"],
    temperature: Float[Array, ""] | float,
) -> Float[Array, ""]:
    """Symmetric multi-positive InfoNCE (van den Oord et al. 2018; several positives as in Khosla et al. 2020).

    For a row with positives P and negatives N, with z = score / temperature:
    ``mean over p in P of −log(exp z_p / (exp z_p + Σ_{n in N} exp z_n))``; then the same over columns, and the mean
    of both directions over the real rows. Without further positives it is the usual symmetric cross-entropy.
    """
    logits = scores / temperature
    real = example_mask[:, None] & example_mask[None, :]
    positives = positives & real
    negatives = _negatives(positives, example_mask)
    directions = [
        _one_direction(logits, positives, negatives),
        _one_direction(logits.T, positives.T, negatives.T),
    ]
    return mean_over_examples(0.5 * (directions[0] + directions[1]), example_mask)


def _one_direction(
    logits: Float[Array, "b b"], positives: Bool[Array, "b b"], negatives: Bool[Array, "b b"]
) -> Float[Array, " b"]:
    lowest = jnp.finfo(logits.dtype).min
    negative_sum = jax.nn.logsumexp(jnp.where(negatives, logits, lowest), axis=1)
    losses = jax.nn.softplus(negative_sum[:, None] - logits)
    count = jnp.maximum(jnp.sum(positives, axis=1), 1).astype(logits.dtype)
    return jnp.sum(jnp.where(positives, losses, 0.0), axis=1) / count


def _negatives(positives: Bool[Array, "b b"], example_mask: Bool[Array, " b"]) -> Bool[Array, "b b"]:
    return ~positives & example_mask[:, None] & example_mask[None, :]
