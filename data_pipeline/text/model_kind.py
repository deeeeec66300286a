"""The kind of a sentencepiece model, read from its file.

Sentencepiece's own reader of the file, ``sentencepiece_model_pb2``, needs protobuf 7, which Apache Beam refuses; and
the tokenizer itself does not tell its kind.
"""

from collections.abc import Iterator
from typing import Any

_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
"""``TrainerSpec.ModelType`` of sentencepiece_model.proto."""

_TRAINER_SPEC = 2
_MODEL_TYPE = 3
_DEFAULT_MODEL_TYPE = 1

_VARINT = 0
_LENGTH_DELIMITED = 2
_SIZES = {1: 8, 5: 4}
"""Bytes of the wire types of fixed size."""


def model_kind(model: bytes) -> str:
    """``unigram``, ``bpe``, ``word`` or ``char``.

    Args:
        model: content of a model file that sentencepiece accepts.
    """
    specification = dict(_fields(model)).get(_TRAINER_SPEC, b"")
    return _KINDS[dict(_fields(specification)).get(_MODEL_TYPE, _DEFAULT_MODEL_TYPE)]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values (integers or bytes) of a message's fields, as protobuf writes them."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, place = _varint(message, place)
            yield field, value
            continue
        size = _SIZES.get(wire_type, 0)
        if wire_type == _LENGTH_DELIMITED:
            size, place = _varint(message, place)
        yield field, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
