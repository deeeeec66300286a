"""This module makes all that a configuration and prepared data determine before the first step."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import optax
from jax.sharding import Mesh

from data_pipeline.prepared_data import Manifest, WordVectors
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import data_shape, example_batch, feature_statistics
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.pretrained.initial_parameters import find_encoder, is_held, is_pretrained
from mcsan_jax.pretrained.zero_shot_files import find_zero_shot_encoder
from mcsan_jax.ranking.encode_split import Encoders, make_encoders
from mcsan_jax.recipes.caption_limits import with_derived_limits
from mcsan_jax.sharding import check_batch_size, make_mesh, whole_rows
from mcsan_jax.training.checkpointing import NOT_READ, CheckpointStore
from mcsan_jax.training.micro_batches import check_micro_batches
from mcsan_jax.training.optimizers import learning_rate_schedule, make_optimizer
from mcsan_jax.training.train_step import StateMaker, TrainState, TrainStep, make_state_maker, make_train_step


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment holds a model on a mesh and all that trains or evaluates it.

    Attributes:
        config: the configuration.
        manifest: the manifest of the prepared data.
        mesh: the devices.
        model: the network.
        schedule: gives the learning rate of a step.
        optimizer: turns gradients into updates.
        state_maker: makes training states.
        train_step: the compiled step.
        encoders: the compiled encoders and the parameters of the score, for evaluation.
        steps_per_epoch: the number of steps in a pass over the training split; the last batch may not be full.
        note: what the user should know of its encoders; empty for nothing.
    """

    config: Config
    manifest: Manifest
    mesh: Mesh
    model: MCSAN
    schedule: Callable[[int], Any]
    optimizer: optax.GradientTransformation
    state_maker: StateMaker
    train_step: TrainStep
    encoders: Encoders
    steps_per_epoch: int
    note: str = ""

    @property
    def total_steps(self) -> int:
        """Returns the number of steps of the whole run."""
        return self.steps_per_epoch * self.config.train.epochs

    @property
    def steps_per_evaluation(self) -> int:
        """Returns the number of steps between two evaluations of the validation split."""
        return self.steps_per_epoch * self.config.train.evaluate_every_epochs

    def initial_state(self) -> TrainState:
        """Makes a state of freshly initialised parameters, with the feature statistics of the data."""
        return self.state_maker.create()

    def is_finished(self, checkpoints: CheckpointStore) -> bool:
        """Returns whether a training that goes on from the last checkpoint has no step left."""
        return (checkpoints.last_step or 0) >= self.total_steps or self.early_stop(checkpoints) is not None

    def early_stop(self, checkpoints: CheckpointStore) -> str | None:
        """Says after which step a training ended because of its patience; None where it did not, or has not yet.

        The checkpoints alone decide, so that a run that goes on from one of them ends after the same step.
        """
        total, patience = self.total_steps, self.config.train.patience
        last, best_since = checkpoints.last_step, checkpoints.best_since
        if not patience or last is None or best_since is None or last >= total:
            return None
        without = (last - best_since) // self.steps_per_evaluation
        if without < patience:
            return None
        plural = "s" if without > 1 else ""
        return f"stopped after step {last:,} of {total:,}: {without} evaluation{plural} without a better one"


def build_experiment(
    config: Config,
    manifest: Manifest,
    mesh: Mesh | None = None,
    word_vectors: WordVectors | None = None,
    trains: bool = True,
) -> Experiment:
    """Builds the experiment.

    Args:
        config: the experiment.
        manifest: the manifest of the prepared data.
        mesh: the devices on which it runs; all devices by default.
        word_vectors: the word vectors of the prepared data; None where it has none.
        trains: whether it trains; an evaluation runs on any number of devices, whatever the training batch is.

    Raises:
        InputError: the batch size does not fit the devices, or the word vectors or the pretrained text
            encoder do not fit the data.
    """
    mesh = make_mesh() if mesh is None else mesh
    if trains:
        check_batch_size(config.train.batch_size, mesh, "train.batch_size")
        check_micro_batches(config.train.batch_size, config.train.micro_batches, mesh)
    config = with_derived_limits(config, manifest)
    # Nothing but time and memory depends on it.
    encode_batch = whole_rows(config.evaluation.encode_batch, mesh)
    config = dataclasses.replace(
        config, evaluation=dataclasses.replace(config.evaluation, encode_batch=encode_batch)
    )
    encoder, zero_shot = find_encoder(config, manifest), find_zero_shot_encoder(config, manifest)
    model = MCSAN(
        config,
        data_shape(manifest),
        None if encoder is None else encoder.shape,
        None if zero_shot is None else zero_shot.shape,
    )
    videos = manifest.splits[config.data.train_split].videos
    steps_per_epoch = -(-videos // config.train.batch_size)
    total_steps = steps_per_epoch * config.train.epochs
    schedule = learning_rate_schedule(config.optim, steps_per_epoch, total_steps)
    optimizer = make_optimizer(
        config.optim, schedule, total_steps, encoder is not None, zero_shot is not None
    )
    return Experiment(
        config=config,
        manifest=manifest,
        mesh=mesh,
        model=model,
        schedule=schedule,
        optimizer=optimizer,
        state_maker=make_state_maker(
            model,
            example_batch(config, manifest),
            feature_statistics(manifest),
            optimizer,
            mesh,
            word_vectors,
            None if encoder is None else encoder.params(),
            None if zero_shot is None else zero_shot.params(),
        ),
        train_step=make_train_step(model, optimizer, config, mesh),
        encoders=make_encoders(model, mesh),
        steps_per_epoch=steps_per_epoch,
        note="" if zero_shot is None else zero_shot.note,
    )


def variables_of(state: TrainState) -> dict[str, Any]:
    """Returns the model's variables as they are used: the average of each parameter that has one, and the others."""
    params = state.params
    if state.average is not None:
        params = jax.tree.map(lambda own, mean: own if mean is None else mean, params, state.average)
    return {"params": params, "statistics": state.statistics}


def for_use(state: TrainState) -> TrainState:
    """Returns the abstract state without what only training needs; `variables_of` gives the same for both."""

    def unread(tree: Any) -> Any:
        return jax.tree.map(lambda _: NOT_READ, tree)

    params = state.params
    if state.average is not None:
        # A parameter without an average is used itself.
        params = jax.tree.map(lambda own, mean: own if mean is None else NOT_READ, params, state.average)
    return dataclasses.replace(
        state,
        step=unread(state.step),
        seed=unread(state.seed),
        opt_state=unread(state.opt_state),
        params=params,
    )


def parameter_count(state: TrainState) -> int:
    """Returns how many numbers the parameters have."""
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))


def published_count(state: TrainState) -> int:
    """Returns how many of these numbers were published with an encoder."""
    return _count(is_pretrained(state.params), state.params)


def held_count(state: TrainState, config: Config) -> int:
    """Returns how many of these numbers no step changes: those of encoders that stay as they were published."""
    return _count(is_held(state.params, config), state.params)


def _count(marks: Any, params: Any) -> int:
    leaves = zip(jax.tree.leaves(marks), jax.tree.leaves(params), strict=True)
    return sum(leaf.size for marked, leaf in leaves if marked)
