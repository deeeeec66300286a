"""This module has the losses of a batch as objects with a name, a weight and a value; it is where one adds another.

`make_losses` lists the losses of a configuration. Training sums them by their weights and logs each as
``loss/<name>``; the terminal and the report take the names from there.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.config import LossConfig
from mcsan_jax.encodings import Encoding
from mcsan_jax.scoring.loss_formulas import (
    attribute_divergence,
    focal_binary_cross_entropy,
    foil_losses,
    info_nce_losses,
    triplet_losses,
)


@dataclasses.dataclass(frozen=True)
class RankedQueries:
    """They are the queries of one device, with all candidates of the global batch.

    Attributes:
        scores: fused scores.
        positives: which candidates are relevant.
        negatives: which candidates are not; padding is neither.
        matched: the captions written for a video, or the video for which a caption was written.
        real: which queries are not padding.
    """

    scores: Float[Array, "q c"]
    positives: Bool[Array, "q c"]
    negatives: Bool[Array, "q c"]
    matched: Bool[Array, "q c"]
    real: Bool[Array, " q"]


@dataclasses.dataclass(frozen=True)
class FoiledCaptions:
    """They are the captions of one device and their foils, each scored with the video of the caption, by component.

    Components are levels, and attributes where they are a part of the fused score.

    Attributes:
        true: scores of the captions.
        false: scores of their foils.
        concerned: which captions have a foil that the component is to tell from them; padding has none.
    """

    true: dict[str, Float[Array, " t"]]
    false: dict[str, Float[Array, " t"]]
    concerned: dict[str, Bool[Array, " t"]]


@dataclasses.dataclass(frozen=True)
class LossInputs:
    """They are what a loss may be made of: the rows of a batch that one device holds.

    Attributes:
        videos: encoded videos [v, …].
        texts: encoded captions [t, …], t / v for each video, one video after the other.
        batch: labels and masks.
        temperature: of InfoNCE.
        ranked: gives the videos and the captions as queries; scores are computed when it is first called.
        axis: the mesh axis over which the global batch is split, inside `jax.shard_map`; None outside.
        foiled: gives the captions with their foils; scores are computed when it is first called. None without foils.
    """

    videos: Encoding
    texts: Encoding
    batch: PairBatch
    temperature: Float[Array, ""]
    ranked: Callable[[], tuple[RankedQueries, RankedQueries]]
    axis: str | None
    foiled: Callable[[], FoiledCaptions] | None = None

    @property
    def captions_per_video(self) -> int:
        """Returns how many captions each video has."""
        return len(self.batch.texts.caption_group) // len(self.batch.example_mask)

    @property
    def real_videos(self) -> Bool[Array, " v"]:
        """Returns which videos are not padding."""
        return jnp.asarray(self.batch.example_mask)

    @property
    def real_texts(self) -> Bool[Array, " t"]:
        """Returns which captions are not padding."""
        return jnp.repeat(self.real_videos, self.captions_per_video)

    def mean(self, values: Float[Array, " b"], mask: Bool[Array, " b"]) -> Float[Array, ""]:
        """Returns the mean of the values of the global batch whose mask is True."""
        return mean_over_examples(values, mask, self.axis)


@runtime_checkable
class Loss(Protocol):
    """A loss is a number to minimise."""

    @property
    def name(self) -> str:
        """Returns the name under which it is logged; that of a loss of one level is ``<loss>/<level>``."""
        ...

    @property
    def weight(self) -> float:
        """Returns the weight with which it counts in the total."""
        ...

    def value(self, inputs: LossInputs) -> Float[Array, ""]:
        """Returns the loss of the global batch before it is weighed, the same on all devices."""
        ...


@dataclasses.dataclass(frozen=True)
class RankingLoss:
    """It is the triplet loss or InfoNCE: the mean over videos as queries plus the mean over captions as queries."""

    config: LossConfig
    name: str = "ranking"
    weight: float = 1.0

    def value(self, inputs: LossInputs) -> Float[Array, ""]:
        """Returns the ranking loss; InfoNCE is halved, as in its usual symmetric form."""
        total = jnp.zeros((), jnp.float32)
        for queries in inputs.ranked():
            total += inputs.mean(self._of_queries(queries, inputs.temperature), queries.real)
        return total

    def _of_queries(self, queries: RankedQueries, temperature: Float[Array, ""]) -> Float[Array, " q"]:
        scores, config = queries.scores, self.config
        if config.ranking == "triplet":
            matched = jnp.sum(jnp.where(queries.matched, scores, 0.0), axis=1)
            return triplet_losses(scores, matched, queries.negatives, config.margin, config.hardest_negative)
        return 0.5 * info_nce_losses(
            scores, queries.positives, queries.negatives, temperature, config.positives
        )


@dataclasses.dataclass(frozen=True)
class FocalLoss:
    """It is the focal binary cross-entropy of a level's attributes: the mean over videos plus that over captions."""

    config: LossConfig
    level: str

    @property
    def name(self) -> str:
        """Returns its name with that of its level."""
        return f"fbce/{self.level}"

    @property
    def weight(self) -> float:
        """Returns the configured weight."""
        return self.config.focal_weight

    def value(self, inputs: LossInputs) -> Float[Array, ""]:
        """Returns the loss in nats, summed over attributes."""
        total = jnp.zeros((), jnp.float32)
        for encoding, labels, real in (
            (inputs.videos, inputs.batch.videos.labels, inputs.real_videos),
            (inputs.texts, inputs.batch.texts.labels, inputs.real_texts),
        ):
            losses = focal_binary_cross_entropy(
                encoding.attribute_logits[self.level],
                jnp.asarray(labels[self.level]),
                self.config.focal_alpha,
                self.config.focal_gamma,
            )
            total += inputs.mean(losses, real)
        return total


