import dataclasses
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from mcsan_jax.processes import Preempted, stop_requests
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.train_step import Metrics, TrainState, TrainStep
from tests.training.runs import FinishedRun, Interrupted, MakeExperiment, StopsBefore, run, with_same_programs


class BreaksAt:
    """Batches of which one has a feature that is not finite, so that its step breaks loss and state."""

    def __init__(self, batches: TrainBatches, at: int) -> None:
        self._batches, self._at = batches, at

    def from_step(self, step: int) -> Iterator[PairBatch]:
        for number, batch in enumerate(self._batches.from_step(step), step + 1):
            if number == self._at:
                frames = np.full_like(batch.videos.frames, np.inf)
                yield dataclasses.replace(batch, videos=dataclasses.replace(batch.videos, frames=frames))
            else:
                yield batch


class AsksToStop:
    """Batches in the midst of which the process is sent a signal, as often as asked for."""

    def __init__(self, batches: TrainBatches, at: int, number: signal.Signals, times: int = 1) -> None:
        self._batches, self._at, self._signal, self._times = batches, at, number, times

    def from_step(self, step: int) -> Iterator[PairBatch]:
        for number, batch in enumerate(self._batches.from_step(step), step + 1):
            if number == self._at:
                for _ in range(self._times):
                    signal.raise_signal(self._signal)
            yield batch


