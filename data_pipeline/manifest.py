"""The manifest of a prepared data set: what its records hold and where all of it came from."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import PlainSerializer, StrictFloat, TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.errors import InputError
from data_pipeline.features.provenance import PROVENANCE, Provenance
from data_pipeline.host.files import nearest_folder, write_text
from data_pipeline.host.typed_values import RULES, Count, Size, check_version, parse

SCHEMA_VERSION = 3
MANIFEST_NAME = "manifest.json"
FEWEST_VALIDATION_VIDEOS = 50
"""A validation split of fewer videos chooses between checkpoints by chance."""

FRAMES: Final = "frames"
REGIONS: Final = "regions"

_OLD_DATA = (
    "its captions have no modifiers and nothing that is denied: run `python -m data_pipeline.prepare` again, and train "
    "again on what it writes"
)
_PREPARE_AGAIN = "Run `python -m data_pipeline.prepare` again to write it anew."


def _with_seven_digits(values: tuple[float, ...]) -> list[float]:
    return [float(f"{value:.7g}") for value in values]


Statistics = Annotated[tuple[StrictFloat, ...], PlainSerializer(_with_seven_digits)]
"""One number for each of a stream's dimensions; the file keeps 7 significant digits."""


@dataclass(frozen=True, config=RULES)
class FeatureStream:
    """One kind of frame feature, for example the output of one backbone."""

    name: str
    """Unique among the streams of a data set."""
    kind: Literal["frames", "regions"]
    """`FRAMES` for one vector per frame, `REGIONS` for ``regions`` vectors per frame."""
    dim: Count
    """Size of a vector."""
    regions: Size
    """Vectors per frame; 0 for `FRAMES`."""
    mean: Statistics
    """Mean of each of the ``dim`` values over the training split."""
    std: Statistics
    """Standard deviation of each of the ``dim`` values over the training split."""
    source: str
    """Where the features came from, for people."""
    provenance: Provenance | None = None
    """What made the features, where their file says it."""

    @property
    def source_and_encoder(self) -> str:
        """Where the features came from and what made them, as far as it is known, for people."""
        return self.source if self.provenance is None else f"{self.source}, by {self.provenance}"


@dataclass(frozen=True, config=RULES)
class SplitSummary:
    """How many items a split holds."""

    videos: Size
    captions: Size
    foils: Size


@dataclass(frozen=True, config=RULES)
class CaptionSizes:
    """How long the captions of a split are: entry ``n`` of a list is the number of captions that have ``n``."""

    tokens: tuple[Size, ...] = ()
    actions: tuple[Size, ...] = ()
    entities: tuple[Size, ...] = ()
    relationships: tuple[Size, ...] = ()
    modifiers: tuple[Size, ...] = ()

    @staticmethod
    def total(parts: Iterable["CaptionSizes"]) -> "CaptionSizes":
        """Those of all captions of several sets of them."""

        def added(lists: Iterable[Sequence[int]]) -> tuple[int, ...]:
            return tuple(map(sum, itertools.zip_longest(*lists, fillvalue=0)))

        counted = list(parts)
        return CaptionSizes(**{part: added(getattr(one, part) for one in counted) for part in CAPTION_PARTS})

    def longer(self, part: str, limit: int) -> int:
        """How many captions have more than `limit` of one of `CAPTION_PARTS`."""
        return sum(getattr(self, part)[limit + 1 :])

    def longest(self, part: str) -> int:
        """The most that a caption has."""
        return max(len(getattr(self, part)) - 1, 0)

    def quantile(self, part: str, share: float) -> int:
        """The smallest number that at least this share of the captions do not exceed."""
        counts = getattr(self, part)
        passed = itertools.accumulate(counts)
        return next((number for number, below in enumerate(passed) if below >= share * sum(counts)), 0)


CAPTION_PARTS = tuple(field.name for field in dataclasses.fields(CaptionSizes))
"""What is counted of a caption."""


@dataclass(frozen=True, config=RULES)
class TokenizerFile:
    """The tokenizer that made the token ids."""

    kind: str
    size: Count
    """Number of its tokens."""
    file: str
    """Its file, relative to the manifest's folder."""
    sha256: str


@dataclass(frozen=True, config=RULES)
class WordVectorFile:
    """Vectors with which the word embedding starts."""

    file: str
    """Their file, relative to the manifest's folder."""
    sha256: str
    source: str
    """Name of the file they were read from."""
    dim: Count
    """Size of a vector."""
    known: Size
    """How many tokens have one; the others start at random."""


@dataclass(frozen=True, config=RULES)
class FrameSampling:
    """Which frames were stored, and how the streams go together."""

    alignment: Literal["index", "time"]
    """See `data_pipeline.features.frames.FrameOptions`."""
    count: Size
    """Most frames of a video, a uniform sample; 0 for all."""


