"""This module gathers what a model card tells, from files of the run and from the manifest of its data."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import MANIFEST_NAME, Manifest
from mcsan_jax.config import Config
from mcsan_jax.report.results import EvaluatedRun, read_runs
from mcsan_jax.runs.folder import RunFolder, choose_split
from mcsan_jax.runs.open import stored_licence
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.experiment import build_experiment, parameter_count, published_count


@dataclasses.dataclass(frozen=True)
class PreparedFacts:
    """These facts come from the prepared data.

    Attributes:
        folder: the folder of the prepared data.
        manifest: its manifest.
        licence: the terms of the annotations, as their reader stated them; empty where none are stored.
        parameters: the number of parameters of the network that the configuration builds for this data, in words.
    """

    folder: pathlib.Path
    manifest: Manifest
    licence: str
    parameters: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """The facts are all that is known of a run.

    Attributes:
        folder: the folder of the run.
        config: the configuration it was trained with.
        versions: the versions of the packages that trained it.
        fingerprint: the fingerprint of the prepared data that it was trained on.
        command: the command line that trained it; empty where an earlier version trained it, which stored none.
        evaluations: its evaluated splits, the test split first; those with merged duplicates come last.
        prepared: the data; None where it was not found.
    """

    folder: pathlib.Path
    config: Config
    versions: Mapping[str, str]
    fingerprint: str
    command: tuple[str, ...]
    evaluations: tuple[EvaluatedRun, ...]
    prepared: PreparedFacts | None

    def entries(self, kind: str) -> list[Mapping[str, Any]]:
        """Returns entries of the training curves of a kind ("train", "val")."""
        return [entry for entry in self.evaluations[0].history if entry["kind"] == kind]


def gather_facts(run: pathlib.Path, data: pathlib.Path | None = None) -> Facts:
    """Reads a run and its data.

    Args:
        run: folder of the run.
        data: folder of the prepared data; None is the one that the configuration of the run names.

    Raises:
        InputError: the folder is no run, or was never evaluated, a file is damaged, or `data` is not what the run
            was trained on.
    """
    folder = RunFolder(run)
    config, identity = folder.stored_config(), folder.identity()
    merged = folder.evaluated_splits(merged=True)
    splits = (
        [] if merged and not folder.evaluated_splits() else [choose_split([run]), *folder.evaluated_splits()]
    )
    evaluations = (
        *(one for split in dict.fromkeys(splits) for one in read_runs([run], split)),
        *(one for split in merged for one in read_runs([run], split, merged=True)),
    )
    fingerprint = str(identity.get("data_fingerprint") or "")
    prepared = _find_prepared(config, fingerprint, data)
    command = tuple(identity.get("command") or ())
    return Facts(run, config, identity.get("versions") or {}, fingerprint, command, evaluations, prepared)


def _find_prepared(config: Config, fingerprint: str, data: pathlib.Path | None) -> PreparedFacts | None:
    folder = data or pathlib.Path(config.data.dir)
    if data is None and not (folder / MANIFEST_NAME).is_file():
        return None
    manifest = Manifest.load(folder)
    if manifest.fingerprint != fingerprint:
        if data is None:
            return None
        raise InputError(
            f"{data} is not the data of this run: its fingerprint is {manifest.fingerprint}, that of the run's data is "
            f"{fingerprint}; give the folder that the run was trained on with --data, or leave --data out"
        )
    return PreparedFacts(folder, manifest, stored_licence(folder, manifest), _parameters(config, manifest))


def _parameters(config: Config, manifest: Manifest) -> str:
    """Counts the parameters without computing any, on any machine: devices do not change their number."""
    try:
        experiment = build_experiment(config, manifest, make_mesh(jax.devices()[:1]))
    except InputError as error:
        # A pretrained encoder that is not on this machine is no reason to have no card.
        return f"not counted: {error}"
    state = experiment.state_maker.abstract
    total = f"{parameter_count(state):,}"
    encoder = config.model.pretrained or config.model.pretrained_video
    return f"{total}, of them {published_count(state):,} published with {encoder}" if encoder else total