class AskingStep:
    """A training step that is interrupted once, at the call of a number."""

    def __init__(self, step: TrainStep, at: int) -> None:
        self._step, self.lower, self._calls_left = step, step.lower, at

    def __call__(self, state: TrainState, batch: PairBatch) -> tuple[TrainState, Metrics]:
        self._calls_left -= 1
        if not self._calls_left:
            signal.raise_signal(signal.SIGINT)
        return self._step(state, batch)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, as in a program on a terminal; one that was started in the background is deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def read_metrics(workdir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def timeless_metrics(workdir: Path) -> list[dict[str, float]]:
    return [
        {key: value for key, value in line.items() if key != "pairs_per_second"}
        for line in read_metrics(workdir)
    ]


# An epoch has three steps, and every second step is saved: a run goes on from 4, inside the second epoch; or from 2,
# inside the first, and once more from 6, where an epoch ends.
@pytest.mark.parametrize("interruptions", [(4,), (3, 6)])
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(
    make_experiment: MakeExperiment,
    batches: TrainBatches,
    reader: SplitReader,
    whole: FinishedRun,
    workdir: Path,
    interruptions: tuple[int, ...],
) -> None:
    experiment = make_experiment(1)
    for step in interruptions:
        with pytest.raises(Interrupted):
            run(experiment, StopsBefore(batches, step), reader, workdir)
    state = run(experiment, batches, reader, workdir)

    jax.tree.map(np.testing.assert_array_equal, state, whole.state)
    assert timeless_metrics(workdir) == timeless_metrics(whole.folder)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_saves_a_checkpoint_and_the_run_goes_on_exactly(
    make_experiment: MakeExperiment,
    batches: TrainBatches,
    reader: SplitReader,
    whole: FinishedRun,
    workdir: Path,
    number: signal.Signals,
    status: int,
) -> None:
    experiment = make_experiment(1)
    before = signal.getsignal(number)
    # Batches are drawn ahead of the step that takes them. Step 5 is neither saved nor evaluated by itself.
    ahead = experiment.config.data.prefetch + 1
    with pytest.raises(Preempted, match="asked to stop: the checkpoint of step 5 is written") as stopped:
        run(experiment, AsksToStop(batches, 5 + ahead, number), reader, workdir)
    assert stopped.value.status == status
    assert signal.getsignal(number) is before
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert checkpoints.last_step == 5
    state = run(experiment, batches, reader, workdir)
    jax.tree.map(np.testing.assert_array_equal, state, whole.state)
    assert timeless_metrics(workdir) == timeless_metrics(whole.folder)


@pytest.mark.usefixtures("interruptible")
def test_a_second_interruption_is_not_awaited(
    make_experiment: MakeExperiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    experiment = make_experiment(1)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, AsksToStop(batches, 6, signal.SIGINT, times=2), reader, workdir)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_of_the_last_step_is_not_forgotten(
    make_experiment: MakeExperiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    experiment = make_experiment(1)
    total = experiment.total_steps
    asking = dataclasses.replace(experiment, train_step=AskingStep(experiment.train_step, total))
    with pytest.raises(Preempted, match=f"the checkpoint of step {total} is written"):
        run(asking, batches, reader, workdir)
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert checkpoints.best_step is not None and checkpoints.last_step == total


@pytest.mark.usefixtures("interruptible")
def test_a_request_after_the_last_question_is_passed_on() -> None:
    with pytest.raises(KeyboardInterrupt), stop_requests() as stops_after:
        assert stops_after(1) == 0
        signal.raise_signal(signal.SIGINT)


class LeavesOnTheHost:
    """A step that is given batches on the host."""

    def __init__(self, step: TrainStep) -> None:
        self._step = step
        self.lower = step.lower

    def __call__(self, state: TrainState, batch: PairBatch) -> tuple[TrainState, Metrics]:
        return self._step(state, jax.device_get(batch))


def test_a_transfer_that_the_loop_does_not_ask_for_is_refused(
    make_experiment: MakeExperiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    """The guard under which all runs of this module train."""
    experiment = make_experiment(1)
    forgetful = dataclasses.replace(experiment, train_step=LeavesOnTheHost(experiment.train_step))
    with pytest.raises(jax.errors.JaxRuntimeError, match="Disallowed host-to-device transfer"):
        run(forgetful, batches, reader, workdir)


def test_a_finished_run_is_not_trained_again(
    make_experiment: MakeExperiment,
    batches: TrainBatches,
    reader: SplitReader,
    whole: FinishedRun,
    workdir: Path,
) -> None:
    experiment = make_experiment(1)
    shutil.copytree(whole.folder, workdir, dirs_exist_ok=True)
    again = run(experiment, StopsBefore(batches, 0), reader, workdir)
    jax.tree.map(np.testing.assert_array_equal, again, whole.state)
    assert read_metrics(workdir) == read_metrics(whole.folder)
    assert int(again.step) == experiment.total_steps == 9


def test_training_writes_curves_and_the_best_and_last_checkpoint(whole: FinishedRun) -> None:
    metrics = read_metrics(whole.folder)
    evaluations = {line["step"]: line["rsum/fused"] for line in metrics if line["kind"] == "val"}
    assert list(evaluations) == [6, 9]
    train_lines = [line for line in metrics if line["kind"] == "train"]
    assert [line["step"] for line in train_lines] == [2, 4, 6, 8, 9]
    assert {
        "loss",
        "loss/ranking",
        "loss/fbce/entity",
        "loss/kl/entity",
        "learning_rate",
        "pairs_per_second",
    } <= set(train_lines[0])
    assert any((whole.folder / "tensorboard").iterdir())
    with CheckpointStore(whole.folder / "checkpoints") as checkpoints:
        assert checkpoints.last_step == 9
        assert checkpoints.best_step == max(evaluations, key=lambda step: (evaluations[step], step))


def test_a_loss_that_is_not_finite_stops_the_run(
    make_experiment: MakeExperiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    # Step 4 is logged, and saved.
    with pytest.raises(
        FloatingPointError, match=r"step 4: .*loss, .*not finite; lower config.optim.learning_rate"
    ):
        run(make_experiment(1), BreaksAt(batches, 4), reader, workdir)


def test_a_state_that_is_not_finite_is_never_saved(
    make_experiment: MakeExperiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    # Every step is saved and none is logged.
    experiment = with_same_programs(
        make_experiment(1), train={"checkpoint_every_steps": 1, "log_every_steps": 1000}
    )
    with pytest.raises(FloatingPointError, match="step 3: "):
        run(experiment, BreaksAt(batches, 3), reader, workdir)
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert checkpoints.last_step == 2
        saved = checkpoints.restore(2, like=experiment.state_maker.abstract)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(jax.device_get(saved.params)))


class GuardedStep:
    """A training step during which no array may go to the devices."""

    def __init__(self, step: TrainStep) -> None:
        self._step, self.lower, self.calls = step, step.lower, 0

    def __call__(self, state: TrainState, batch: PairBatch) -> tuple[TrainState, Metrics]:
        self.calls += 1
        with jax.transfer_guard_host_to_device("disallow_explicit"):
            return self._step(state, batch)


def test_a_step_finds_state_and_batch_on_the_devices(
    make_experiment: MakeExperiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    experiment = make_experiment(1)
    step = GuardedStep(experiment.train_step)
    with pytest.raises(Interrupted):
        run(dataclasses.replace(experiment, train_step=step), StopsBefore(batches, 4), reader, workdir)
    assert step.calls > 2
