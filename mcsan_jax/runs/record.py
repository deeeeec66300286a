"""The evaluation record: the JSON file of an evaluated split, written and read by the same class."""

import json
import pathlib
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

import pydantic

from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text

if TYPE_CHECKING:
    from mcsan_jax.config import Config

SCHEMA_VERSION = 1
_VERSION_KEY = "schema_version"

_PACKAGES = ("mcsan-jax", "jax", "flax", "optax", "orbax-checkpoint", "numpy")

Value = TypeVar("Value")

Metrics = dict[str, float]
"""Value of each metric; recalls and means of precision are in percent."""
Interval = Annotated[list[float], pydantic.Field(min_length=2, max_length=2)]
"""Low and high end."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=True, ser_json_inf_nan="constants"
    )


class _OfDirections(_Part, Generic[Value]):
    t2v: Value
    v2t: Value

    def of(self, direction: str) -> Value:
        """What belongs to the direction ``t2v`` or ``v2t``."""
        return self.t2v if direction == "t2v" else self.v2t


class BothDirections(_OfDirections[Metrics]):
    """The figures of one score: metrics of each direction, and Rsum."""

    rsum: float


class Protocol(_Part):
    """Under which protocol the split was evaluated; see `evaluation.protocols.describe_protocol`."""

    name: str
    source: str
    lines: list[str]
    official: bool | None
    duplicate_captions: str
    selection: str
    expected: dict[str, int | None]
    features: str


class Intervals(_OfDirections[dict[str, Interval]]):
    """95 % intervals of the fused figures, by metric."""

    rsum: Interval


class AttributePrecision(_Part):
    """Mean average precision of a third of a vocabulary, and what chance gets, both in percent."""

    count: int
    mAP: float
    chance: float


class Densities(_Part):
    """How many matched and other pairs have a fused score between neighbouring edges."""

    edges: list[float]
    matched: list[int]
    others: list[int]


class Hub(_Part):
    """An item, and how many queries have it among their best answers."""

    id: str
    occurrences: int


class Hubs(_Part):
    """How often items are among the best `k` answers; ``histogram[n]`` items occur n times."""

    k: int
    skewness: float
    top: list[Hub]
    histogram: list[int]


class HubsOfBoth(_OfDirections[Hubs]):
    """The hubs of both directions."""


class WrongAnswer(_Part):
    """A video that came before the relevant one, its fused score, and one of its captions."""

    video: str
    score: float
    text: str


class PairScores(_Part):
    """A level's score of the relevant video and of the first wrong one."""

    right: float
    returned: float


class FailureCase(_Part):
    """A caption whose video was ranked badly; see `evaluation.worst_queries`."""

    query: str
    text: str
    video: str
    rank: float
    returned: list[WrongAnswer]
    parts: dict[str, PairScores]
    blame: str


class SharedCaption(_Part):
    """A caption that another video has, too."""

    query: str
    text: str
    video: str
    other: str
    rank: float


class FalseNegatives(_Part):
    """Captions that other videos have, too; see `evaluation.duplicates.probable_false_negatives`."""

    queries: int
    share: float
    examples: list[SharedCaption]
    rsum_merged: float


class Variant(BothDirections):
    """The same checkpoint, scored in another way."""

    name: str


class HubCorrection(Variant):
    """The same checkpoint with a correction against hubs."""

    transductive: bool
    temperature: float | None
    hubs: HubsOfBoth


