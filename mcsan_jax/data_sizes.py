"""This module reads from a configuration and prepared data what sizes the network and its batches have."""

from collections.abc import Mapping

import numpy as np

from data_pipeline.batches.batch import AnyArray, BatchLimits, PairBatch, TextBatch, VideoBatch
from data_pipeline.prepared_data import FeatureStream, Manifest
from mcsan_jax.config import Config, DataConfig
from mcsan_jax.models.mcsan import DataShape


def data_shape(manifest: Manifest) -> DataShape:
    """Returns the sizes that the network takes from the data."""
    return DataShape(
        vocabulary_size=manifest.tokenizer.size,
        role_count=len(manifest.roles),
        modifier_kind_count=len(manifest.modifier_kinds),
        frame_dim=manifest.frame_dim,
        region_dim=manifest.region_dim,
        attributes=tuple(manifest.attribute_sizes.items()),
    )


def example_batch(config: Config, manifest: Manifest) -> PairBatch:
    """Makes a batch of one empty pair, in the shapes and types that the configuration gives."""
    data = config.data
    nodes = data.max_actions + data.max_entities
    region_shape = (1, data.max_frames, manifest.regions_per_frame, manifest.region_dim)
    labels: dict[str, AnyArray] = {
        level: np.zeros((1, size), bool) for level, size in manifest.attribute_sizes.items()
    }

    def integers(*shape: int) -> np.ndarray:
        return np.zeros((1, *shape), np.int32)

    def mask(*shape: int) -> np.ndarray:
        return np.zeros((1, *shape), bool)

    videos = VideoBatch(
        frames=np.zeros((1, data.max_frames, manifest.frame_dim), np.float16),
        frame_mask=mask(data.max_frames),
        regions=np.zeros(region_shape, np.float16) if manifest.region_dim else None,
        labels=labels,
    )
    texts = TextBatch(
        token_ids=integers(data.max_tokens),
        token_mask=mask(data.max_tokens),
        node_spans=integers(nodes, 2),
        node_roles=integers(nodes),
        node_negated=mask(nodes),
        node_mask=mask(nodes),
        modifier_nodes=integers(data.max_modifiers),
        modifier_kinds=integers(data.max_modifiers),
        modifier_spans=integers(data.max_modifiers, 2),
        modifier_mask=mask(data.max_modifiers),
        edge_source=integers(data.max_relationships),
        edge_target=integers(data.max_relationships),
        edge_roles=integers(data.max_relationships),
        edge_negated=mask(data.max_relationships),
        edge_mask=mask(data.max_relationships),
        labels=labels,
        caption_group=integers(),
    )
    return PairBatch(videos, texts, mask())


def batch_limits(config: DataConfig) -> BatchLimits:
    """Returns the sizes to which the input pipeline pads and cuts."""
    return BatchLimits(
        max_frames=config.max_frames,
        max_tokens=config.max_tokens,
        max_actions=config.max_actions,
        max_entities=config.max_entities,
        max_relationships=config.max_relationships,
        max_modifiers=config.max_modifiers,
    )


def feature_statistics(manifest: Manifest) -> Mapping[str, Mapping[str, np.ndarray]]:
    """Returns the model's ``statistics`` collection: mean and standard deviation of the frame (and region) features.

    Each is float32 [dim], of the streams of that kind one after the other.
    """
    statistics = {"frame_statistics": _joined(manifest.frame_streams)}
    if manifest.region_stream is not None:
        statistics["region_statistics"] = _joined((manifest.region_stream,))
    return statistics


def _joined(streams: tuple[FeatureStream, ...]) -> dict[str, np.ndarray]:
    return {
        name: np.concatenate([np.asarray(getattr(stream, name), np.float32) for stream in streams])
        for name in ("mean", "std")
    }
