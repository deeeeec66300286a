from collections.abc import Callable

import jax
import numpy as np
import pytest

from data_pipeline.input_pipeline import TrainBatches
from mcsan_jax.batch import PairBatch
from mcsan_jax.config import Config
from mcsan_jax.training.experiment import Experiment, batch_limits, variables_of
from mcsan_jax.training.objective import make_objective
from mcsan_jax.training.sharding import put_batch
from mcsan_jax.training.train_step import TrainState
from mcsan_jax.training.validation_loss import make_validation_loss
from tests.support.prepared_data import Prepared

MakeExperiment = Callable[..., Experiment]


@pytest.mark.parametrize("devices", [1, 4])
def test_it_is_the_mean_over_the_videos_of_the_loss_without_dropout(
    make_experiment: MakeExperiment, prepared: Prepared, config: Config, devices: int
) -> None:
    experiment = make_experiment(devices)
    # 21 videos in batches of eight: the last batch has five.
    batches = TrainBatches(prepared.folder, prepared.manifest, "train", 8, batch_limits(config.data), seed=3)
    state = experiment.initial_state()
    loss_of = make_validation_loss(experiment, batches, batches.steps_per_epoch)
    found = loss_of(state)
    assert found == loss_of(state)

    objective = make_objective(config, experiment.mesh)

    @jax.jit
    def total_of(state: TrainState, batch: PairBatch) -> jax.Array:
        return objective(*experiment.model.apply(variables_of(state), batch, train=False), batch)[0]

    totals, videos = [], []
    stream = batches.from_step(0)
    for _ in range(3):
        batch = put_batch(next(stream), experiment.mesh)
        totals.append(float(total_of(state, batch)))
        videos.append(int(np.sum(jax.device_get(batch.example_mask))))
    assert videos == [8, 8, 5]
    np.testing.assert_allclose(found["loss"], np.average(totals, weights=videos), rtol=1e-5)
    assert {"loss", "loss/ranking", "loss/fbce/entity", "loss/kl/action"} <= set(found)
