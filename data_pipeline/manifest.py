"""The manifest of a prepared data set: what its records hold and where all of it came from."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_pipeline.atomic_files import write_text
from mcsan_jax.errors import InputError

SCHEMA_VERSION = 2
MANIFEST_NAME = "manifest.json"

FRAMES = "frames"
REGIONS = "regions"

_PREPARE_AGAIN = "Run `python -m data_pipeline.prepare` again to write it anew."


@dataclasses.dataclass(frozen=True)
class FeatureStream:
    """One kind of frame feature, for example the output of one backbone.

    Attributes:
        name: unique among the streams of a data set.
        kind: `FRAMES` for one vector per frame, `REGIONS` for ``regions`` vectors per frame.
        dim: size of a vector.
        regions: vectors per frame; 0 for `FRAMES`.
        mean, std: statistics of each of the ``dim`` values over the training split.
        source: where the features came from, for people.
    """

    name: str
    kind: str
    dim: int
    regions: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """How many items a split holds."""

    videos: int
    captions: int
    foils: int


@dataclasses.dataclass(frozen=True)
class TokenizerFile:
    """The tokenizer that made the token ids; ``file`` is relative to the manifest's folder."""

    kind: str
    size: int
    file: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class WordVectorFile:
    """Vectors with which the word embedding starts; ``file`` is relative to the manifest's folder.

    Attributes:
        file, sha256: where they are.
        source: name of the file they were read from.
        dim: size of a vector.
        known: how many tokens have one; the others start at random.
    """

    file: str
    sha256: str
    source: str
    dim: int
    known: int


@dataclasses.dataclass(frozen=True)
class FrameSampling:
    """Which frames were stored, and how the streams go together.

    Attributes:
        alignment: ``index`` or ``time``; see `data_pipeline.features.frame_selection.FrameOptions`.
        count: most frames of a video, a uniform sample; 0 for all.
    """

    alignment: str
    count: int


@dataclasses.dataclass(frozen=True)
class AttributeFile:
    """The attribute vocabularies: ``file`` is relative to the manifest's folder, ``sizes`` per node level."""

    file: str
    sha256: str
    sizes: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything a program must know about a prepared data set before it opens the records.

    Attributes:
        dataset, protocol: names, for example ``msrvtt`` and ``1k-A``.
        splits: per split name, how much it holds.
        streams: feature streams in the order in which the frames of a batch concatenate them.
        frames: which frames were stored.
        tokenizer: the tokenizer of the captions.
        word_vectors: vectors of the tokens, or None.
        roles: names of the roles, in the order of their ids.
        attributes: the attribute vocabularies.
        parser: name and versions of the caption parser.
        records: folder of the TFRecords, relative to the manifest's folder.
        checksums: SHA-256 of every file of records, by name.
        versions: versions of the packages that prepared the data.
    """

    dataset: str
    protocol: str
    splits: dict[str, SplitSummary]
    streams: tuple[FeatureStream, ...]
    frames: FrameSampling
    tokenizer: TokenizerFile
    word_vectors: WordVectorFile | None
    roles: tuple[str, ...]
    attributes: AttributeFile
    parser: dict[str, str]
    records: str
    checksums: dict[str, str]
    versions: dict[str, str]
    schema_version: int = SCHEMA_VERSION

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
        """SHA-256 of all that the manifest says, except package versions and the place of the records."""
        content = _to_json(self)
        for key in ("records", "versions"):
            del content[key]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Writes ``manifest.json`` into a folder, in one step. Statistics keep 7 significant digits."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {"fingerprint": self.fingerprint, **_to_json(self)}
        write_text(folder / MANIFEST_NAME, json.dumps(content, indent=1) + "\n")

    @staticmethod
    def load(folder: Path) -> "Manifest":
        """Reads the manifest of a prepared folder.

        Raises:
            InputError: there is none, it was written for another schema version, lacks a key, or was
                changed after it was written.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            missing = "the folder does not exist" if not folder.is_dir() else f"it has no {MANIFEST_NAME}"
            raise InputError(
                f"No prepared data set in {folder.absolute()}: {missing}. "
                "Give the folder that `python -m data_pipeline.prepare` wrote, or run it first."
            )
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path} is not valid JSON ({error}). {_PREPARE_AGAIN}") from error
        return _from_json(content, path)


def _to_json(manifest: Manifest) -> dict[str, Any]:
    content = dataclasses.asdict(manifest)
    content = {"schema_version": content.pop("schema_version"), **content}
    for stream in content["streams"]:
        for statistic in ("mean", "std"):
            stream[statistic] = [float(f"{value:.7g}") for value in stream[statistic]]
    # The statistics fill thousands of lines: what people look for comes before them.
    content["streams"] = content.pop("streams")
    return content


def _from_json(content: Any, path: Path) -> Manifest:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, but this program reads version {SCHEMA_VERSION}. "
            f"{_PREPARE_AGAIN}"
        )
    fields = _require(content, Manifest, path, "")
    splits = {
        name: SplitSummary(**_require(value, SplitSummary, path, f"splits.{name}."))
        for name, value in fields.pop("splits").items()
    }
    streams = []
    for number, value in enumerate(fields.pop("streams")):
        stream = _require(value, FeatureStream, path, f"streams.{number}.")
        streams.append(
            FeatureStream(**{**stream, "mean": tuple(stream["mean"]), "std": tuple(stream["std"])})
        )
    tokenizer = TokenizerFile(**_require(fields.pop("tokenizer"), TokenizerFile, path, "tokenizer."))
    attributes = AttributeFile(**_require(fields.pop("attributes"), AttributeFile, path, "attributes."))
    frames = FrameSampling(**_require(fields.pop("frames"), FrameSampling, path, "frames."))
    vectors = fields.pop("word_vectors")
    if vectors is not None:
        vectors = WordVectorFile(**_require(vectors, WordVectorFile, path, "word_vectors."))
    roles = tuple(fields.pop("roles"))
    manifest = Manifest(
        **fields,
        splits=splits,
        streams=tuple(streams),
        frames=frames,
        tokenizer=tokenizer,
        word_vectors=vectors,
        attributes=attributes,
        roles=roles,
    )
    if content.get("fingerprint") != manifest.fingerprint:
        raise InputError(
            f"{path} was changed after it was written: its fingerprint is {content.get('fingerprint')}, "
            f"its content has {manifest.fingerprint}. {_PREPARE_AGAIN}"
        )
    return manifest


def _require(content: Mapping[str, Any], target: type, path: Path, prefix: str) -> dict[str, Any]:
    """The values of a dataclass's fields; an `InputError` names the first that is missing."""
    names = [field.name for field in dataclasses.fields(target)]
    for name in names:
        if name not in content:
            raise InputError(f"{path} lacks the key '{prefix}{name}'. {_PREPARE_AGAIN}")
    return {name: content[name] for name in names}
