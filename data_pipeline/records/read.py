"""This module reads stored records back as whole `VideoRecord`s, to look at them and not for training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.levels import NODE_LEVELS
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream
from data_pipeline.records.schema import (
    CAPTION_FIELDS,
    CAPTIONS,
    FOILS,
    EncodedCaption,
    EncodedFoil,
    Field,
    VideoRecord,
    feature_key,
    frame_shape,
)

Values = Mapping[str, Sequence[bytes] | np.ndarray]
"""Values have keys such as ``captions/token_ids``; they are byte strings or an array of one dimension."""


def parse_example(serialized: bytes) -> Values:
    """Returns all values of a serialized ``tf.train.Example``.

    Raises:
        InputError: the bytes are something else.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        example = tf.train.Example.FromString(serialized)
    except DecodeError as error:
        raise InputError(f"not a tf.train.Example ({error})") from error
    return {key: _values_of(feature) for key, feature in example.features.feature.items()}


def unflatten_record(values: Values, streams: Sequence[FeatureStream]) -> VideoRecord:
    """Returns the record that `data_pipeline.records.schema.flatten_record` took apart.

    Args:
        values: all values by key; nested keys are joined with ``/``.
        streams: the feature streams that a record should have.

    Raises:
        InputError: the values do not make a record; the message names every key that does not fit.
    """
    reader = _ValueReader(values)
    frames = {stream.name: reader.features(stream) for stream in streams if stream.kind == FRAMES}
    regions = {stream.name: reader.features(stream) for stream in streams if stream.kind == REGIONS}
    foils = reader.captions(FOILS)
    foil_kinds = reader.texts(f"{FOILS}/kinds", len(foils))
    foil_sources = reader.integers(f"{FOILS}/caption_indices", rows=len(foils)).tolist()
    record = VideoRecord(
        video_id=next(iter(reader.texts("video_id", 1)), ""),
        frames=frames,
        regions=regions,
        frame_times=reader.numbers("frame_times"),
        captions=reader.captions(CAPTIONS),
        foils=[
            EncodedFoil(kind, source, foil)
            for kind, source, foil in zip(foil_kinds, foil_sources, foils, strict=False)
        ],
        attributes={level: reader.integers(f"attributes/{level}").tolist() for level in NODE_LEVELS},
    )
    problems = reader.problems()
    if problems:
        raise InputError("; ".join(problems))
    return record


def unflatten_captions(flat: Mapping[str, Any]) -> list[EncodedCaption]:
    """Returns the captions that `data_pipeline.records.schema.flatten_captions` took apart.

    Args:
        flat: the values of `CAPTION_FIELDS`, each of the size that the counts say.
    """
    lists = {
        name: np.split(flat[name].reshape(-1, *field.columns), np.cumsum(flat[field.counts])[:-1])
        for name, field in CAPTION_FIELDS.items()
        if field.counts is not None
    }
    return [
        EncodedCaption(
            caption_id=caption_id,
            text=text,
            token_ids=lists["token_ids"][row].tolist(),
            node_levels=lists["node_levels"][row].tolist(),
            node_spans=[(first, end) for first, end in lists["node_spans"][row].tolist()],
            node_roles=lists["node_roles"][row].tolist(),
            node_negations=lists["node_negations"][row].tolist(),
            modifiers=[
                (node, kind, first, end) for node, kind, first, end in lists["modifiers"][row].tolist()
            ],
            edges=[
                (source, target, role, negated)
                for source, target, role, negated in lists["edges"][row].tolist()
            ],
            attributes={level: lists[f"attributes/{level}"][row].tolist() for level in NODE_LEVELS},
        )
        for row, (caption_id, text) in enumerate(zip(flat["ids"], flat["texts"], strict=True))
    ]