class EvaluationRecord(_Part):
    """All that is known of an evaluated split.

    Attributes:
        schema_version: of this class.
        split, step: the split, and the step of the checkpoint.
        merged_duplicates: whether captions of the same text were one query.
        videos, captions: how many were ranked.
        rsum: of the fused score.
        directions: the figures of the fused score and of each of its parts.
        compositional: per part and kind of foil, the percentage of true captions preferred to the foil.
        foils: number of foils of each kind.
        protocol: what a reader of the figures must know.
        intervals: of the fused figures; None where none were computed.
        level_weights: share of each level in the fused score.
        attributes: per level and third of the vocabulary, how well attributes are recognised.
        densities, hubs, false_negatives: what explains the figures; None where it was not computed.
        failure_cases: captions whose video was ranked badly, the worst first.
        ablation: the checkpoint scored in other ways; empty unless asked for.
        hubness: the checkpoint with corrections against hubs; empty unless asked for.
        ties: how equal scores count.
        data_fingerprint: of the prepared data.
        config: of the run, by dotted names.
        versions: of the packages.
    """

    schema_version: Literal[1]
    split: str
    step: int
    merged_duplicates: bool
    videos: int
    captions: int
    rsum: float
    directions: dict[str, BothDirections]
    compositional: dict[str, dict[str, float]]
    foils: dict[str, int]
    protocol: Protocol
    intervals: Intervals | None = None
    level_weights: dict[str, float] = {}
    attributes: dict[str, dict[str, AttributePrecision]] = {}
    densities: Densities | None = None
    hubs: HubsOfBoth | None = None
    failure_cases: list[FailureCase] = []
    false_negatives: FalseNegatives | None = None
    ablation: list[Variant] = []
    hubness: list[HubCorrection] = []
    ties: str
    data_fingerprint: str
    config: dict[str, Any]
    versions: dict[str, str]

    @pydantic.field_validator("directions")
    @classmethod
    def _has_fused(cls, directions: dict[str, BothDirections]) -> dict[str, BothDirections]:
        if "fused" not in directions:
            raise ValueError("there are no figures of the score 'fused'")
        return directions

    @property
    def fused(self) -> BothDirections:
        """The figures of the fused score."""
        return self.directions["fused"]

    @classmethod
    def make(
        cls,
        figures: Mapping[str, Any],
        split: str,
        step: int,
        config: "Config",
        data_fingerprint: str,
        details: Mapping[str, Any],
    ) -> "EvaluationRecord":
        """The record of an evaluation that this program made.

        Args:
            figures: the fields of an `evaluation.evaluate.Evaluation`.
            split: the evaluated one.
            step: of the checkpoint.
            config: of the run.
            data_fingerprint: of the prepared data.
            details: the protocol, and what explains the figures, by the names of the fields.
        """
        # Loads JAX, which those who read records can do without.
        from mcsan_jax.config import flatten

        content = {
            _VERSION_KEY: SCHEMA_VERSION,
            "split": split,
            "step": step,
            "merged_duplicates": config.evaluation.merge_duplicates,
            "rsum": figures["directions"]["fused"]["rsum"],
            **figures,
            **details,
            "ties": "counted by expectation",
            "data_fingerprint": data_fingerprint,
            "config": plain(flatten(config)),
            "versions": package_versions(),
        }
        return cls.model_validate(content)

    def write(self, path: pathlib.Path) -> None:
        """Writes the record as JSON, in one step; the folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: pathlib.Path, command: str) -> "EvaluationRecord":
        """Reads what `write` wrote.

        Args:
            path: of the file.
            command: the one that writes the file anew, for messages.

        Raises:
            InputError: the file is damaged, or of another schema version.
        """
        again = f"write it again with: {command}"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); {again}") from error
        if not isinstance(content, dict):
            raise InputError(f"{path} is damaged: expected an object, found {content!r:.60}; {again}")
        found = content.get(_VERSION_KEY)
        if found != SCHEMA_VERSION:
            version = f"has schema version {found!r}" if _VERSION_KEY in content else "has no schema version"
            raise InputError(
                f"{path} {version}, this program reads version {SCHEMA_VERSION}: another version of the program "
                f"wrote it; {again}"
            )
        try:
            return cls.model_validate(content)
        except pydantic.ValidationError as error:
            raise InputError(f"{path} is damaged: {_first_fault(error)}; {again}") from error


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a run's numbers."""
    return {name: metadata.version(name) for name in _PACKAGES}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back: tuples are lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _first_fault(error: pydantic.ValidationError) -> str:
    """Where the first fault is, what was found, and what is wrong with it."""
    fault = error.errors()[0]
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "missing":
        return f"key {where} is missing"
    return f"{where} is {fault['input']!r:.60}: {fault['msg']}"
