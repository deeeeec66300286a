import itertools
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.input_pipeline import SplitReader, TrainBatches
from mcsan_jax.batch import PairBatch
from mcsan_jax.evaluation.evaluate import Evaluation, evaluate
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, batch_limits, variables_of
from mcsan_jax.training.preemption import Preempted
from mcsan_jax.training.train_loop import train
from mcsan_jax.training.train_step import TrainState
from tests.support.prepared_data import Prepared

MakeExperiment = Callable[..., Experiment]


class Interrupted(Exception):
    """The run was stopped."""


class StopsBefore:
    """Batches that end in an exception, as a run that is killed."""

    def __init__(self, batches: TrainBatches, step: int) -> None:
        self._batches, self._step = batches, step

    def from_step(self, step: int) -> Iterator[PairBatch]:
        yield from itertools.islice(self._batches.from_step(step), self._step - step)
        raise Interrupted


class AsksToStop:
    """Batches in the midst of which the process is sent SIGTERM."""

    def __init__(self, batches: TrainBatches, at: int) -> None:
        self._batches, self._at = batches, at

    def from_step(self, step: int) -> Iterator[PairBatch]:
        for number, batch in enumerate(self._batches.from_step(step), step + 1):
            if number == self._at:
                signal.raise_signal(signal.SIGTERM)
            yield batch


def run(
    experiment: Experiment,
    batches: TrainBatches | StopsBefore | AsksToStop,
    prepared: Prepared,
    workdir: Path,
) -> TrainState:
    config = experiment.config
    reader = SplitReader(prepared.folder, prepared.manifest, "val", batch_limits(config.data))

    def evaluator(state: TrainState, step: int) -> tuple[Evaluation, str]:
        return evaluate(experiment.encoders, variables_of(state), reader, config, "val"), f"step {step}"

    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        return train(experiment, batches, evaluator, checkpoints, workdir)


def read_metrics(workdir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def timeless_metrics(workdir: Path) -> list[dict[str, float]]:
    return [
        {key: value for key, value in line.items() if key != "pairs_per_second"}
        for line in read_metrics(workdir)
    ]


# An epoch has three steps: 2 is inside the first epoch, 3 at its boundary, 5 inside the second.
@pytest.mark.parametrize("interruptions", [(3,), (4,), (3, 6)])
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(
    make_experiment: MakeExperiment,
    batches: TrainBatches,
    prepared: Prepared,
    tmp_path: Path,
    interruptions: tuple[int, ...],
) -> None:
    experiment = make_experiment(1)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = jax.device_get(run(experiment, batches, prepared, tmp_path / "whole"))

    for step in interruptions:
        with pytest.raises(Interrupted):
            run(experiment, StopsBefore(batches, step), prepared, tmp_path / "parts")
    parts = jax.device_get(run(experiment, batches, prepared, tmp_path / "parts"))

    jax.tree.map(np.testing.assert_array_equal, parts, whole)
    assert timeless_metrics(tmp_path / "parts") == timeless_metrics(tmp_path / "whole")


def test_sigterm_saves_a_checkpoint_and_the_run_goes_on_exactly(
    make_experiment: MakeExperiment, batches: TrainBatches, prepared: Prepared, tmp_path: Path
) -> None:
    experiment = make_experiment(1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = jax.device_get(run(experiment, batches, prepared, whole))
    before = signal.getsignal(signal.SIGTERM)
    # Batches are drawn ahead of the step that takes them. Step 5 is neither saved nor evaluated by itself.
    ahead = experiment.config.data.prefetch + 1
    with pytest.raises(Preempted, match="asked to stop: the checkpoint of step 5 is written"):
        run(experiment, AsksToStop(batches, 5 + ahead), prepared, parts)
    assert signal.getsignal(signal.SIGTERM) is before
    with CheckpointStore(parts / "checkpoints") as checkpoints:
        assert checkpoints.last_step == 5
    state = jax.device_get(run(experiment, batches, prepared, parts))
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    assert timeless_metrics(parts) == timeless_metrics(whole)


def test_a_finished_run_is_not_trained_again(
    make_experiment: MakeExperiment, batches: TrainBatches, prepared: Prepared, workdir: Path
) -> None:
    experiment = make_experiment(1)
    first = jax.device_get(run(experiment, batches, prepared, workdir))
    lines = read_metrics(workdir)
    again = jax.device_get(run(experiment, StopsBefore(batches, 0), prepared, workdir))
    jax.tree.map(np.testing.assert_array_equal, again, first)
    assert read_metrics(workdir) == lines
    assert int(first.step) == experiment.total_steps == 9


def test_training_writes_curves_and_the_best_and_last_checkpoint(
    make_experiment: MakeExperiment, batches: TrainBatches, prepared: Prepared, workdir: Path
) -> None:
    experiment = make_experiment(1)
    run(experiment, batches, prepared, workdir)
    metrics = read_metrics(workdir)
    evaluations = {line["step"]: line["rsum/fused"] for line in metrics if line["kind"] == "val"}
    assert list(evaluations) == [6, 9]
    train_lines = [line for line in metrics if line["kind"] == "train"]
    assert [line["step"] for line in train_lines] == [2, 4, 6, 8, 9]
    assert {"loss", "ranking", "fbce/entity", "kl/action", "learning_rate", "pairs_per_second"} <= set(
        train_lines[0]
    )
    assert any((workdir / "tensorboard").iterdir())
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert checkpoints.last_step == 9
        assert checkpoints.best_step == max(evaluations, key=lambda step: (evaluations[step], step))


def test_a_loss_that_is_not_finite_stops_the_run(
    make_experiment: MakeExperiment, batches: TrainBatches, prepared: Prepared, workdir: Path
) -> None:
    experiment = make_experiment(1, optim={"learning_rate": 1e30, "warmup_epochs": 0.0, "clip_norm": 0.0})
    with pytest.raises(FloatingPointError, match=r"step \d+: .*not finite; lower config.optim.learning_rate"):
        run(experiment, batches, prepared, workdir)


def test_a_state_that_is_not_finite_is_never_saved(
    make_experiment: MakeExperiment, batches: TrainBatches, prepared: Prepared, workdir: Path
) -> None:
    # Every step is saved and none is logged.
    experiment = make_experiment(
        1,
        optim={"learning_rate": 1e30, "warmup_epochs": 0.0, "clip_norm": 0.0},
        train={"checkpoint_every_steps": 1, "log_every_steps": 1000},
    )
    with pytest.raises(FloatingPointError, match=r"step \d+: "):
        run(experiment, batches, prepared, workdir)
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert checkpoints.last_step is not None
        saved = checkpoints.restore(checkpoints.last_step, like=experiment.state_maker.abstract)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(jax.device_get(saved.params)))
