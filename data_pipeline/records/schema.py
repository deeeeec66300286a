"""This module says what is stored of a video: features, captions with graphs, attributes; it needs no TensorFlow."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream

ENTITY_NODE = 0
ACTION_NODE = 1


@dataclasses.dataclass(frozen=True)
class EncodedCaption:
    """An encoded caption is a caption in numbers.

    Attributes:
        caption_id: its id, unique in the data set.
        text: the text, as in the annotation.
        token_ids: the ids of the tokenizer.
        node_levels: `ENTITY_NODE` or `ACTION_NODE` for each graph node, in the order of the text.
        node_spans: the first token of each node and one past its last.
        node_roles: the role id of each node.
        node_negations: 1 for each node that the caption denies, 0 for others.
        modifiers: node, id of the kind, first token and one past the last token of each modifier.
        edges: source node, target node, role id, and 1 where the caption denies it (0 elsewhere), of each relationship.
        attributes: the ids of the caption's attributes, by node level.
    """

    caption_id: str
    text: str
    token_ids: list[int]
    node_levels: list[int]
    node_spans: list[tuple[int, int]]
    node_roles: list[int]
    node_negations: list[int]
    modifiers: list[tuple[int, int, int, int]]
    edges: list[tuple[int, int, int, int]]
    attributes: dict[str, list[int]]

    def sizes(self) -> dict[str, int]:
        """How many it has of each of `data_pipeline.manifest.CAPTION_PARTS`."""
        actions = self.node_levels.count(ACTION_NODE)
        return {
            "tokens": len(self.token_ids),
            "actions": actions,
            "entities": len(self.node_levels) - actions,
            "relationships": len(self.edges),
            "modifiers": len(self.modifiers),
        }


@dataclasses.dataclass(frozen=True)
class EncodedFoil:
    """An encoded foil is a caption that is false for its video and made from a true one.

    Attributes:
        kind: the way in which it was made false.
        caption_index: the index of the caption, among the video's, from which it was made.
        caption: the false caption.
    """

    kind: str
    caption_index: int
    caption: EncodedCaption


@dataclasses.dataclass(frozen=True)
class VideoRecord:
    """A video record is all that is stored of a video.

    Attributes:
        video_id: its id, unique in its split.
        frames: float16 ``[f, dim]`` by stream; streams may differ in ``f``.
        regions: float16 ``[f, k, dim]`` by stream, of which there is at most one.
        frame_times: float32 seconds of the frames of the longest stream, or empty where unknown.
        captions: the true captions.
        foils: the false captions.
        attributes: the ids of the attributes of any of its captions, by node level.
    """

    video_id: str
    frames: dict[str, np.ndarray]
    regions: dict[str, np.ndarray]
    frame_times: np.ndarray
    captions: list[EncodedCaption]
    foils: list[EncodedFoil]
    attributes: dict[str, list[int]]


@dataclasses.dataclass(frozen=True)
class Field:
    """A field says how the values of one key of a record are stored.

    Attributes:
        dtype: the name of their type in numpy, or `TEXT` for texts.
        columns: the shape of one entry; empty for plain values.
        single: whether a record has exactly one entry.
        counts: the key beside this one that says how many entries each caption has, where the entries of several
            captions are stored end to end.
    """

    dtype: str = "int32"
    columns: tuple[int, ...] = ()
    single: bool = False
    counts: str | None = None


TEXT = "text"
FEATURE = "float16"
"""Features have this type; they are stored as one string of bytes for each stream."""

CAPTION_FIELDS: dict[str, Field] = {
    "ids": Field(TEXT),
    "texts": Field(TEXT),
    "token_counts": Field(),
    "token_ids": Field(counts="token_counts"),
    "node_counts": Field(),
    "node_levels": Field(counts="node_counts"),
    "node_spans": Field(columns=(2,), counts="node_counts"),
    "node_roles": Field(counts="node_counts"),
    "node_negations": Field(counts="node_counts"),
    "modifier_counts": Field(),
    "modifiers": Field(columns=(4,), counts="modifier_counts"),
    "edge_counts": Field(),
    "edges": Field(columns=(4,), counts="edge_counts"),
    **{f"attribute_counts/{level}": Field() for level in NODE_LEVELS},
    **{f"attributes/{level}": Field(counts=f"attribute_counts/{level}") for level in NODE_LEVELS},
}
"""Captions store these fields. Lists of lists are stored as their values end to end and the length of each, so that a
reader decodes a whole batch of records with a few array operations."""

FOIL_FIELDS: dict[str, Field] = {**CAPTION_FIELDS, "kinds": Field(TEXT), "caption_indices": Field()}
CAPTIONS = "captions"
FOILS = "foils"


def record_fields(streams: Iterable[FeatureStream] = ()) -> dict[str, Field]:
    """Returns all that a record stores, by key; ``/`` joins the parts of a key. Writer and readers follow it.

    Args:
        streams: the feature streams of the record.
    """
    return {
        "video_id": Field(TEXT, single=True),
        **{feature_key(stream): Field(FEATURE, frame_shape(stream)) for stream in streams},
        "frame_times": Field("float32"),
        **{f"{CAPTIONS}/{name}": field for name, field in CAPTION_FIELDS.items()},
        **{f"{FOILS}/{name}": field for name, field in FOIL_FIELDS.items()},
        **{f"attributes/{level}": Field() for level in NODE_LEVELS},
    }


def feature_key(stream: FeatureStream) -> str:
    """Returns the key of a stream's features in a record."""
    return f"{stream.kind}/{stream.name}"


