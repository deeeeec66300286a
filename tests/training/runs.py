"""Training of the made-up data set, and small changes of its configuration."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from mcsan_jax.config import Config
from mcsan_jax.ranking.encode_split import encode_split
from mcsan_jax.ranking.rank_split import Evaluation, ScoredSplit, rank_split
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.train_loop import PairStream, train
from mcsan_jax.training.train_step import TrainState

MakeExperiment = Callable[..., Experiment]
"""Of the fixture `make_experiment`: number of devices, and changed groups of the configuration."""


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run from its start to its end: the last state, on the host, and its folder, not to be changed."""

    state: TrainState
    folder: pathlib.Path


class Interrupted(Exception):
    """The run was stopped."""


class StopsBefore:
    """Batches that end in an exception, as a run that is killed."""

    def __init__(self, batches: TrainBatches, step: int) -> None:
        self._batches, self._step = batches, step

    def from_step(self, step: int) -> Iterator[PairBatch]:
        yield from itertools.islice(self._batches.from_step(step), self._step - step)
        raise Interrupted


def changed(config: Config, **groups: dict[str, Any]) -> Config:
    """The configuration with some values of some groups changed."""
    return dataclasses.replace(
        config, **{name: dataclasses.replace(getattr(config, name), **new) for name, new in groups.items()}
    )


def with_same_programs(experiment: Experiment, **groups: dict[str, Any]) -> Experiment:
    """The experiment with values changed that no compiled program depends on."""
    return dataclasses.replace(experiment, config=changed(experiment.config, **groups))


def run(
    experiment: Experiment,
    batches: PairStream,
    reader: SplitReader,
    workdir: pathlib.Path,
    rsums: Mapping[int, float] | None = None,
) -> TrainState:
    """Trains to the end in a folder, which is made where it is absent; the last state, on the host.

    Where `rsums` are given by step, evaluations find these instead of the real ones.

    Nothing passes between host and devices, nor between devices, unless the loop says so. The guard does not cover
    what is not the loop: the making of the first state, and the evaluation.
    """

    def evaluator(state: TrainState, step: int) -> tuple[TrainState, Evaluation, dict[str, float], str]:
        size = experiment.config.evaluation.encode_batch
        with jax.transfer_guard("allow"):
            encoded = encode_split(experiment.encoders, variables_of(state), reader, size, "val")
            figures = rank_split(ScoredSplit.of(encoded, experiment.config))
            if rsums is not None:
                fused = {**figures.directions["fused"], "rsum": rsums[step]}
                figures = dataclasses.replace(figures, directions={**figures.directions, "fused": fused})
            return state, figures, {}, f"step {step}"

    def create() -> TrainState:
        with jax.transfer_guard("allow"):
            return experiment.initial_state()

    workdir.mkdir(exist_ok=True)
    maker = dataclasses.replace(experiment.state_maker, create=create)
    guarded = dataclasses.replace(experiment, state_maker=maker)
    with CheckpointStore(workdir / "checkpoints") as checkpoints, jax.transfer_guard("disallow"):
        return jax.device_get(train(guarded, batches, evaluator, checkpoints, workdir))
