"""This module describes an index: ``index.json``, which alone says what belongs to the index, and what is unfinished.

``index.json`` is replaced in one step, so that a reader sees an index before a change or after it, never between.
``command.json`` holds the last command that wrote: what it has finished so far, in the form in which ``index.json``
will have it. A command that was killed is continued from there, and one that had ended is known to have.
"""

import dataclasses
import hashlib
import json
import math
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.host.typed_values import RULES, Count, Size

SCHEMA_VERSION = 2
DESCRIPTION_NAME = "index.json"
COMMAND_NAME = "command.json"
MODEL_NAME = "model"
BASES_NAME = "stage_one.safetensors"
SEGMENTS_NAME = "segments"
CLIPS_NAME = "clips"
"""Folder for files to play that belong to the index itself."""
RENDERED_NAME = "rendered.json"
"""Which of these files were rendered."""
PICTURES_NAME = "pictures"
"""Folder for posters and film strips that were made when features were extracted."""
LOCK_NAME = ".lock"
OLD_INDEX = (
    "its model does not read what captions say of things and what they deny: train the model again and build the index "
    "again with --overwrite"
)
ADVICE = "Copy the index again from where it is whole, or build it again with --overwrite"

NumberType = Literal["float16", "int8"]


@dataclass(frozen=True, config=RULES)
class StoredFile:
    """A file as it was written."""

    sha256: str
    """Of its content, hexadecimal."""
    size: Size
    """In bytes."""


@dataclass(frozen=True, config=RULES)
class StoredArray:
    """An array of which every video has a row."""

    dtype: Literal["float16", "float32", "int8"]
    """Type of its numbers."""
    shape: tuple[Size, ...]
    """Of a row."""

    @property
    def width(self) -> int:
        """Returns how many numbers a row has."""
        return math.prod(self.shape)


@dataclass(frozen=True, config=RULES)
class StoredSegment:
    """A segment: neighbouring videos in two files, which never change."""

    number: Count
    """By which its folder is called; every number is used once."""
    rows: Count
    """How many videos it has, the removed ones among them."""
    videos_sha256: str
    """Hash of their ids, which both files state."""
    vectors: StoredFile
    """The file with the arrays."""
    table: StoredFile
    """The file with ids, clips and metadata."""
    removed: tuple[Size, ...] = ()
    """Rows of removed videos, rising."""

    @property
    def live(self) -> int:
        """Returns how many videos are left."""
        return self.rows - len(self.removed)


@dataclass(frozen=True, config=RULES)
class IndexDescription:
    """The content of ``index.json``."""

    schema_version: Size
    """Of this description."""
    fingerprint: str
    """That of the model, which `model_fingerprint` returns."""
    number_type: NumberType
    """How the directions of frames are kept."""
    commits: Size
    """How many commands have changed the index."""
    next_segment: Count
    """The number that the next segment gets."""
    arrays: dict[str, StoredArray]
    """By name; none before the first video."""
    columns: dict[str, str]
    """Types of the columns of metadata, by name, in their order."""
    segments: tuple[StoredSegment, ...]
    """In their order."""
    bases: StoredFile | None = None
    """The bases of the stage-1 vectors; null where they are not cut."""
    calibration: StoredFile | None = None
    """The calibration of the model; null where it has none."""
    checksum: str = ""
    """SHA-256 of all other fields."""

    @property
    def videos(self) -> int:
        """Returns how many videos the index has."""
        return sum(segment.live for segment in self.segments)

    def signed(self) -> "IndexDescription":
        """Returns the description with its checksum."""
        return _signed(self)


@dataclass(frozen=True, config=RULES)
class Command:
    """The content of ``command.json``: a command that changes an index, with what it has finished."""

    digest: str
    """Hash of all that the command depends on."""
    words: str
    """What it does, for messages."""
    result: IndexDescription
    """What ``index.json`` will be, with the segments that are finished."""
    checksum: str = ""
    """SHA-256 of all other fields."""

    def signed(self) -> "Command":
        """Returns the command with its checksum."""
        return _signed(self)


def new_description(
    fingerprint: str, number_type: NumberType, calibration: StoredFile | None
) -> IndexDescription:
    """Returns the description of an index without videos."""
    start = IndexDescription(SCHEMA_VERSION, fingerprint, number_type, 0, 1, {}, {}, ())
    return dataclasses.replace(start, calibration=calibration)


def dumped(description: IndexDescription | Command) -> Any:
    """Returns a description as plain values."""
    return TypeAdapter(type(description)).dump_python(description, mode="json")


_Signed = TypeVar("_Signed", IndexDescription, Command)


def _signed(description: _Signed) -> _Signed:
    content = json.dumps(dumped(dataclasses.replace(description, checksum="")), sort_keys=True)
    return dataclasses.replace(description, checksum=hashlib.sha256(content.encode()).hexdigest())
