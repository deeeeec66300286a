"""This module makes the pure training step (loss, gradient, update), compiled once for a mesh."""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int, UInt

from data_pipeline.batches.batch import PairBatch
from data_pipeline.prepared_data import WordVectors
from mcsan_jax.config import Config
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.pretrained.initial_parameters import (
    check_word_vectors,
    hold_pretrained,
    with_pretrained,
    with_tower,
    with_word_vectors,
    without_held,
)
from mcsan_jax.sharding import replicated, split_rows
from mcsan_jax.training.micro_batches import encode_in_micro_batches, encode_whole
from mcsan_jax.training.objective import logged_losses, make_objective
from mcsan_jax.training.optimizers import moving_average

Metrics = dict[str, jax.Array]
TrainStep = jax.stages.Wrapped
"""This is the compiled step ``(state, batch) → (state, metrics)``, of `TrainState`, `PairBatch` and `Metrics`."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """A state holds everything that training changes, and the constants that it needs.

    Attributes:
        step: the number of steps taken.
        seed: the seed of all random streams; as it is in the state, runs that differ in nothing else share programs.
        params: the parameters of the network.
        statistics: the feature statistics, which training does not change.
        opt_state: the state of the optimiser.
        average: the moving average of the parameters; None where the config asks for none, and for each parameter of
            an encoder that stays as it was published.
    """

    step: Int[Array, ""]
    seed: UInt[Array, ""]
    params: Any
    statistics: Any
    opt_state: Any
    average: Any = None


def stream_key(seed: UInt[Array, ""] | int, name: str, step: Int[Array, ""] | int) -> jax.Array:
    """Returns the random key of a named stream at a step, a pure function, so that resuming needs no saved key."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode())), step)


@dataclasses.dataclass(frozen=True)
class StateMaker:
    """A state maker makes training states of a model on a mesh.

    Attributes:
        create: makes a freshly initialised state, on the devices in its final sharding.
        abstract: the shapes, types and shardings of that state, into which a checkpoint is restored; it needs no
            compilation.
    """

    create: Callable[[], TrainState]
    abstract: TrainState


def make_state_maker(
    model: MCSAN,
    example: PairBatch,
    statistics: Mapping[str, Mapping[str, Any]],
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    word_vectors: WordVectors | None = None,
    published: Any = None,
    tower: Any = None,
) -> StateMaker:
    """Returns what makes states of this model.

    Args:
        model: the network.
        example: any batch; only its shapes matter.
        statistics: mean and standard deviation of features, in the model's ``statistics`` collection.
        optimizer: gives the optimiser state.
        mesh: the devices where the state lives.
        word_vectors: the first values of the word embedding; None leaves it random.
        published: parameters of the pretrained text encoder; None where the model has none.
        tower: parameters of the text tower of the zero-shot branch; None where the model has none.

    Raises:
        InputError: the word vectors do not fit the model.
    """
    seed = np.uint32(model.config.train.seed)
    words = None
    if word_vectors is not None:
        check_word_vectors(word_vectors, model.config.model.word_width, model.shape.vocabulary_size)
        words = (word_vectors.vectors, word_vectors.known)

    # Given values are arguments: as constants, megabytes of them would become part of the program.
    def first_state(
        seed: UInt[Array, ""], words: tuple[jax.Array, jax.Array] | None, published: Any, tower: Any
    ) -> TrainState:
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), example)
        variables = model.init(stream_key(seed, "init", 0), zeros)
        params = variables["params"]
        if words is not None:
            params = with_word_vectors(params, *words)
        if published is not None:
            params = with_pretrained(params, published)
        if tower is not None:
            params = with_tower(params, tower)
        # The map also refuses statistics that do not fit the model; a linear branch begins with zeros.
        initial = variables["statistics"]
        constants = jax.tree.map(
            lambda own, given: jnp.asarray(given, own.dtype).reshape(own.shape),
            {name: own for name, own in initial.items() if name != "linear_branch"},
            dict(statistics),
        )
        constants = {**initial, **constants}
        average = without_held(params, model.config) if model.config.optim.average_decay > 0 else None
        return TrainState(jnp.zeros((), jnp.int32), seed, params, constants, optimizer.init(params), average)

    everywhere = replicated(mesh)
    abstract: TrainState = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere),
        jax.eval_shape(first_state, seed, words, published, tower),
    )
    compiled = jax.jit(first_state, in_shardings=everywhere, out_shardings=everywhere)
    return StateMaker(functools.partial(compiled, seed, words, published, tower), abstract)


def make_train_step(
    model: MCSAN,
    optimizer: optax.GradientTransformation,
    config: Config,
    mesh: Mesh,
    donate: bool | None = None,
) -> TrainStep:
    """Compiles the step ``(state, batch) → (state, metrics)``.

    Loss and similarity matrix are over the global batch. Metrics are scalars: ``loss``, the losses that it is the
    sum of (``loss/<name>``), ``gradient_norm``, ``temperature``, and ``level_weight/<level>``.

    Args:
        model: the network.
        optimizer: turns gradients into updates.
        config: the experiment.
        mesh: the devices on which it runs.
        donate: whether the given state is donated to the step; None donates it on accelerators only. On a processor
            XLA would then copy every parameter several times, which takes a tenth of the step.
    """
    if donate is None:
        donate = mesh.devices.flat[0].platform != "cpu"
    everywhere = replicated(mesh)
    objective = make_objective(config, mesh)
    count = config.train.micro_batches
    encode = encode_in_micro_batches(model, mesh, count) if count > 1 else encode_whole(model)

    def loss_of(params: Any, state: TrainState, batch: PairBatch) -> tuple[jax.Array, Metrics]:
        variables = {
            "params": hold_pretrained(params, config),
            "statistics": state.statistics,
        }
        encoded = encode(variables, batch, stream_key(state.seed, "dropout", state.step))
        parameters: Any = model.apply(variables, method=model.scoring_parameters)
        videos, texts, foils = encoded
        total, terms = objective(videos, texts, parameters, batch, foils)
        weights = {f"level_weight/{level}": w for level, w in parameters.level_weights.items()}
        metrics = {**logged_losses(total, terms), "temperature": parameters.temperature, **weights}
        return total, metrics

    def train_step(state: TrainState, batch: PairBatch) -> tuple[TrainState, Metrics]:
        # The model sets it for its own products; those of their gradients are traced here.
        with jax.default_matmul_precision(config.model.matmul_precision):
            gradient, metrics = jax.grad(loss_of, has_aux=True)(state.params, state, batch)
        # Optax multiplies floats and integers, which the strict setting of the tests forbids.
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        step = state.step + 1
        average = None
        if state.average is not None:
            learned = without_held(params, config)
            average = moving_average(state.average, learned, step, config.optim.average_decay)
        return TrainState(step, state.seed, params, state.statistics, opt_state, average), metrics

    return jax.jit(
        train_step,
        in_shardings=(everywhere, split_rows(mesh)),
        out_shardings=(everywhere, everywhere),
        donate_argnames=("state",) if donate else (),
    )