@dataclass(frozen=True, config=RULES)
class AttributeFile:
    """The attribute vocabularies."""

    file: str
    """Their file, relative to the manifest's folder."""
    sha256: str
    sizes: dict[str, Size]
    """Number of attributes of each node level."""


@dataclass(frozen=True, kw_only=True, config=RULES)
class Manifest:
    """Everything a program must know about a prepared data set before it opens the records.

    The fields are in the order of the file.
    """

    schema_version: int = SCHEMA_VERSION
    dataset: str
    """Name of the data set, for example ``msrvtt``."""
    protocol: str
    """Name of its division into splits, for example ``1k-A``."""
    splits: dict[str, SplitSummary]
    """How much each split holds, by name."""
    frames: FrameSampling
    tokenizer: TokenizerFile
    word_vectors: WordVectorFile | None
    roles: tuple[str, ...]
    """Names of the roles, in the order of their ids."""
    modifier_kinds: tuple[str, ...]
    """Names of the kinds of modifiers, in the order of their ids."""
    attributes: AttributeFile
    parser: dict[str, str]
    """Name and versions of the caption parser."""
    records: str
    """Folder of the TFRecords, relative to the manifest's folder."""
    checksums: dict[str, str]
    """SHA-256 of every file of records, by name."""
    versions: dict[str, str]
    """Versions of the packages that prepared the data."""
    caption_sizes: dict[str, CaptionSizes] = dataclasses.field(default_factory=dict)
    """How long the captions of each split are; empty in data of an earlier version."""
    # Their statistics fill thousands of lines: what people look for comes before them.
    streams: tuple[FeatureStream, ...]
    """Feature streams in the order in which the frames of a batch concatenate them."""

    @property
    def frame_streams(self) -> tuple[FeatureStream, ...]:
        """Streams with one vector per frame, in order."""
        return tuple(stream for stream in self.streams if stream.kind == FRAMES)

    @property
    def region_stream(self) -> FeatureStream | None:
        """The stream with several vectors per frame, if there is one."""
        return next((stream for stream in self.streams if stream.kind == REGIONS), None)

    @property
    def frame_dim(self) -> int:
        """Size of a frame's vector: all frame streams side by side."""
        return sum(stream.dim for stream in self.frame_streams)

    @property
    def region_dim(self) -> int:
        """Size of a region's vector; 0 without regions."""
        return self.region_stream.dim if self.region_stream else 0

    @property
    def regions_per_frame(self) -> int:
        """Regions of each frame; 0 without regions."""
        return self.region_stream.regions if self.region_stream else 0

    @property
    def attribute_sizes(self) -> dict[str, int]:
        """Number of attributes of each node level."""
        return self.attributes.sizes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that the manifest says, except package versions and what the records themselves say."""
        content = self._to_json()
        for key in ("records", "versions", "caption_sizes"):
            del content[key]
        for stream in content["streams"]:
            # It is the same encoder in whatever folder it lies.
            stream.get(PROVENANCE, {}).pop("opened_as", None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Writes ``manifest.json`` into a folder, in one step. Statistics keep 7 significant digits."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {"fingerprint": self.fingerprint, **self._to_json()}
        write_text(folder / MANIFEST_NAME, json.dumps(content, indent=1) + "\n")

    @staticmethod
    def load(folder: Path) -> "Manifest":
        """Reads the manifest of a prepared folder.

        Raises:
            InputError: there is none, it was written for another schema version, or it was changed after it was
                written. The message names every key that is missing, unknown or wrong.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            missing = "the folder does not exist" if not folder.is_dir() else f"it has no {MANIFEST_NAME}"
            hint = nearest_folder(folder, MANIFEST_NAME)
            raise InputError(
                f"No prepared data set in {folder.absolute()}: {missing}{f'; {hint}' if hint else '. '}"
                "Give the folder that `python -m data_pipeline.prepare` wrote, or run it first."
            )
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path} is not valid JSON ({error}). {_PREPARE_AGAIN}") from error
        if isinstance(content, dict) and "schema_version" not in content:
            raise InputError(f"{path}: schema_version is missing. {_PREPARE_AGAIN}")
        check_version(content, SCHEMA_VERSION, path, "prepared data", _OLD_DATA)
        fingerprint = content.pop("fingerprint", None) if isinstance(content, dict) else None
        manifest = parse(Manifest, content, f"{path}: ", _PREPARE_AGAIN)
        if fingerprint != manifest.fingerprint:
            raise InputError(
                f"{path} was changed after it was written: its fingerprint is {fingerprint}, "
                f"its content has {manifest.fingerprint}. {_PREPARE_AGAIN}"
            )
        return manifest

    def _to_json(self) -> dict[str, Any]:
        content = TypeAdapter(Manifest).dump_python(self, mode="json")
        for stream in content["streams"]:
            # Manifests that know of none keep their fingerprints, and earlier versions read them.
            if stream[PROVENANCE] is None:
                del stream[PROVENANCE]
        return content
