"""The moving average of the parameters, and that it is what is evaluated."""

import itertools

import jax
import numpy as np

from data_pipeline.batches.pipeline import TrainBatches
from mcsan_jax.sharding import put_batch
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.train_step import TrainState, make_train_step
from tests.training.runs import MakeExperiment

DECAY = 0.3


def trained(experiment: Experiment, batches: TrainBatches, steps: int) -> list[TrainState]:
    states = [experiment.initial_state()]
    for batch in itertools.islice(batches.from_step(0), steps):
        states.append(experiment.train_step(states[-1], put_batch(batch, experiment.mesh))[0])
    return states


def test_the_average_is_that_of_a_loop_and_is_what_is_used(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    experiment = make_experiment(1, optim={"average_decay": DECAY})
    states = trained(experiment, batches, 4)
    first, *rest = [jax.tree.leaves(jax.device_get(state.params)) for state in states]
    expected = [leaf.astype(np.float64) for leaf in first]
    for step, params in enumerate(rest, start=1):
        kept = min(DECAY, (1 + step) / (10 + step))
        expected = [kept * old + (1 - kept) * new for old, new in zip(expected, params, strict=True)]
    assert kept == DECAY and DECAY > 2 / 11
    used = variables_of(states[-1])["params"]
    for found, wanted in zip(jax.tree.leaves(used), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
    embedding = np.asarray(used["text_encoder"]["tokens"]["embedding"]["embedding"])
    last = np.asarray(states[-1].params["text_encoder"]["tokens"]["embedding"]["embedding"])
    assert np.abs(embedding - last).max() > 1e-4


def test_training_is_the_same_with_and_without_it(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    with_it = trained(make_experiment(1, optim={"average_decay": DECAY}), batches, 2)[-1]
    without = trained(make_experiment(1), batches, 2)[-1]
    assert without.average is None
    assert variables_of(without)["params"] is without.params
    # They are two programs, which XLA may fuse, and so round, differently; a step changes parameters by some 1e-4.
    for found, expected in zip(jax.tree.leaves(with_it.params), jax.tree.leaves(without.params), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_it_is_saved_and_taken_over(make_experiment: MakeExperiment, batches: TrainBatches, tmp_path) -> None:
    experiment = make_experiment(1, optim={"average_decay": DECAY})
    state = trained(experiment, batches, 2)[-1]
    with CheckpointStore(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(2, state)
        checkpoints.wait()
        restored = checkpoints.restore(2, like=experiment.state_maker.abstract)
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((restored, state)))


def test_the_memory_of_state_and_average_is_donated_to_the_step(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    experiment = make_experiment(1, optim={"average_decay": DECAY})
    batch = put_batch(next(batches.from_step(0)), experiment.mesh)
    # On an accelerator; the parameters and their average start as one.
    parts = (experiment.model, experiment.optimizer, experiment.config, experiment.mesh)
    fresh = experiment.initial_state()
    after, _ = make_train_step(*parts, donate=True)(fresh, batch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((fresh.params, fresh.average)))
    assert np.isfinite(float(after.average["log_temperature"]))
    experiment.train_step(after, batch)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(after)), "a processor keeps it"
