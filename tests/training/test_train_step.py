import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.levels import LEVELS
from mcsan_jax.sharding import check_batch_size, make_mesh, put_batch
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.train_step import stream_key
from tests.training.runs import MakeExperiment


def train(experiment: Experiment, batches: list[PairBatch]) -> tuple[list[dict[str, float]], Any]:
    """Metrics of each step, and the optimiser's first moments after the first, the gradient but for a factor."""
    state = experiment.initial_state()
    metrics, moments = [], []
    for batch in batches:
        state, found = experiment.train_step(state, put_batch(batch, experiment.mesh))
        metrics.append({name: float(value) for name, value in found.items()})
        moments.append(optax.tree.get(state.opt_state, "mu"))
    assert state.params["log_temperature"].sharding.is_fully_replicated
    return metrics, jax.device_get(moments[0])


def test_the_step_compiles_once(make_experiment: MakeExperiment, batches: TrainBatches) -> None:
    # Before its neighbour below, which would else wait for the compiler twice.
    experiment = make_experiment(8)
    train(experiment, list(itertools.islice(batches.from_step(0), 5)))
    assert experiment.train_step._cache_size() == 1


@pytest.mark.parametrize(
    "groups", [{}, pytest.param({"model": {"levels": LEVELS}}, marks=pytest.mark.slow, id="all levels")]
)
def test_eight_devices_train_like_one(
    make_experiment: MakeExperiment, batches: TrainBatches, groups: dict[str, Any]
) -> None:
    # The first is the last of an epoch, which is not full.
    some = list(itertools.islice(batches.from_step(2), 4))
    assert not np.all(some[0].example_mask)
    (one, one_moments), (eight, eight_moments) = (
        train(make_experiment(devices, **groups), some) for devices in (1, 8)
    )
    for found, expected in zip(eight, one, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    assert one[0]["gradient_norm"] > 0.1
    jax.tree.map(
        lambda found, expected: np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7),
        eight_moments,
        one_moments,
    )


def test_runs_that_differ_in_the_seed_share_their_programs(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    first, second = (make_experiment(1, train={"seed": seed}) for seed in (0, 1))
    states = [experiment.initial_state() for experiment in (first, second)]
    params = [jax.tree.leaves(state.params) for state in states]
    assert any(not np.array_equal(own, other) for own, other in zip(*params, strict=True))
    batch = put_batch(next(batches.from_step(0)), first.mesh)
    programs = {
        experiment.train_step.lower(state, batch).as_text()
        for experiment, state in zip((first, second), states, strict=True)
    }
    assert len(programs) == 1
    # The dropout is that of the seed in the state.
    _, own = first.train_step(states[0], batch)
    _, other = first.train_step(dataclasses.replace(states[0], seed=states[1].seed), batch)
    assert own["loss"] != other["loss"]


def test_the_loss_falls_on_one_batch(make_experiment: MakeExperiment, batches: TrainBatches) -> None:
    experiment = make_experiment(1, optim={"learning_rate": 3e-3, "warmup_epochs": 0.0}, train={"epochs": 40})
    state = experiment.initial_state()
    batch = put_batch(next(batches.from_step(0)), experiment.mesh)
    losses = []
    for _ in range(40):
        state, metrics = experiment.train_step(state, batch)
        losses.append(float(metrics["loss/ranking"]))
    assert losses[-1] < 0.5 * losses[0]


def test_switched_off_terms_are_not_computed(make_experiment: MakeExperiment, batches: TrainBatches) -> None:
    batch = next(batches.from_step(0))

    state = make_experiment(1).initial_state()

    def terms(**loss: object) -> set[str]:
        step = make_experiment(1, loss=loss).train_step
        _, metrics = jax.eval_shape(step, state, batch)
        return {"/".join(name.split("/")[:2]) for name in metrics if not name.startswith("level_weight/")}

    always = {"loss", "temperature", "gradient_norm"}
    assert terms(focal_weight=0.0) == always | {"loss/ranking", "loss/kl"}
    assert terms(ranking="none", divergence_weight=0.0) == always | {"loss/fbce"}


def test_statistics_standardise_and_are_not_trained(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    experiment = make_experiment(1)
    state = experiment.initial_state()
    before = jax.device_get(state.statistics)
    np.testing.assert_array_equal(before["frame_statistics"]["std"], np.ones(6, np.float32))
    state, _ = experiment.train_step(state, put_batch(next(batches.from_step(0)), experiment.mesh))
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(state.statistics), before)


def test_random_streams_depend_on_name_step_and_seed() -> None:
    keys = [
        stream_key(0, "dropout", 0),
        stream_key(0, "dropout", 1),
        stream_key(0, "init", 0),
        stream_key(1, "dropout", 0),
    ]
    data = {tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys}
    assert len(data) == 4
    same = stream_key(0, "dropout", jnp.int32(1))
    assert np.array_equal(jax.random.key_data(same), jax.random.key_data(keys[1]))


def test_a_batch_size_that_the_devices_do_not_divide_is_refused() -> None:
    mesh = make_mesh(jax.devices()[:8])
    check_batch_size(16, mesh, "train.batch_size")
    with pytest.raises(
        InputError, match=r"config\.train\.batch_size is 20, which 8 devices do not divide; use 16 or 24"
    ):
        check_batch_size(20, mesh, "train.batch_size")
