"""This module knows the folder of a run: where its files are, and whether it fits the configuration at hand."""

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.host.files import check_writable, nearest_folder, write_text
from mcsan_jax.config import Config
from mcsan_jax.runs.record import EvaluationRecord, package_versions, plain
from mcsan_jax.runs.stored_config import flatten, from_flat

_FREE_TO_CHANGE = (
    "evaluation.",
    "train.log_every_steps",
    "train.exchange",
    "train.compile_cache",
    "model.remat",
    "similarity.cosine_bytes",
    "data.dir",
    "data.prepare_hint",
    "data.test_split",
    "data.cache",
    "data.prefetch",
)
"""These fields change nothing that is trained, or its rounding alone; the fingerprint recognises the data."""

_NO_FIELDS = ("data_fingerprint", "versions", "command")
"""The file of the identity holds these keys besides the fields of the configuration."""

_MERGED = ".merged"
"""The name of a split ends so in files of an evaluation with captions of the same text as one query."""


class RunFolder:
    """A run folder knows the paths of a run's files, and its identity: the configuration and data it was started with.

    ``config.json`` holds the identity, ``checkpoints/`` the states, ``metrics.jsonl`` and ``tensorboard/`` the curves,
    ``eval/`` the evaluations, ``calibration.json`` what turns scores into probabilities, ``model/`` the trained model,
    which needs no prepared data. Methods that name
    a file of an evaluation take the split, and in `merged` whether captions of the same text were one query: such an
    evaluation has other figures, and files of its own (``eval/<split>.merged.json``).
    """

    def __init__(self, folder: str | pathlib.Path) -> None:
        folder = pathlib.Path(folder)
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.history_file = folder / "metrics.jsonl"
        self.model = folder / "model"
        self._identity_file = folder / "config.json"

    def claim(self, config: Config, data_fingerprint: str, command: Sequence[str] = ()) -> None:
        """Makes the folder, or checks that the run in it has the same configuration and data.

        Args:
            config: the configuration of the run.
            data_fingerprint: the fingerprint of its prepared data.
            command: the command line that trains it; stored with the run unless one is there already.

        Raises:
            InputError: it holds another run; the message lists the fields that differ.
        """
        config = self.with_stored_limits(config)
        identity = {"data_fingerprint": data_fingerprint, **plain(flatten(config))}
        if self._identity_file.is_file():
            stored = self._read_identity()
            # Fields that are newer than the run have their defaults.
            fields = plain(flatten(self.stored_config()))
            self._compare({"data_fingerprint": stored.get("data_fingerprint"), **fields}, identity)
            if not command or stored.get("command"):
                return
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            stored = {**identity, "versions": package_versions()}
        content = {**stored, "command": list(command)} if command else stored
        write_text(self._identity_file, json.dumps(content, indent=1) + "\n")

    def check_writable(self, advice: str = "name another folder with --workdir") -> None:
        """Tries whether the folder can be made or written, before long work, and leaves nothing behind.

        Raises:
            InputError: it cannot; the message ends with the advice.
        """
        check_writable(self.folder, advice)

    def with_stored_limits(self, config: Config) -> Config:
        """Returns the configuration with the run's own limits of a caption where it leaves them to the data.

        A folder without a run leaves them open.

        Raises:
            InputError: the run's configuration is damaged or of another version.
        """
        if not self._identity_file.is_file():
            return config
        return dataclasses.replace(config, data=config.data.with_limits(self.stored_config().data.limits))

    def stored_config(self) -> Config:
        """Returns the configuration of the run in the folder.

        Raises:
            InputError: there is no run, or its configuration is damaged or of another version.
        """
        return from_flat(self.stored_fields())

    def stored_fields(self) -> dict[str, Any]:
        """Returns the fields of that configuration by their dotted names, as they are stored.

        Raises:
            InputError: there is no run, or the file of its configuration is damaged.
        """
        return {key: value for key, value in self.identity().items() if key not in _NO_FIELDS}

    def identity(self) -> dict[str, Any]:
        """Returns all that is stored of what the run was started with.

        These are the fields of the configuration by their dotted names, ``data_fingerprint``, ``versions`` of packages
        and, unless an earlier version trained it, ``command``.

        Raises:
            InputError: there is no run, or the file is damaged.
        """
        if not self._identity_file.is_file():
            raise InputError(
                f"{self.folder} holds no run: there is no {self._identity_file.name}; {self._nearest()}name the "
                "folder that `python -m mcsan_jax.main` wrote (--workdir)"
            )
        return self._read_identity()

    def record_file(self, split: str, merged: bool = False) -> pathlib.Path:
        """Returns the path of the evaluation record."""
        return self._evaluation_file(split, merged, ".json")

    def queries_file(self, split: str, merged: bool = False) -> pathlib.Path:
        """Returns the path of the ranks and best answers of the queries; see `evaluation.query_table`."""
        return self._evaluation_file(split, merged, "_queries.parquet")

    def foils_file(self, split: str, merged: bool = False) -> pathlib.Path:
        """Returns the path of the answers to questions about foils; see `evaluation.foil_table`."""
        return self._evaluation_file(split, merged, "_foils.parquet")

    def scores_file(self, split: str, merged: bool = False) -> pathlib.Path:
        """Returns the path of the fused scores: float32 [video, caption], in the order of the records."""
        return self._evaluation_file(split, merged, "_scores.npy")

    def report_file(self, split: str, merged: bool = False, beside: Sequence[str] = ()) -> pathlib.Path:
        """Returns the path of the report; `beside` names the other runs that it shows."""
        others = f"_with_{'_'.join(beside)}" if beside else ""
        return self._evaluation_file(split, merged, f"_report{others}.html")

    def evaluated_splits(self, merged: bool = False) -> list[str]:
        """Returns the splits that have an evaluation record.

        Raises:
            InputError: there is no such folder.
        """
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder; {self._nearest()}give the folder of a run")
        names = sorted(path.stem for path in (self.folder / "eval").glob("*.json"))
        return [name.removesuffix(_MERGED) for name in names if name.endswith(_MERGED) == merged]

    def read_record(self, split: str, merged: bool = False) -> EvaluationRecord:
        """Reads the evaluation record of a split.

        Raises:
            InputError: the split was not evaluated in this way, or the file is damaged, of another schema version, or
                of another split; the message names the command that writes it.
        """
        path, command = self.record_file(split, merged), self.evaluate_command(split, merged)
        if not path.is_file():
            others = self.evaluated_splits(merged)
            raise InputError(
                f"{path}: no such file, split {split!r} was never evaluated{_in_this_way(merged)} "
                f"({nearest_name(split, others)}evaluated: {', '.join(others) or 'none'}); do so with: {command}"
            )
        record = EvaluationRecord.read(path, command)
        if (record.split, record.merged_duplicates) != (split, merged):
            raise InputError(
                f"{path} should hold split {split!r}{_in_this_way(merged)}, found {record.split!r}"
                f"{_in_this_way(record.merged_duplicates)}; write it again with: {command}"
            )
        return record

    def write_record(self, record: EvaluationRecord) -> pathlib.Path:
        """Writes an evaluation record under the name of its split."""
        path = self.record_file(record.split, record.merged_duplicates)
        record.write(path)
        return path

    def evaluate_command(self, split: str | None = None, merged: bool = False) -> str:
        """Returns the command that evaluates the run."""
        chosen = f" --split={shlex.quote(split)}" if split else ""
        return f"mcsan eval {shlex.quote(str(self.folder))}{chosen}{' --merge-duplicates' if merged else ''}"

    def _evaluation_file(self, split: str, merged: bool, ending: str) -> pathlib.Path:
        return self.folder / "eval" / f"{evaluation_name(split, merged)}{ending}"

    def _read_identity(self) -> dict[str, Any]:
        try:
            content = json.loads(self._identity_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{self._identity_file} is damaged ({error}); restore it from a copy, or delete {self.folder} and "
                "train again"
            ) from error
        if not isinstance(content, dict):
            raise InputError(
                f"{self._identity_file} is damaged: expected an object, found {content!r:.60}; restore it from a copy, "
                f"or delete {self.folder} and train again"
            )
        if "model_type" in content:
            raise InputError(
                f"{self.folder} is the folder of a model, which keeps no training and no evaluations; name the folder "
                "of the run that it comes from"
            )
        return content

    def _nearest(self) -> str:
        return nearest_folder(self.folder, self._identity_file.name)

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        differing = [
            key for key in sorted(new) if not key.startswith(_FREE_TO_CHANGE) and old[key] != new[key]
        ]
        if differing:
            lines = "\n".join(f"  {key}: {old[key]!r} there, {new[key]!r} now" for key in differing)
            raise InputError(
                f"{self.folder} holds a run of another configuration:\n{lines}\n"
                "Choose another --workdir, or use the configuration of that run."
            )


