"""This module is the video encoder, with one spatial or temporal structure for each level."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.config import ModelConfig
from mcsan_jax.encodings import LevelEmbeddings, NodeSet
from mcsan_jax.models.layers import (
    AttentionPooling,
    CrossAttention,
    Linear,
    TransformerLayer,
    masked_mean,
    rematerialized,
)
from mcsan_jax.models.recurrent import BidirectionalGRU


class VideoEncoder(nn.Module):
    """The video encoder turns standardised frame features into four levels.

    * global: attention pooling over projected frames, or their mean;
    * entity (spatial): each frame by itself, with its regions where there are any;
    * action (temporal): a temporal structure over the frames;
    * relationship (spatial × temporal): action frames attend to entity frames, and both are projected together,
      with what pairs of regions do if ``region_pairs`` is set and there are two or more.

    Axes: v videos, f frames, k regions of a frame. The global level is [v, width], every other level [v, f, width].

    Attributes:
        config: the group ``model`` of the experiment.
    """

    config: ModelConfig

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "v f d"],
        frame_mask: Bool[Array, "v f"],
        regions: Float[Array, "v f k region_d"] | None,
        train: bool,
    ) -> LevelEmbeddings:
        config = self.config
        frames = jnp.where(frame_mask[..., None], frames, 0.0)
        frames = nn.Dropout(config.dropout, deterministic=not train)(frames)

        pooled = None
        if GLOBAL in config.levels:
            projected = Linear(config.width, config.compute_dtype, name="global_projection")(frames)
            pooled = (
                masked_mean(projected, frame_mask)
                if config.frame_pooling == "mean"
                else AttentionPooling(name="global_pooling")(projected, frame_mask)
            )

        needs_both = RELATIONSHIP in config.levels
        vectors: dict[str, Array] = {}
        if ENTITY in config.levels or needs_both:
            spatial = rematerialized(SpatialStructure, config.remat)
            vectors[ENTITY] = spatial(config, name="entity")(frames, regions, train)
        if ACTION in config.levels or needs_both:
            temporal = rematerialized(TemporalStructure, config.remat)
            vectors[ACTION] = temporal(config, name="action")(frames, frame_mask, regions, train)
        if needs_both:
            pairs = jnp.broadcast_to(frame_mask[:, None, :], (*frame_mask.shape, frame_mask.shape[1]))
            attention = CrossAttention(config.width, config.compute_dtype, name="relationship_attention")
            context = attention(vectors[ACTION], vectors[ENTITY], pairs)
            parts = [vectors[ACTION], context]
            if config.region_pairs and regions is not None and regions.shape[2] > 1:
                pairs_of = rematerialized(RegionPairs, config.remat)
                parts.append(pairs_of(config, name="region_pairs")(regions, frame_mask, train))
            joined = jnp.concatenate(parts, axis=-1)
            vectors[RELATIONSHIP] = Linear(config.width, config.compute_dtype, name="relationship")(joined)

        nodes = {
            level: NodeSet(jnp.where(frame_mask[..., None], value, 0.0), frame_mask)
            for level, value in vectors.items()
            if level in config.levels
        }
        return LevelEmbeddings(pooled, nodes)


class SpatialStructure(nn.Module):
    """The spatial structure says what is in each frame.

    It is a projection of the frame plus what its regions show: attention over them, with a query from the frame, or
    the strongest response of any region to each unit of a second layer. A learned embedding tells the regions' places
    apart (grid cells, or ranks of detections).
    Axes: v videos, f frames, k regions of a frame.

    Attributes:
        config: the group ``model`` of the experiment.
    """

    config: ModelConfig

    @nn.compact
    def __call__(
        self, frames: Float[Array, "v f d"], regions: Float[Array, "v f k region_d"] | None, train: bool
    ) -> Float[Array, "v f width"]:
        width, dtype = self.config.width, self.config.compute_dtype
        projected = Linear(width, dtype, name="frame")(frames)
        if regions is None:
            return projected
        regions = nn.Dropout(self.config.dropout, deterministic=not train)(regions)
        places = self.param("places", nn.initializers.normal(0.02), (regions.shape[2], width))
        values = nn.gelu(Linear(width, dtype, name="region")(regions) + places[None, None])
        if self.config.spatial == "strongest":
            seen = jnp.max(nn.gelu(Linear(width, dtype, name="look")(values)), axis=2)
        else:
            everywhere = jnp.ones((*regions.shape[:2], 1, regions.shape[2]), bool)
            attention = CrossAttention(width, dtype, name="attention")
            seen = attention(projected[:, :, None], values, everywhere)[:, :, 0]
        return projected + Linear(width, dtype, name="output")(seen)


class RegionMotion(nn.Module):
    """Region motion says how regions change from frame to frame, whatever their place; the strongest response counts.

    All regions share one convolution of width 5 over time; the result is the maximum over regions of its response
    plus a learned embedding of the place. Axes: v videos, f frames, k regions of a frame.

    Attributes:
        config: the group ``model`` of the experiment.
    """

    config: ModelConfig

    @nn.compact
    def __call__(
        self, regions: Float[Array, "v f k region_d"], mask: Bool[Array, "v f"], train: bool
    ) -> Float[Array, "v f width"]:
        width, dtype = self.config.width, self.config.compute_dtype
        moved = Linear(width, dtype, name="width_5")(_changes(self.config, regions, mask, train))
        places = self.param("places", nn.initializers.normal(0.02), (regions.shape[2], width))
        return jnp.max(nn.gelu(moved + places[None, :, None]), axis=1)


class RegionPairs(nn.Module):
    """Region pairs say how two regions change together; the strongest response of any ordered pair counts.

    Each region has one convolution of width 5 over time as the first of a pair and another one as the second; a pair's
    response is gelu of their sum, and the result is the maximum over the pairs of different regions.
    Axes: v videos, f frames, k regions of a frame, two or more.

    Attributes:
        config: the group ``model`` of the experiment.
    """

    config: ModelConfig

    @nn.compact
    def __call__(
        self, regions: Float[Array, "v f k region_d"], mask: Bool[Array, "v f"], train: bool
    ) -> Float[Array, "v f width"]:
        width, dtype = self.config.width, self.config.compute_dtype
        changes = _changes(self.config, regions, mask, train)
        first = Linear(width, dtype, name="first")(changes)
        second = Linear(width, dtype, name="second")(changes)
        # Regions beside those that come one, two, … places later, in a circle, are all ordered pairs.
        responses = (
            jnp.max(nn.gelu(first + jnp.roll(second, shift, axis=1)), axis=1)
            for shift in range(1, regions.shape[2])
        )
        return functools.reduce(jnp.maximum, responses)


def _changes(
    config: ModelConfig, regions: Float[Array, "v f k region_d"], mask: Bool[Array, "v f"], train: bool
) -> Float[Array, "v k f many_d"]:
    """Returns each region, through a layer of the module that calls, beside itself in the frames around."""
    regions = nn.Dropout(config.dropout, deterministic=not train)(regions)
    values = nn.gelu(Linear(config.width // 2, config.compute_dtype, name="region")(regions))
    values = jnp.where(mask[..., None, None], values, 0.0)
    videos, length, count, _ = values.shape
    tracks = values.transpose(0, 2, 1, 3).reshape(videos * count, length, -1)
    return _neighbours(tracks, 2).reshape(videos, count, length, -1)


class TemporalStructure(nn.Module):
    """The temporal structure says how frames change; a residual connection adds each projected frame.

    With ``temporal = "none"`` the projected frame is the result. Axes: v videos, f frames, k regions of a frame.

    Attributes:
        config: the group ``model`` of the experiment.
    """

    config: ModelConfig

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "v f d"],
        mask: Bool[Array, "v f"],
        regions: Float[Array, "v f k region_d"] | None,
        train: bool,
    ) -> Float[Array, "v f width"]:
        config = self.config
        projected = Linear(config.width, config.compute_dtype, name="frame")(frames)
        if regions is not None:
            motion = RegionMotion(config, name="region_motion")(regions, mask, train)
            projected += Linear(config.width, config.compute_dtype, name="motion")(motion)
        projected = jnp.where(mask[..., None], projected, 0.0)
        if config.temporal == "none":
            return projected
        if config.temporal == "convolution":
            narrow = Linear(config.width, config.compute_dtype, name="width_3")(_neighbours(projected, 1))
            wide = Linear(config.width, config.compute_dtype, name="width_5")(_neighbours(projected, 2))
            change = nn.gelu(narrow) + nn.gelu(wide)
        elif config.temporal == "bigru":
            change = BidirectionalGRU(config.width, config.compute_dtype, name="recurrent")(projected, mask)
        else:
            places = self.param("places", nn.initializers.normal(0.02), (frames.shape[1], config.width))
            layer = TransformerLayer(
                config.width, dropout=config.dropout, compute_dtype=config.compute_dtype, name="attention"
            )
            change = layer(projected + places[None], mask, train)
        return projected + nn.Dropout(config.dropout, deterministic=not train)(change)


def _neighbours(x: Float[Array, "v f d"], reach: int) -> Float[Array, "v f many_d"]:
    """Returns each frame beside those up to `reach` before and after it, which are zero outside the video."""
    length = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (reach, reach), (0, 0)))
    return jnp.concatenate([padded[:, i : i + length] for i in range(2 * reach + 1)], axis=-1)