class _ValueReader:
    """The reader takes values by key; it notes what does not fit and returns an empty value in its place."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._used: set[str] = set()
        self._problems: dict[str, str] = {}

    def problems(self) -> list[str]:
        """Returns what was found wrong; it is called once everything is read."""
        unknown = sorted(set(self._values) - self._used)
        found = [f"{key}: {message}" for key, message in self._problems.items()]
        return found + [f"{key}: no such key is expected" for key in unknown]

    def features(self, stream: FeatureStream) -> np.ndarray:
        """Returns the features of a stream, float16 ``[f, dim]`` or ``[f, k, dim]``."""
        key, shape = feature_key(stream), frame_shape(stream)
        frame_bytes = 2 * int(np.prod(shape))
        content = next(iter(self._byte_strings(key, 1)), b"")
        if content and len(content) % frame_bytes:
            self._note(
                key, f"{len(content)} bytes; expected frames of {frame_bytes} (float16 {list(shape)} each)"
            )
            content = b""
        return np.frombuffer(content, "<f2").reshape(-1, *shape)

    def captions(self, group: str) -> list[EncodedCaption]:
        """Returns the captions or the foils."""
        ids = self.texts(f"{group}/ids")
        flat: dict[str, Any] = {"ids": ids, "texts": self.texts(f"{group}/texts", len(ids))}
        for name, field in CAPTION_FIELDS.items():
            if field.counts is not None:
                flat[name], flat[field.counts] = self._lists(group, name, field, len(ids))
        return unflatten_captions(flat) if len(flat["texts"]) == len(ids) else []

    def texts(self, key: str, rows: int | None = None) -> list[str]:
        """Returns the texts of a key; ``rows`` is the number expected."""
        try:
            return [value.decode() for value in self._byte_strings(key, rows)]
        except UnicodeDecodeError as error:
            self._note(key, f"a text is not UTF-8 ({error})")
            return []

    def integers(self, key: str, columns: tuple[int, ...] = (), rows: int | None = None) -> np.ndarray:
        """Returns the integers of a key, int64 ``[rows, *columns]``."""
        array = self._array(key, "i")
        width = math.prod(columns)
        if len(array) % width or rows not in (None, len(array) // width):
            expected = "any number" if rows is None else str(rows)
            self._note(key, f"{len(array)} values; expected {expected} × {width}")
            array = np.zeros((rows or 0) * width, np.int64)
        return array.reshape(-1, *columns)

    def numbers(self, key: str) -> np.ndarray:
        """Returns the numbers of a key, float32 ``[any]``."""
        return self._array(key, "f").astype(np.float32)

    def _lists(self, group: str, name: str, field: Field, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the values of all captions end to end, and the number of them in each."""
        key, counts_key = f"{group}/{name}", f"{group}/{field.counts}"
        counts = self.integers(counts_key, rows=rows)
        values = self.integers(key, field.columns)
        if (counts < 0).any() or counts.sum() != len(values):
            self._note(key, f"{len(values)} entries, but {counts_key} counts {counts.tolist()}")
            counts, values = np.zeros(rows, np.int64), values[:0]
        return values, counts

    def _byte_strings(self, key: str, rows: int | None) -> Sequence[bytes]:
        values = self._take(key)
        if isinstance(values, np.ndarray) and len(values):
            self._note(key, f"numbers ({values.dtype}); expected byte strings")
            return []
        if rows not in (None, len(values)):
            self._note(key, f"{len(values)} byte strings; expected {rows}")
            return []
        return list(values)

    def _array(self, key: str, kind: str) -> np.ndarray:
        values = self._take(key)
        empty = np.zeros(0, np.int64 if kind == "i" else np.float32)
        if not len(values):
            return empty
        if not isinstance(values, np.ndarray) or values.dtype.kind != kind:
            found = values.dtype if isinstance(values, np.ndarray) else "byte strings"
            self._note(key, f"{found}; expected {'integers' if kind == 'i' else 'floating-point numbers'}")
            return empty
        return values

    def _take(self, key: str) -> Sequence[bytes] | np.ndarray:
        self._used.add(key)
        if key not in self._values:
            self._note(key, "missing")
            return []
        return self._values[key]

    def _note(self, key: str, message: str) -> None:
        # Other faults of the same key follow from the first.
        self._problems.setdefault(key, message)


def _values_of(feature: Any) -> Sequence[bytes] | np.ndarray:
    kind = feature.WhichOneof("kind")
    if kind == "int64_list":
        return np.array(feature.int64_list.value, np.int64)
    if kind == "float_list":
        return np.array(feature.float_list.value, np.float32)
    return list(feature.bytes_list.value)
