"""The whole training loop."""

import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Protocol

import jax
import numpy as np

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.evaluation.evaluate import Evaluation
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.processes import is_first
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.kept_states import KeptStates
from mcsan_jax.training.preemption import Preempted, stop_requests
from mcsan_jax.training.prefetch import on_devices
from mcsan_jax.training.progress import RunLog, TrainProgress
from mcsan_jax.training.step_memory import describe_memory
from mcsan_jax.training.step_trace import StepTrace
from mcsan_jax.training.train_step import Metrics, TrainState


class PairStream(Protocol):
    """Training batches whose order is a pure function of the step."""

    def from_step(self, step: int) -> Iterator[PairBatch]:
        """Batches from a global step on, without end."""
        ...


Evaluator = Callable[[TrainState, int], tuple[Evaluation, str]]
"""Evaluates a state at a step on the validation split; returns the figures and the lines to print."""

ValidationLoss = Callable[[TrainState], dict[str, float]]
"""The loss of a state on the validation split, and its terms, by name."""


def train(
    experiment: Experiment,
    batches: PairStream,
    evaluator: Evaluator,
    checkpoints: CheckpointStore,
    workdir: pathlib.Path,
    validation_loss: ValidationLoss | None = None,
    profile: bool = False,
) -> TrainState:
    """Trains from the last checkpoint (or from the start) to the end of the last epoch.

    Nothing but the step decides what happens in it: batches and random streams are functions of (seed, step), so a
    resumed run goes through bit for bit the same states as one that was never interrupted. With `profile`, the first
    process traces a few steps.

    Raises:
        Preempted: SIGTERM asked it to stop, and it saved a checkpoint.
        FloatingPointError: a term of the loss is not finite.
        InputError: a checkpoint could not be written.
    """
    config, total = experiment.config.train, experiment.total_steps
    start = checkpoints.last_step or 0
    if start:
        state = checkpoints.restore(start, like=experiment.state_maker.abstract)
        print(f"resumed from the checkpoint at step {start} of {total}", flush=True)
    else:
        state = experiment.initial_state()
    if start >= total:
        return state
    # Compiled, because each of its operations would send constants to the devices.
    learning_rate = jax.jit(experiment.schedule)
    host_batches: Iterator[PairBatch] = itertools.islice(batches.from_step(start), total - start)
    if config.keep_states and experiment.config.encoder_is_frozen:
        host_batches = _kept_states(experiment, state).attach(host_batches)
    stream = on_devices(host_batches, experiment.mesh, experiment.config.data.prefetch)
    batch = next(stream)
    print(describe_memory(experiment, state, batch), flush=True)
    with (
        StepTrace(workdir / "profile" if profile and is_first() else None, start) as trace,
        RunLog(workdir, start) as log,
        TrainProgress(total, start, config.batch_size) as progress,
        stop_requests() as stops_after,
    ):
        for step in range(start + 1, total + 1):
            trace.begin_step(step)
            with jax.profiler.StepTraceAnnotation("train", step_num=step):
                state, metrics = experiment.train_step(state, batch)
            trace.end_step(step, metrics)
            if step < total:
                # Made and copied while the devices still compute the step.
                batch = next(stream)

            last = step == total
            logs = last or step % config.log_every_steps == 0
            evaluates = last or step % (config.evaluate_every_epochs * experiment.steps_per_epoch) == 0
            stops = stops_after(step) and not last
            saves = evaluates or stops or step % config.checkpoint_every_steps == 0
            if logs or saves:
                # Before any checkpoint: a broken state must not take the place of a good one.
                values = _finite(metrics, step)
            if logs:
                values["learning_rate"] = float(jax.device_get(learning_rate(jax.device_put(np.int32(step - 1)))))
                log.write(step, "train", progress.report(step, values))

            # Evaluation comes before the checkpoint of its step: a checkpoint is written with the figure by which it
            # is selected, and a run killed in between evaluates again.
            if evaluates:
                evaluation, lines = evaluator(state, step)
                progress.pause(lines)
                losses = validation_loss(state) if validation_loss else {}
                log.write(step, "val", _scalars(evaluation) | losses)
                checkpoints.save(step, state, evaluation.rsum)
                progress.resume(step)
            elif saves:
                checkpoints.save(step, state)
            if stops:
                checkpoints.wait()
                raise Preempted(step)
    checkpoints.wait()
    return state


def _kept_states(experiment: Experiment, state: TrainState) -> KeptStates:
    assert experiment.model.pretrained is not None
    params = state.params["text_encoder"]["tokens"][PRETRAINED]
    model = experiment.config.model
    return KeptStates(experiment.model.pretrained, params, model.compute_dtype, model.matmul_precision)


def _finite(metrics: Metrics, step: int) -> dict[str, float]:
    """Metrics on the host.

    Raises:
        FloatingPointError: names the step and the terms that are not finite.
    """
    values = {name: float(value) for name, value in jax.device_get(metrics).items()}
    broken = [name for name, value in values.items() if not np.isfinite(value)]
    if broken:
        raise FloatingPointError(
            f"step {step}: {', '.join(broken)} not finite; lower config.optim.learning_rate, or check the features "
            "(the last checkpoint in the work folder is from before this step)"
        )
    return values


def _scalars(evaluation: Evaluation) -> dict[str, float]:
    """The figures worth a curve."""
    values = {f"rsum/{part}": figures["rsum"] for part, figures in evaluation.directions.items()}
    fused = evaluation.directions["fused"]
    for direction in ("t2v", "v2t"):
        values.update({f"{direction}/{name}": value for name, value in fused[direction].items()})
    for kind, accuracy in evaluation.compositional.get("fused", {}).items():
        values[f"compositional/{kind}"] = accuracy
    return values
