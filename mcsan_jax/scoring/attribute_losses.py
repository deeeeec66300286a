"""Losses on attribute logits: focal binary cross-entropy and the divergence between the two modalities."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def focal_binary_cross_entropy(
    logits: Float[Array, "b a"],
    labels: Bool[Array, "b a"],
    alpha: float,
    gamma: float,
) -> Float[Array, " b"]:
    """Focal binary cross-entropy of each example (Lin et al. 2017), summed over attributes.

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
    """Kullback–Leibler divergence between the attribute distributions of each video and its caption.

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
