"""This module is the whole training loop."""

import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax
import numpy as np

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.processes import Preempted, from_all_processes, is_first, stop_requests
from mcsan_jax.ranking.rank_split import Evaluation
from mcsan_jax.sharding import on_devices
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.progress import RunLog, StepTrace, TrainProgress, describe_memory
from mcsan_jax.training.token_state_cache import (
    TokenStateCache,
    caches_token_states,
    make_span_cache,
    make_token_state_cache,
)
from mcsan_jax.training.train_step import Metrics, TrainState


class PairStream(Protocol):
    """A stream gives training batches whose order is a pure function of the step."""

    def from_step(self, step: int) -> Iterator[PairBatch]:
        """Yields batches from a global step on, without end."""
        ...


Evaluator = Callable[[TrainState, int], tuple[TrainState, Evaluation, dict[str, float], str]]
"""Evaluates a state at a step on the validation split; returns the state with what was chosen there, the figures, the
losses, and what to print."""

Starter = Callable[[TrainState, TokenStateCache | None], TrainState]
"""Completes a freshly initialised state from the training split."""


def train(
    experiment: Experiment,
    batches: PairStream,
    evaluator: Evaluator,
    checkpoints: CheckpointStore,
    run_folder: pathlib.Path,
    profile: bool = False,
    starter: Starter | None = None,
) -> TrainState:
    """Trains from the last checkpoint (or from the start) to the end of the last epoch, or until patience runs out.

    A network that begins with the score of an image-text encoder is also evaluated before the first step, so that the
    best checkpoint is no worse than that on the validation split.

    Batches and random streams are functions of (seed, step) alone, so a resumed run goes bit for bit through the same
    states as one that was never interrupted.

    Args:
        experiment: the model, the optimiser and the compiled step.
        batches: the batches of the training split.
        evaluator: the function that evaluates a state.
        checkpoints: the store that keeps the states.
        run_folder: the folder of the logs and of the trace.
        profile: whether the first process traces a few steps.
        starter: completes the state with which a new run begins.

    Returns:
        The last state, on the devices.

    Raises:
        Preempted: SIGTERM or Ctrl-C asked it to stop, and it saved a checkpoint.
        FloatingPointError: a term of the loss is not finite.
        InputError: a checkpoint could not be written.
    """
    config, total = experiment.config.train, experiment.total_steps
    is_new = checkpoints.last_step is None
    start, state = _first_state(experiment, checkpoints)
    if experiment.is_finished(checkpoints):
        return state
    states = make_token_state_cache(experiment, state) if caches_token_states(experiment) else None
    if starter is not None and is_new:
        state = starter(state, states)
    learning_rate = _compiled(experiment.schedule)
    host_batches: Iterator[PairBatch] = itertools.islice(batches.from_step(start), total - start)
    caches = [cache for cache in (states, make_span_cache(experiment, state)) if cache is not None]
    for cache in caches:
        host_batches = cache.attach(host_batches)
    stream = on_devices(host_batches, experiment.mesh, experiment.config.data.prefetch)
    batch = next(stream)
    print(describe_memory(experiment, state, batch), flush=True)
    with (
        StepTrace(run_folder / "profile" if profile and is_first() else None, start) as trace,
        RunLog(run_folder, start) as log,
        TrainProgress(total, start, config.batch_size) as progress,
        stop_requests() as stops_after,
    ):
        if is_new and experiment.model.zero_shot is not None:
            state, lines = _evaluated(state, 0, evaluator, log, checkpoints)
            progress.pause(lines)
            progress.resume(0)
        for step in range(start + 1, total + 1):
            trace.begin_step(step)
            with jax.profiler.StepTraceAnnotation("train", step_num=step):
                state, metrics = experiment.train_step(state, batch)
            trace.end_step(step, metrics)
            if step < total:
                # These are made and copied while the devices still compute the step.
                batch = next(stream)

            last = step == total
            logs = last or step % config.log_every_steps == 0
            evaluates = last or step % experiment.steps_per_evaluation == 0
            stops = stops_after(step)
            saves = evaluates or stops or step % config.checkpoint_every_steps == 0
            if logs or saves:
                # This comes before any checkpoint: a broken state must not replace a good one.
                values = _finite(metrics, step)
            if logs:
                values["learning_rate"] = learning_rate(step - 1)
                log.write(step, "train", progress.report(step, values))

            stopped = None
            if evaluates:
                state, lines = _evaluated(state, step, evaluator, log, checkpoints)
                stopped = experiment.early_stop(checkpoints)
                progress.pause("\n".join([lines, stopped] if stopped else [lines]))
                progress.resume(step)
            elif saves:
                checkpoints.save(step, state)
            if stops:
                checkpoints.wait()
                raise Preempted(step, stops)
            if stopped:
                break
    checkpoints.wait()
    return state


def _first_state(experiment: Experiment, checkpoints: CheckpointStore) -> tuple[int, TrainState]:
    """Returns the step and the state from which the training goes on, and says where that is not the beginning."""
    start = checkpoints.last_step
    if start is None:
        return 0, experiment.initial_state()
    state = checkpoints.restore(start, like=experiment.state_maker.abstract)
    print(f"resumed from the checkpoint at step {start} of {experiment.total_steps}", flush=True)
    if stopped := experiment.early_stop(checkpoints):
        print(stopped, flush=True)
    return start, state


def _evaluated(
    state: TrainState, step: int, evaluator: Evaluator, log: RunLog, checkpoints: CheckpointStore
) -> tuple[TrainState, str]:
    """Evaluates a state and saves it with the figure that selects it; returns it, and what to print.

    Evaluation comes before the checkpoint of its step, so that a run that is killed in between evaluates again.
    """
    state, evaluation, losses, lines = evaluator(state, step)
    log.write(step, "val", _scalars(evaluation) | losses)
    # The first process decides for all, whose processors may round differently.
    checkpoints.save(step, state, float(from_all_processes(np.array(evaluation.rsum))[0]))
    return state, lines


def _compiled(schedule: Callable[[Any], Any]) -> Callable[[int], float]:
    """Returns the schedule as a compiled program; otherwise each of its operations would send constants to a device."""

    @jax.jit
    def program(step: jax.Array) -> jax.Array:
        # Optax multiplies floats and integers, which the strict setting of the tests forbids.
        with jax.numpy_dtype_promotion("standard"):
            return schedule(step)

    return lambda step: float(jax.device_get(program(jax.device_put(np.int32(step)))))


def _finite(metrics: Metrics, step: int) -> dict[str, float]:
    """Returns the metrics on the host.

    Raises:
        FloatingPointError: a metric is not finite; the message names the step and the terms.
    """
    values = {name: float(value) for name, value in jax.device_get(metrics).items()}
    broken = [name for name, value in values.items() if not np.isfinite(value)]
    if broken:
        raise FloatingPointError(
            f"step {step}: {', '.join(broken)} not finite; lower config.optim.learning_rate, or check the features "
            "(the last checkpoint in the folder of the run is from before this step)"
        )
    return values


def _scalars(evaluation: Evaluation) -> dict[str, float]:
    """Returns the figures that the curves show, by name."""
    values = {f"rsum/{score}": figures["rsum"] for score, figures in evaluation.directions.items()}
    fused = evaluation.directions["fused"]
    for direction in ("t2v", "v2t"):
        values.update({f"{direction}/{name}": value for name, value in fused[direction].items()})
    for kind, accuracy in evaluation.compositional.get("fused", {}).items():
        values[f"compositional/{kind}"] = accuracy
    return values
