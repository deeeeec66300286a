"""This module writes and reads the evaluation record, the JSON file of an evaluated split."""

import json
import pathlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

import pydantic

from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text
from mcsan_jax.config import Config
from mcsan_jax.runs.foil_fields import FoilTest
from mcsan_jax.runs.record_fields import (
    STRICT,
    AttributePrecision,
    BothDirections,
    Densities,
    FailureCase,
    FalseNegatives,
    HubCorrection,
    HubsOfBoth,
    Intervals,
    OverLinear,
    ProtocolSummary,
    SplitCalibration,
    Variant,
)
from mcsan_jax.runs.stored_config import flatten

SCHEMA_VERSION = 2
_VERSION_KEY = "schema_version"

_PACKAGES = ("mcsan-jax", "jax", "flax", "optax", "orbax-checkpoint", "numpy")


class EvaluationRecord(pydantic.BaseModel):
    """An evaluation record is all that is known of an evaluated split.

    Attributes:
        schema_version: the schema version of this class.
        split, step: the split, and the step of the checkpoint.
        merged_duplicates: whether captions of the same text were one query.
        same_text: what a video is to another video's caption that has the text of one of its own.
        videos, captions: the numbers of ranked videos and captions.
        rsum: the Rsum of the fused score, from 0 to 600.
        directions: the figures of the fused score and of each of its components.
        compositional: by score and kind of foil, the percentage of true captions preferred to the foil.
        foils: the number of foils of each kind.
        foil_tests: how often true captions were preferred to foils, of the prepared data and of files.
        protocol: the protocol under which the split was evaluated.
        intervals: the intervals of the fused figures; None where none were computed.
        over_linear: the fused score against the linear branch; None where there is no branch.
        early_stop: after which step training ended early and why; None where it did not.
        level_weights: the share of each level in the fused score.
        attributes: by level and third of the vocabulary, how well attributes are recognised.
        densities, hubs, false_negatives: explanations of the figures; None where they were not computed.
        failure_cases: captions whose video was ranked badly, the worst first.
        calibration: how the probabilities of answers hold; None where no calibration was fitted.
        ablation: the figures of other ways to fuse the levels; empty unless asked for.
        hubness: the figures of corrections against hubs; empty unless asked for.
        ties: the rule by which equal scores count.
        data_fingerprint: the fingerprint of the prepared data.
        config: the configuration of the run, by dotted names.
        versions: the versions of the packages that evaluated it.
    """

    model_config = STRICT

    schema_version: Literal[2]
    split: str
    step: int
    merged_duplicates: bool
    same_text: Literal["relevant", "wrong"] = "wrong"
    videos: int
    captions: int
    rsum: float
    directions: dict[str, BothDirections]
    compositional: dict[str, dict[str, float]]
    foils: dict[str, int]
    foil_tests: list[FoilTest] = []
    protocol: ProtocolSummary
    intervals: Intervals | None = None
    over_linear: OverLinear | None = None
    early_stop: str | None = None
    level_weights: dict[str, float] = {}
    attributes: dict[str, dict[str, AttributePrecision]] = {}
    densities: Densities | None = None
    hubs: HubsOfBoth | None = None
    failure_cases: list[FailureCase] = []
    false_negatives: FalseNegatives | None = None
    calibration: SplitCalibration | None = None
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
        """Returns the figures of the fused score."""
        return self.directions["fused"]

    @classmethod
    def make(
        cls,
        figures: Mapping[str, Any],
        split: str,
        step: int,
        config: Config,
        data_fingerprint: str,
        details: Mapping[str, Any],
    ) -> "EvaluationRecord":
        """Makes the record of an evaluation.

        Args:
            figures: the fields of an `ranking.rank_split.Evaluation`.
            split: the evaluated split.
            step: the step of the checkpoint.
            config: the configuration of the run.
            data_fingerprint: the fingerprint of the prepared data.
            details: the protocol, and all that explains the figures, by the names of the fields.
        """
        content = {
            _VERSION_KEY: SCHEMA_VERSION,
            "split": split,
            "step": step,
            "merged_duplicates": config.evaluation.merge_duplicates,
            "same_text": config.evaluation.same_text,
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
            path: the path of the file.
            command: the command that writes the file anew, for messages.

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
    """Returns the versions of the packages that decide a run's numbers."""
    return {name: metadata.version(name) for name in _PACKAGES}


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values as JSON gives them back: tuples become lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _first_fault(error: pydantic.ValidationError) -> str:
    """Says where the first fault is, what was found, and what is wrong with it."""
    fault = error.errors()[0]
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "missing":
        return f"key {where} is missing"
    return f"{where} is {fault['input']!r:.60}: {fault['msg']}"