@dataclasses.dataclass(frozen=True)
class DivergenceLoss:
    """It is the Kullback–Leibler divergence between the attributes of captions and of their videos at a level."""

    config: LossConfig
    level: str

    @property
    def name(self) -> str:
        """Returns its name with that of its level."""
        return f"kl/{self.level}"

    @property
    def weight(self) -> float:
        """Returns the configured weight."""
        return self.config.divergence_weight

    def value(self, inputs: LossInputs) -> Float[Array, ""]:
        """Returns the divergence in nats, averaged over the captions that affirm a node of the level."""
        losses = attribute_divergence(
            jnp.repeat(inputs.videos.attribute_logits[self.level], inputs.captions_per_video, axis=0),
            inputs.texts.attribute_logits[self.level],
            self.config.divergence_direction,
            self.config.divergence_temperature,
            self.config.divergence_stop_gradient,
        )
        present = jnp.any(inputs.texts.embeddings.nodes[self.level].affirmed, axis=1)
        return inputs.mean(losses, inputs.real_texts & present)


@dataclasses.dataclass(frozen=True)
class FoilLoss:
    """It asks a component to score a caption above its foil: the mean over the captions whose foil concerns it."""

    config: LossConfig
    component: str

    @property
    def name(self) -> str:
        """Returns its name with that of its component."""
        return f"foils/{self.component}"

    @property
    def weight(self) -> float:
        """Returns the configured weight."""
        return self.config.foils

    def value(self, inputs: LossInputs) -> Float[Array, ""]:
        """Returns the logistic loss in nats; ln 2 is that of equal scores."""
        assert inputs.foiled is not None, "the batch has no foils"
        found = inputs.foiled()
        losses = foil_losses(found.true[self.component], found.false[self.component], inputs.temperature)
        return inputs.mean(losses, inputs.real_texts & found.concerned[self.component])


def make_losses(config: LossConfig, levels: Iterable[str], foiled: Iterable[str] = ()) -> Sequence[Loss]:
    """Returns the losses that are switched on.

    Args:
        config: weights and forms of the losses.
        levels: those that have attributes.
        foiled: the components that are to tell foils from captions; none where the batch has no foils.
    """
    losses: list[Loss] = []
    if config.ranking != "none":
        losses.append(RankingLoss(config))
    for level in levels:
        losses += [FocalLoss(config, level), DivergenceLoss(config, level)]
    losses += [FoilLoss(config, component) for component in foiled]
    return [loss for loss in losses if loss.weight > 0]


def mean_over_examples(
    values: Float[Array, " b"], example_mask: Bool[Array, " b"], axis: str | None = None
) -> Float[Array, ""]:
    """Returns the mean of the values whose mask is True, zero where there is none.

    Args:
        values: one number per example.
        example_mask: which examples are real.
        axis: inside `jax.shard_map`, the mesh axis over which the examples are split; the mean is over all.
    """
    weights = example_mask.astype(values.dtype)
    total, count = jnp.sum(values * weights), jnp.sum(weights)
    if axis is not None:
        total, count = jax.lax.psum((total, count), axis)
    return total / jnp.maximum(count, 1.0)
