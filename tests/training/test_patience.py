"""A training ends early where the validation split has not become better for a while."""

import json
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from mcsan_jax.train_run import patience_note
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment
from tests.training.runs import Interrupted, MakeExperiment, StopsBefore, run, with_same_programs

STEPS = (3, 6, 9, 12, 15, 18)
"""An epoch has three steps, and an evaluation comes after each."""
PEAK = dict(zip(STEPS, (10.0, 30.0, 20.0, 29.0, 50.0, 60.0), strict=True))


@pytest.fixture
def experiment(make_experiment: MakeExperiment) -> Experiment:
    return with_same_programs(
        make_experiment(1), train={"epochs": len(STEPS), "evaluate_every_epochs": 1, "patience": 2}
    )


def timeless(workdir: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "pairs_per_second"} for line in lines]


@pytest.mark.parametrize(
    ("rsums", "last", "best"),
    [
        (PEAK, 12, 6),
        # An equal figure is no better one, whether or not a worse one comes in between.
        (dict.fromkeys(STEPS, 30.0), 9, 9),
        (dict(zip(STEPS, (30.0, 20.0, 30.0, 40.0, 50.0, 60.0), strict=True)), 9, 9),
        # Each better one is followed by a worse one at most.
        (dict(zip(STEPS, (10.0, 9.0, 11.0, 9.0, 12.0, 9.0), strict=True)), 18, 15),
        # Patience runs out with the last step, which ends nothing early.
        (dict(zip(STEPS, (10.0, 20.0, 30.0, 40.0, 39.0, 38.0), strict=True)), 18, 12),
    ],
)
def test_training_ends_after_evaluations_without_a_better_one(
    experiment: Experiment,
    batches: TrainBatches,
    reader: SplitReader,
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    rsums: Mapping[int, float],
    last: int,
    best: int,
) -> None:
    state = run(experiment, batches, reader, workdir, rsums)
    assert int(state.step) == last
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert (checkpoints.last_step, checkpoints.best_step) == (last, best)
        stopped = experiment.early_stop(checkpoints)
    said = capsys.readouterr().out
    if last == experiment.total_steps:
        assert stopped is None and "without a better one" not in said
    else:
        assert stopped == f"stopped after step {last} of 18: 2 evaluations without a better one"
        assert f"{stopped}\n" in said


@pytest.mark.parametrize(
    ("patience", "every", "can_end"),
    [(0, 6, True), (1, 6, False), (1, 3, False), (1, 2, True), (4, 1, True), (5, 1, False)],
)
def test_a_patience_that_cannot_run_out_is_told(
    experiment: Experiment, patience: int, every: int, can_end: bool
) -> None:
    """Six epochs."""
    changed = {"patience": patience, "evaluate_every_epochs": every}
    note = patience_note(with_same_programs(experiment, train=changed))
    assert (note is None) == can_end
    assert (
        note is None or f"patience is {patience}, but the validation split is evaluated {6 // every} " in note
    )


def test_a_patience_of_zero_never_ends_a_training(
    experiment: Experiment, batches: TrainBatches, reader: SplitReader, workdir: Path
) -> None:
    never = with_same_programs(experiment, train={"patience": 0})
    state = run(never, batches, reader, workdir, dict.fromkeys(STEPS, 30.0))
    assert int(state.step) == experiment.total_steps


# Between two evaluations, at a checkpoint without figures of its own, and before the evaluation that ends the training.
@pytest.mark.parametrize("interruptions", [(4, 8), (10,), (11, 12)])
def test_a_resumed_training_ends_after_the_same_step_and_is_finished_then(
    experiment: Experiment,
    batches: TrainBatches,
    reader: SplitReader,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interruptions: tuple[int, ...],
) -> None:
    whole = run(experiment, batches, reader, tmp_path / "whole", PEAK)
    for step in interruptions:
        with pytest.raises(Interrupted):
            run(experiment, StopsBefore(batches, step), reader, tmp_path / "resumed", PEAK)
    resumed = run(experiment, batches, reader, tmp_path / "resumed", PEAK)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    assert timeless(tmp_path / "resumed") == timeless(tmp_path / "whole")

    capsys.readouterr()
    again = run(experiment, StopsBefore(batches, 0), reader, tmp_path / "resumed", PEAK)
    jax.tree.map(np.testing.assert_array_equal, again, whole)
    assert "stopped after step 12 of 18: 2 evaluations without a better one\n" in capsys.readouterr().out
    assert timeless(tmp_path / "resumed") == timeless(tmp_path / "whole")
