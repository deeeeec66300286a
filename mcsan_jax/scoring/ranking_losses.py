"""Losses of queries whose matched item should rank above the others of the batch.

Both take the scores of some queries with all candidates, so that one function serves both directions and any share of
the queries. Which candidates are positive is given as a matrix: other captions that are relevant to a video (its own
other captions, or captions of the same text) are never used as negatives.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

SEPARATE, OUTSIDE, INSIDE = "separate", "outside", "inside"
"""What InfoNCE makes of several positives of a query; see `info_nce_losses`."""


def triplet_losses(
    scores: Float[Array, "q c"],
    matched: Float[Array, " q"],
    negatives: Bool[Array, "q c"],
    margin: float,
    hardest: bool = True,
) -> Float[Array, " q"]:
    """Hinge loss of each query; Faghri et al. 2018, VSE++.

    ``max over negatives j of [margin − matched + s_j]₊``; with ``hardest=False`` the maximum is a sum.

    Args:
        scores: of each query with each candidate.
        matched: score of each query with the item it was written for.
        negatives: which candidates are not relevant.
        margin: by how much the matched item should be ahead, in units of the score.
        hardest: whether only the negative with the highest score counts.
    """
    losses = jnp.where(negatives, jax.nn.relu(margin - matched[:, None] + scores), 0.0)
    return (jnp.max if hardest else jnp.sum)(losses, axis=1)


def info_nce_losses(
    scores: Float[Array, "q c"],
    positives: Bool[Array, "q c"],
    negatives: Bool[Array, "q c"],
    temperature: Float[Array, ""] | float,
    form: str = SEPARATE,
) -> Float[Array, " q"]:
    """InfoNCE (van den Oord et al. 2018) of each query, in one of three forms for several positives.

    For a query with positives P and negatives N, with z = score / temperature and A = P ∪ N:

    * separate: ``mean over p in P of −log(exp z_p / (exp z_p + Σ_{n in N} exp z_n))``. Positives do not compete with
      each other. This is SINCERE of Feeney and Hughes 2023 (arXiv 2309.14277).
    * outside: ``mean over p in P of −log(exp z_p / Σ_{a in A} exp z_a)``, L_out of Khosla et al. 2020 (equation 2 of
      Supervised Contrastive Learning): the mean is outside of the logarithm.
    * inside: ``−log(mean over p in P of exp z_p / Σ_{a in A} exp z_a)``, L_in there (equation 3).

    With one positive each is the usual cross-entropy.

    Args:
        scores: of each query with each candidate.
        positives: which candidates are relevant.
        negatives: which candidates are not; a candidate that is neither counts for nothing.
        temperature: divides the scores.
        form: `SEPARATE`, `OUTSIDE` or `INSIDE`.

    Returns:
        Losses in nats; zero for queries without positives.

    Raises:
        ValueError: the form is none of these.
    """
    logits = scores / temperature
    count = jnp.maximum(jnp.sum(positives, axis=1), 1).astype(logits.dtype)

    def log_sum(which: Bool[Array, "q c"]) -> Float[Array, " q"]:
        return jax.nn.logsumexp(jnp.where(which, logits, jnp.finfo(logits.dtype).min), axis=1)

    if form == INSIDE:
        return log_sum(positives | negatives) - log_sum(positives) + jnp.log(count)
    if form == SEPARATE:
        losses = jax.nn.softplus(log_sum(negatives)[:, None] - logits)
    elif form == OUTSIDE:
        losses = log_sum(positives | negatives)[:, None] - logits
    else:
        raise ValueError(f"form is {form!r}; expected {SEPARATE}, {OUTSIDE} or {INSIDE}")
    return jnp.sum(jnp.where(positives, losses, 0.0), axis=1) / count
