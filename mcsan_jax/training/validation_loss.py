"""The training loss on videos that are not trained on, for curves."""

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from mcsan_jax.batch import PairBatch
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.objective import logged_losses, make_objective
from mcsan_jax.training.sharding import put_batch, replicated, split_rows
from mcsan_jax.training.train_loop import PairStream, ValidationLoss
from mcsan_jax.training.train_step import Metrics, TrainState


def make_validation_loss(experiment: Experiment, batches: PairStream, steps: int) -> ValidationLoss:
    """The objective of training, without dropout, on the first batches of a stream, the same ones every time.

    Args:
        experiment: model, objective and mesh.
        batches: of validation videos, of a size that the mesh divides.
        steps: number of batches, usually one pass over the videos; each counts by its real videos.

    Returns:
        Of a state: ``loss``, and the losses that it is the sum of, ``loss/<name>``.
    """
    everywhere = replicated(experiment.mesh)
    objective = make_objective(experiment.config, experiment.mesh)

    def losses_of(variables: Mapping[str, Any], batch: PairBatch) -> tuple[jax.Array, Metrics]:
        encoded: Any = experiment.model.apply(variables, batch, train=False)
        videos, texts, parameters = encoded
        total, terms = objective(videos, texts, parameters, batch)
        real = jnp.sum(batch.example_mask, dtype=jnp.float32)
        return real, logged_losses(total, terms)

    compiled = jax.jit(
        losses_of, in_shardings=(everywhere, split_rows(experiment.mesh)), out_shardings=everywhere
    )

    def validation_loss(state: TrainState) -> dict[str, float]:
        sums: dict[str, float] = {}
        videos = 0.0
        for batch in itertools.islice(batches.from_step(0), steps):
            real, losses = jax.device_get(compiled(variables_of(state), put_batch(batch, experiment.mesh)))
            videos += float(real)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(real * value)
        return {name: value / videos for name, value in sums.items()}

    return validation_loss
