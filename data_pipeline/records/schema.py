"""What is stored of one video: features, captions with their graphs, attributes. No TensorFlow here."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import FRAMES, FeatureStream

ENTITY_NODE = 0
ACTION_NODE = 1


@dataclasses.dataclass(frozen=True)
class EncodedCaption:
    """A caption in numbers.

    Attributes:
        caption_id: unique in the data set.
        text: as the annotation has it.
        token_ids: ids of the tokenizer.
        node_levels: per graph node, in text order, `ENTITY_NODE` or `ACTION_NODE`.
        node_spans: per node, its first token and one past its last.
        node_roles: per node, a role id.
        edges: (source node, target node, role id) of each relationship.
        attributes: per node level, ids of the caption's attributes.
    """

    caption_id: str
    text: str
    token_ids: list[int]
    node_levels: list[int]
    node_spans: list[tuple[int, int]]
    node_roles: list[int]
    edges: list[tuple[int, int, int]]
    attributes: dict[str, list[int]]


@dataclasses.dataclass(frozen=True)
class EncodedFoil:
    """A caption that is false for its video, made from a true one.

    Attributes:
        kind: how it was made false.
        caption_index: which of the video's captions it was made from.
        caption: the false caption.
    """

    kind: str
    caption_index: int
    caption: EncodedCaption


@dataclasses.dataclass(frozen=True)
class VideoRecord:
    """All that is stored of a video.

    Attributes:
        video_id: unique in its split.
        frames: per stream, float16 ``[f, dim]``; streams may differ in ``f``.
        regions: per stream (at most one), float16 ``[f, k, dim]``.
        frame_times: float32 seconds of the frames of the longest stream, or empty where unknown.
        captions: true captions.
        foils: false ones.
        attributes: per node level, ids of the attributes of any of its captions.
    """

    video_id: str
    frames: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    frame_times: np.ndarray
    captions: list[EncodedCaption]
    foils: list[EncodedFoil]
    attributes: dict[str, list[int]]


def flatten_record(record: VideoRecord, streams: Sequence[FeatureStream]) -> dict[str, Any]:
    """A record as nested dictionaries of plain arrays, which is how it lies on disk.

    Lists of lists are stored as their values end to end and the length of each: a reader decodes a whole
    batch of records with a few array operations.

    Raises:
        InputError: a stream is missing or does not have the shape that ``streams`` says.
    """
    features = {stream.name: _checked_features(record, stream) for stream in streams if stream.kind == FRAMES}
    regions = {stream.name: _checked_features(record, stream) for stream in streams if stream.kind != FRAMES}
    longest = max(len(values) for values in (*features.values(), *regions.values()))
    if len(record.frame_times) not in (0, longest):
        raise InputError(
            f"Video {record.video_id!r} has {len(record.frame_times)} frame times; expected {longest}, one per "
            "frame of its longest stream, or none."
        )
    return {
        "video_id": record.video_id,
        "frames": features,
        "regions": regions,
        "frame_times": np.asarray(record.frame_times, np.float32),
        "captions": _flatten_captions(record.captions),
        "foils": {
            **_flatten_captions([foil.caption for foil in record.foils]),
            "kinds": [foil.kind for foil in record.foils],
            "caption_indices": _integers([foil.caption_index for foil in record.foils]),
        },
        "attributes": {level: _integers(record.attributes.get(level, [])) for level in NODE_LEVELS},
    }


def _flatten_captions(captions: Sequence[EncodedCaption]) -> dict[str, Any]:
    return {
        "ids": [caption.caption_id for caption in captions],
        "texts": [caption.text for caption in captions],
        "token_counts": _integers([len(caption.token_ids) for caption in captions]),
        "token_ids": _integers([token for caption in captions for token in caption.token_ids]),
        "node_counts": _integers([len(caption.node_levels) for caption in captions]),
        "node_levels": _integers([level for caption in captions for level in caption.node_levels]),
        "node_spans": _integers([span for caption in captions for span in caption.node_spans], 2),
        "node_roles": _integers([role for caption in captions for role in caption.node_roles]),
        "edge_counts": _integers([len(caption.edges) for caption in captions]),
        "edges": _integers([edge for caption in captions for edge in caption.edges], 3),
        "attribute_counts": {
            level: _integers([len(caption.attributes.get(level, [])) for caption in captions])
            for level in NODE_LEVELS
        },
        "attributes": {
            level: _integers([value for caption in captions for value in caption.attributes.get(level, [])])
            for level in NODE_LEVELS
        },
    }


def _integers(values: Sequence[Any], columns: int | None = None) -> np.ndarray:
    array = np.asarray(values, np.int32)
    return array if columns is None else array.reshape(-1, columns)


def _checked_features(record: VideoRecord, stream: FeatureStream) -> np.ndarray:
    given = record.frames if stream.kind == FRAMES else record.regions
    where = f"Video {record.video_id!r}, stream {stream.name!r}"
    if stream.name not in given:
        raise InputError(
            f"{where}: no features; the record has {sorted(given)}. Give features of every video for every "
            "stream, or leave the stream out."
        )
    values = given[stream.name]
    expected = (stream.dim,) if stream.kind == FRAMES else (stream.regions, stream.dim)
    if values.shape[1:] != expected or len(values) == 0 or values.dtype != np.float16:
        raise InputError(
            f"{where}: expected float16 features of shape [frames, {', '.join(map(str, expected))}] with at "
            f"least one frame, found {values.dtype} of shape {list(values.shape)}."
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"{where}: {int((~np.isfinite(values)).sum())} values are NaN, infinite or beyond the range of "
            "float16 (65504). Remove the video or extract its features again."
        )
    return values
