"""The layout of a record in the terms of TensorFlow Datasets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream


def record_features(streams: Sequence[FeatureStream]) -> tfds.features.FeaturesDict:
    """The fields of a record (`data_pipeline.records.schema.flatten_record`) with these streams."""
    return tfds.features.FeaturesDict(
        {
            "video_id": tfds.features.Text(),
            "frames": {
                stream.name: _float16(None, stream.dim) for stream in streams if stream.kind == FRAMES
            },
            "regions": {
                stream.name: _float16(None, stream.regions, stream.dim)
                for stream in streams
                if stream.kind == REGIONS
            },
            "frame_times": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            "captions": _caption_features(),
            "foils": {**_caption_features(), "kinds": _texts(), "caption_indices": _integers()},
            "attributes": {level: _integers() for level in NODE_LEVELS},
        }
    )


def _caption_features() -> dict[str, Any]:
    return {
        "ids": _texts(),
        "texts": _texts(),
        "token_counts": _integers(),
        "token_ids": _integers(),
        "node_counts": _integers(),
        "node_levels": _integers(),
        "node_spans": _integers(2),
        "node_roles": _integers(),
        "edge_counts": _integers(),
        "edges": _integers(3),
        "attribute_counts": {level: _integers() for level in NODE_LEVELS},
        "attributes": {level: _integers() for level in NODE_LEVELS},
    }


def _float16(*shape: int | None) -> tfds.features.Tensor:
    # Without an encoding, TensorFlow's record format would store every value as float32.
    return tfds.features.Tensor(shape=shape, dtype=np.float16, encoding="bytes")


def _integers(*columns: int) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(None, *columns), dtype=np.int32)


def _texts() -> tfds.features.Sequence:
    return tfds.features.Sequence(tfds.features.Text())
