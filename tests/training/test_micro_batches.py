"""A large batch that is encoded in parts has the loss and the gradient of the whole one."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from mcsan_jax.batch import PairBatch
from mcsan_jax.errors import InputError
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.training.experiment import Experiment
from mcsan_jax.training.micro_batches import Encode, check_micro_batches, encode_in_parts, encode_whole
from mcsan_jax.training.objective import make_objective
from mcsan_jax.training.sharding import make_mesh, put_batch
from tests.support.tiny_model import SHAPE, random_batch, random_variables, tiny_config

PAIRS = 16
CAPTIONS = 2
"""Of each video."""


def whole_batch() -> PairBatch:
    """Several captions of each video, and a last row that is padding."""
    batch = random_batch(PAIRS)
    return dataclasses.replace(batch, texts=random_batch(PAIRS * CAPTIONS, seed=1).texts)


def built(**model: Any) -> tuple[MCSAN, Any]:
    # Quick to compile: two levels, no recurrence.
    chosen = {"levels": ("global", "entity"), "context": "transformer", **model}
    network = MCSAN(tiny_config(**chosen), SHAPE)
    return network, random_variables(network, whole_batch())


def gradient(model: MCSAN, variables: Any, encode: Encode, devices: int, batch: PairBatch) -> Any:
    """Loss of a batch and its gradient, compiled."""
    mesh = make_mesh(jax.devices()[:devices])
    objective = make_objective(model.config, mesh)

    def loss(params: Any, batch: PairBatch) -> jax.Array:
        inputs = {**variables, "params": params}
        videos, texts = encode(inputs, batch, jax.random.key(3))
        parameters: Any = model.apply(inputs, method=model.scoring_parameters)
        return objective(videos, texts, parameters, batch)[0]

    return jax.device_get(jax.jit(jax.value_and_grad(loss))(variables["params"], put_batch(batch, mesh)))


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(other[1]))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * largest), one[1], other[1]
    )


@pytest.fixture(scope="module")
def at_once() -> tuple[MCSAN, Any, Any]:
    model, variables = built()
    return model, variables, gradient(model, variables, encode_whole(model), 1, whole_batch())


@pytest.mark.parametrize(("devices", "parts"), [(1, 2), (1, 16), (4, 2)])
def test_parts_have_the_loss_and_gradient_of_the_whole(
    at_once: tuple[MCSAN, Any, Any], devices: int, parts: int
) -> None:
    model, variables, expected = at_once
    assert optax.tree.norm(expected[1]) > 0.1
    encode = encode_in_parts(model, make_mesh(jax.devices()[:devices]), parts)
    close(gradient(model, variables, encode, devices, whole_batch()), expected)


def test_the_mean_over_smaller_batches_is_another_loss(at_once: tuple[MCSAN, Any, Any]) -> None:
    """Why gradients are not simply added up: a smaller batch has other negatives."""
    model, variables, (loss, _) = at_once
    halves = [jax.tree.map(lambda rows, half=half: np.split(rows, 2)[half], whole_batch()) for half in (0, 1)]
    losses = [gradient(model, variables, encode_whole(model), 1, half)[0] for half in halves]
    assert np.mean(losses) < 0.95 * loss


def test_both_times_a_part_has_the_same_dropout(at_once: tuple[MCSAN, Any, Any]) -> None:
    model, variables = built(dropout=0.3)
    batch, parts = whole_batch(), 4
    mesh = make_mesh(jax.devices()[:1])

    def one_after_the_other(variables: Any, batch: PairBatch, key: jax.Array) -> Any:
        encode = encode_whole(model)
        own = jax.random.fold_in(key, 0)
        encoded = [
            encode(
                variables,
                jax.tree.map(
                    lambda rows, number=number: rows.reshape(parts, -1, *rows.shape[1:])[number], batch
                ),
                jax.random.fold_in(own, number),
            )
            for number in range(parts)
        ]
        return jax.tree.map(lambda *rows: jax.numpy.concatenate(rows), *encoded)

    expected = gradient(model, variables, one_after_the_other, 1, batch)
    close(gradient(model, variables, encode_in_parts(model, mesh, parts), 1, batch), expected)
    assert abs(float(expected[0]) - float(at_once[2][0])) > 1e-3


def temporary_bytes(experiment: Experiment, batch: PairBatch) -> int:
    """What the compiled step holds beside its arguments and results."""
    state = experiment.state_maker.abstract
    program = experiment.train_step.lower(state, put_batch(batch, experiment.mesh)).compile()
    return program.memory_analysis().temp_size_in_bytes


def test_parts_take_less_memory(make_experiment: Callable[..., Experiment], batches: Any) -> None:
    batch = jax.tree.map(lambda rows: np.concatenate([rows] * 32), next(batches.from_step(0)))
    size = len(batch.example_mask)
    # One vector a level, so that the encoders are what takes memory.
    model = {"levels": ("global", "action"), "temporal": "attention", "context": "transformer", "width": 64}
    whole, parted = (
        temporary_bytes(
            make_experiment(1, model=model, train={"batch_size": size, "micro_batches": parts}), batch
        )
        for parts in (1, 8)
    )
    assert parted < 0.5 * whole


def test_a_step_in_parts_trains_like_a_whole_one(
    make_experiment: Callable[..., Experiment], batches: Any
) -> None:
    """With all levels and recurrence."""
    metrics = []
    for groups in ({}, {"train": {"micro_batches": 4}}):
        experiment = make_experiment(1, model={"dropout": 0.0}, **groups)
        state = experiment.initial_state()
        batch = put_batch(next(batches.from_step(0)), experiment.mesh)
        for _ in range(2):
            state, found = experiment.train_step(state, batch)
        metrics.append(jax.device_get(found))
    assert metrics[0].keys() == metrics[1].keys()
    for name, value in metrics[0].items():
        np.testing.assert_allclose(metrics[1][name], value, rtol=1e-4, err_msg=name)


def test_a_number_of_parts_that_does_not_divide_is_refused() -> None:
    mesh = make_mesh(jax.devices()[:4])
    check_micro_batches(24, 3, mesh)
    message = r"config\.train\.micro_batches is 4, which does not divide the 6 videos that each of 4 device"
    with pytest.raises(InputError, match=message):
        check_micro_batches(24, 4, mesh)
