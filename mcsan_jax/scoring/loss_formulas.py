"""This module has the formulas of the losses, those of queries and of attribute logits.

The ranking losses, the triplet loss and InfoNCE, want the matched item of a query first. They take the scores of some
queries with all candidates, so that one function serves both directions and any share of the queries. A matrix says
which candidates are positive: other captions that are relevant to a video (its own other captions, or captions of the
same text) are never used as negatives. The attribute losses are focal binary cross-entropy and the divergence between
the two modalities.
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
    """Returns the hinge loss of each query (Faghri et al. 2018, VSE++), in units of the score.

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
    """Returns InfoNCE (van den Oord et al. 2018) of each query, in one of three forms for several positives.

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


def foil_losses(
    true: Float[Array, " t"], false: Float[Array, " t"], temperature: Float[Array, ""] | float
) -> Float[Array, " t"]:
    """Returns the logistic loss of each caption and its foil with the same video, ``ln(1 + exp((f − c) / τ))``.

    It is the cross-entropy of a choice between the two (Bradley and Terry 1952), in nats.

    Args:
        true: scores c of the captions.
        false: scores f of their foils.
        temperature: τ.
    """
    return jax.nn.softplus((false - true) / temperature)


def focal_binary_cross_entropy(
    logits: Float[Array, "b a"],
    labels: Bool[Array, "b a"],
    alpha: float,
    gamma: float,
) -> Float[Array, " b"]:
    """Returns the focal binary cross-entropy of each example (Lin et al. 2017), summed over attributes.

    ``−α y (1−p)^γ log p − (1−α)(1−y) p^γ log(1−p)`` with p = σ(logit), computed from log σ so that it is finite for
    any finite logit. γ = 0 and α = ½ give half the binary cross-entropy. The loss is in nats.

    Args:
        logits: of the attributes of each example.
        labels: which attributes an example has.
        alpha: α, weight of the attributes that are present, in [0, 1].
        gamma: γ ≥ 0, by how much attributes count less that are predicted well.
    """
    log_p = jax.nn.log_sigmoid(logits)
    log_not_p = jax.nn.log_sigmoid(-logits)
    present = -alpha * jnp.exp(gamma * log_not_p) * log_p
    absent = -(1.0 - alpha) * jnp.exp(gamma * log_p) * log_not_p
    return jnp.sum(jnp.where(labels, present, absent), axis=1)


def attribute_divergence(
    video_logits: Float[Array, "b a"],
    text_logits: Float[Array, "b a"],
    direction: str,
    temperature: float,
    stop_gradient: bool,
) -> Float[Array, " b"]:
    """Returns the Kullback–Leibler divergence between the attribute distributions of each video and its caption.

    Distributions are the softmax of logits / temperature; the divergence (Kullback and Leibler 1951) is in nats. With T
    for text and V for video:

    Args:
        video_logits: attribute logits of videos.
        text_logits: attribute logits of the captions in the same rows.
        direction: "text_to_video" is KL(T ‖ V); "video_to_text" is KL(V ‖ T); "symmetric" is the mean of both.
        temperature: divides the logits.
        stop_gradient: whether the first distribution of each divergence is a constant target.

    Raises:
        ValueError: the direction is none of these.
    """
    log_v = jax.nn.log_softmax(video_logits / temperature, axis=-1)
    log_t = jax.nn.log_softmax(text_logits / temperature, axis=-1)

    def divergence(target: Float[Array, "b a"], other: Float[Array, "b a"]) -> Float[Array, " b"]:
        target = jax.lax.stop_gradient(target) if stop_gradient else target
        return jnp.sum(jnp.exp(target) * (target - other), axis=-1)

    if direction == "text_to_video":
        return divergence(log_t, log_v)
    if direction == "video_to_text":
        return divergence(log_v, log_t)
    if direction == "symmetric":
        return 0.5 * (divergence(log_t, log_v) + divergence(log_v, log_t))
    raise ValueError(f"direction is {direction!r}; expected text_to_video, video_to_text or symmetric")