def frame_shape(stream: FeatureStream) -> tuple[int, ...]:
    """Returns the shape of one frame's features: ``(dim,)``, or ``(k, dim)`` of a stream of regions."""
    return (stream.dim,) if stream.kind == FRAMES else (stream.regions, stream.dim)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values nested by the parts of their keys, as TensorFlow Datasets wants them."""
    # A record without a stream of a kind has an empty group of that kind.
    result: dict[str, Any] = {FRAMES: {}, REGIONS: {}}
    for key, value in values.items():
        *groups, name = key.split("/")
        inner = result
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return result


def dataset_features(streams: Iterable[FeatureStream]) -> Any:
    """Returns a record's fields as a ``FeaturesDict`` of TensorFlow Datasets, which is loaded only here."""
    import tensorflow_datasets as tfds

    def feature(field: Field) -> Any:
        if field.dtype == TEXT:
            return tfds.features.Text() if field.single else tfds.features.Sequence(tfds.features.Text())
        # Without an encoding, TensorFlow's record format would store every value as float32.
        encoding = "bytes" if field.dtype == FEATURE else "none"
        return tfds.features.Tensor(
            shape=(None, *field.columns), dtype=np.dtype(field.dtype), encoding=encoding
        )

    return tfds.features.FeaturesDict(
        nested({key: feature(field) for key, field in record_fields(streams).items()})
    )


def flatten_record(record: VideoRecord, streams: Sequence[FeatureStream]) -> dict[str, Any]:
    """Returns a record as nested dictionaries of plain arrays (`record_fields`), as it is stored.

    Raises:
        InputError: a stream is missing or does not have the shape that ``streams`` says.
    """
    features = {feature_key(stream): _checked_features(record, stream) for stream in streams}
    longest = max(map(len, features.values()))
    if len(record.frame_times) not in (0, longest):
        raise InputError(
            f"Video {record.video_id!r} has {len(record.frame_times)} frame times; expected {longest}, one per "
            "frame of its longest stream, or none."
        )
    foils = {
        **flatten_captions([foil.caption for foil in record.foils]),
        "kinds": [foil.kind for foil in record.foils],
        "caption_indices": np.array([foil.caption_index for foil in record.foils], np.int32),
    }
    return nested(
        {
            "video_id": record.video_id,
            **features,
            "frame_times": np.asarray(record.frame_times, np.float32),
            **{f"{CAPTIONS}/{name}": values for name, values in flatten_captions(record.captions).items()},
            **{f"{FOILS}/{name}": values for name, values in foils.items()},
            **{
                f"attributes/{level}": np.array(record.attributes.get(level, []), np.int32)
                for level in NODE_LEVELS
            },
        }
    )


def flatten_captions(captions: Sequence[EncodedCaption]) -> dict[str, Any]:
    """Returns the values of `CAPTION_FIELDS`: lists of texts, and int32 arrays of everything else."""
    lists = [_lists_of(caption) for caption in captions]
    flat: dict[str, Any] = {
        "ids": [caption.caption_id for caption in captions],
        "texts": [caption.text for caption in captions],
    }
    for name, field in CAPTION_FIELDS.items():
        if field.counts is not None:
            values = [value for of_caption in lists for value in of_caption[name]]
            flat[name] = np.array(values, np.int32).reshape(-1, *field.columns)
            flat[field.counts] = np.array([len(of_caption[name]) for of_caption in lists], np.int32)
    return flat


def _lists_of(caption: EncodedCaption) -> dict[str, Sequence[Any]]:
    """Returns, by key, the values of a caption that are stored end to end with those of other captions."""
    return {
        "token_ids": caption.token_ids,
        "node_levels": caption.node_levels,
        "node_spans": caption.node_spans,
        "node_roles": caption.node_roles,
        "node_negations": caption.node_negations,
        "modifiers": caption.modifiers,
        "edges": caption.edges,
        **{f"attributes/{level}": caption.attributes.get(level, []) for level in NODE_LEVELS},
    }


def _checked_features(record: VideoRecord, stream: FeatureStream) -> np.ndarray:
    given = record.frames if stream.kind == FRAMES else record.regions
    where = f"Video {record.video_id!r}, stream {stream.name!r}"
    if stream.name not in given:
        raise InputError(
            f"{where}: no features; the record has {sorted(given)}. Give features of every video for every "
            "stream, or leave the stream out."
        )
    values = given[stream.name]
    expected = frame_shape(stream)
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