def evaluation_name(split: str, merged: bool) -> str:
    """Returns what the names of an evaluation's files begin with."""
    return f"{split}{_MERGED}" if merged else split


def choose_split(folders: Sequence[pathlib.Path], merged: bool = False) -> str:
    """Chooses the split to read where none is named: the test split if all runs evaluated it, else the validation one.

    If neither was evaluated in all runs, it is another split that was. The first run says how the two are called.

    Args:
        folders: the folders of the runs.
        merged: whether it looks for evaluations with captions of the same text as one query, or for the others.

    Raises:
        InputError: there is none.
    """
    runs = [RunFolder(folder) for folder in folders]
    evaluated = [run.evaluated_splits(merged) for run in runs]
    for run, splits in zip(runs, evaluated, strict=True):
        if not splits:
            other = run.evaluated_splits(not merged)
            hint = (
                f" (only {', '.join(other)}{_in_this_way(not merged) or ', without --merge-duplicates'})"
                if other
                else ""
            )
            raise InputError(
                f"{run.folder} was never evaluated{_in_this_way(merged)}{hint}; do so with: "
                f"{run.evaluate_command(merged=merged)}"
            )
    shared = [split for split in evaluated[0] if all(split in others for others in evaluated)]
    if not shared:
        found = "; ".join(
            f"{run.folder}: {', '.join(splits)}" for run, splits in zip(runs, evaluated, strict=True)
        )
        raise InputError(f"no split was evaluated in all runs ({found}); evaluate one with: mcsan eval")
    fields = runs[0].stored_fields()
    for key in ("data.test_split", "data.validation_split"):
        if fields.get(key) in shared:
            return str(fields[key])
    return shared[0]


def _in_this_way(merged: bool) -> str:
    return " with --merge-duplicates" if merged else ""
