"""The work folder of a run: what belongs to it and whether it fits the configuration at hand."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from mcsan_jax.config import Config, flatten, from_flat
from mcsan_jax.errors import InputError
from mcsan_jax.evaluation.rank_split import Evaluation

_FREE_TO_CHANGE = (
    "evaluation.",
    "train.log_every_steps",
    "train.exchange",
    "train.compile_cache",
    "model.remat",
    "similarity.kernel",
    "similarity.block_bytes",
    "data.dir",
    "data.prepare_hint",
    "data.test_split",
    "data.cache",
    "data.prefetch",
)
"""Fields that do not change what is trained, or its rounding alone; the data is recognised by its fingerprint."""

_NO_FIELDS = ("data_fingerprint", "versions")
"""What the file of the identity holds beside the fields of the configuration."""

_PACKAGES = ("mcsan-jax", "jax", "flax", "optax", "orbax-checkpoint", "numpy")


class Workdir:
    """Paths of a run's files, and its identity: the configuration and the data it was started with.

    ``config.json`` holds the identity, ``checkpoints/`` the states, ``metrics.jsonl`` and ``tensorboard/`` the curves,
    ``eval/<split>.json`` the results.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self._identity_file = folder / "config.json"

    def claim(self, config: Config, data_fingerprint: str) -> None:
        """Makes the folder, or checks that the run in it has the same configuration and data.

        Raises:
            InputError: it holds another run; the message lists the fields that differ.
        """
        identity = {"data_fingerprint": data_fingerprint, **_plain(flatten(config))}
        if self._identity_file.is_file():
            self._compare(self._read_identity(), identity)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_json(self._identity_file, {**identity, "versions": package_versions()})

    def stored_config(self) -> Config:
        """The configuration of the run in the folder.

        Raises:
            InputError: there is no run, or its configuration is damaged or of another version.
        """
        if not self._identity_file.is_file():
            raise InputError(
                f"{self.folder} holds no run: there is no {self._identity_file.name}; name the folder that "
                "`python -m mcsan_jax.main` wrote (--workdir)"
            )
        identity = self._read_identity()
        return from_flat({key: value for key, value in identity.items() if key not in _NO_FIELDS})

    def queries_file(self, split: str) -> pathlib.Path:
        """Where the ranks and best answers of a split's queries are written."""
        return self.folder / "eval" / f"{split}_queries.parquet"

    def scores_file(self, split: str) -> pathlib.Path:
        """Where the fused scores of a split are written: float32 [video, caption], in the order of its records."""
        return self.folder / "eval" / f"{split}_scores.npy"

    def write_evaluation(
        self,
        evaluation: Evaluation,
        split: str,
        step: int,
        config: Config,
        data_fingerprint: str,
        details: Mapping[str, Any],
    ) -> pathlib.Path:
        """Writes ``eval/<split>.json``: the figures, what explains them, and all that is needed to get them again."""
        path = self.folder / "eval" / f"{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "split": split,
            "step": step,
            "rsum": evaluation.rsum,
            **dataclasses.asdict(evaluation),
            **details,
            "ties": "counted by expectation",
            "data_fingerprint": data_fingerprint,
            "config": _plain(flatten(config)),
            "versions": package_versions(),
        }
        _write_json(path, content)
        return path

    def _read_identity(self) -> dict[str, Any]:
        try:
            return json.loads(self._identity_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{self._identity_file} is damaged ({error}); choose another --workdir, or delete {self.folder}"
            ) from error

    def _compare(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        missing = object()
        differing = [
            key
            for key in sorted(set(old) | set(new))
            if key != "versions"
            and not key.startswith(_FREE_TO_CHANGE)
            and old.get(key, missing) != new.get(key, missing)
        ]
        if differing:
            lines = "\n".join(
                f"  {key}: {old.get(key, '(absent)')!r} there, {new.get(key, '(absent)')!r} now"
                for key in differing
            )
            raise InputError(
                f"{self.folder} holds a run of another configuration:\n{lines}\n"
                "Choose another --workdir, or use the configuration of that run."
            )


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a run's numbers."""
    return {name: metadata.version(name) for name in _PACKAGES}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back: tuples are lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
