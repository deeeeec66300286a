import itertools

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import TrainBatches
from mcsan_jax.config import Config
from mcsan_jax.sharding import put_batch
from mcsan_jax.training.experiment import batch_limits, variables_of
from mcsan_jax.training.objective import make_objective
from mcsan_jax.training.train_loop import make_validation_loss
from mcsan_jax.training.train_step import TrainState
from tests.support.prepared_data import Prepared
from tests.training.runs import MakeExperiment


@pytest.fixture(scope="module")
def other_batches(prepared: Prepared, config: Config) -> TrainBatches:
    return TrainBatches(prepared.folder, prepared.manifest, "train", 8, batch_limits(config.data), seed=3)


@pytest.fixture(scope="module")
def expected(make_experiment: MakeExperiment, other_batches: TrainBatches) -> float:
    """The mean on one device: 21 videos in batches of eight, of which the last has five."""
    experiment = make_experiment(1)
    objective = make_objective(experiment.config, experiment.mesh)

    @jax.jit
    def total_of(state: TrainState, batch: PairBatch) -> jax.Array:
        return objective(*experiment.model.apply(variables_of(state), batch, train=False), batch)[0]

    state = experiment.initial_state()
    epoch = list(itertools.islice(other_batches.from_step(0), 3))
    videos = [int(np.sum(batch.example_mask)) for batch in epoch]
    assert videos == [8, 8, 5]
    totals = [float(total_of(state, put_batch(batch, experiment.mesh))) for batch in epoch]
    return float(np.average(totals, weights=videos))


@pytest.mark.parametrize("devices", [1, 8])
def test_it_is_the_mean_over_the_videos_of_the_loss_without_dropout(
    make_experiment: MakeExperiment, other_batches: TrainBatches, expected: float, devices: int
) -> None:
    experiment = make_experiment(devices)
    state = experiment.initial_state()
    loss_of = make_validation_loss(experiment, other_batches, other_batches.steps_per_epoch)
    found = loss_of(state)
    assert found == loss_of(state)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert {"loss", "loss/ranking", "loss/fbce/entity", "loss/kl/entity"} <= set(found)
