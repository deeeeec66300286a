"""A large batch that is encoded in parts has the loss and the gradient of the whole one."""

import dataclasses
from typing import Any

import jax
import numpy as np
import optax
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.levels import FOIL_KINDS, LEVELS
from mcsan_jax.config import LossConfig
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.micro_batches import (
    Encode,
    check_micro_batches,
    encode_in_micro_batches,
    encode_whole,
)
from mcsan_jax.training.objective import make_objective
from tests.support.tiny_model import SHAPE, random_batch, random_variables, tiny_config
from tests.training.runs import MakeExperiment

PAIRS = 16
CAPTIONS = 2
"""Of each video."""


def whole_batch() -> PairBatch:
    """Several captions of each video, most of them with a foil, and a last row that is padding."""
    texts, foils = (random_batch(PAIRS * CAPTIONS, seed=seed).texts for seed in (1, 2))
    kinds = np.arange(PAIRS * CAPTIONS, dtype=np.int32) % (len(FOIL_KINDS) + 1) - 1
    return dataclasses.replace(random_batch(PAIRS), texts=texts, foils=foils, foil_kinds=kinds)


def built(levels: tuple[str, ...] = ("global", "entity"), **model: Any) -> tuple[MCSAN, Any]:
    # Two levels are quick to compile.
    config = tiny_config(levels=levels, **model)
    network = MCSAN(dataclasses.replace(config, loss=LossConfig(foils=0.5)), SHAPE)
    return network, random_variables(network, whole_batch())


def gradient(model: MCSAN, variables: Any, encode: Encode, devices: int, batch: PairBatch) -> Any:
    """Loss of a batch and its gradient, compiled."""
    mesh = make_mesh(jax.devices()[:devices])
    objective = make_objective(model.config, mesh)

    def loss(params: Any, batch: PairBatch) -> jax.Array:
        inputs = {**variables, "params": params}
        videos, texts, foils = encode(inputs, batch, jax.random.key(3))
        parameters: Any = model.apply(inputs, method=model.scoring_parameters)
        return objective(videos, texts, parameters, batch, foils)[0]

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


@pytest.mark.parametrize(
    ("devices", "parts"), [(4, 2), *(pytest.param(1, parts, marks=pytest.mark.slow) for parts in (2, 16))]
)
def test_parts_have_the_loss_and_gradient_of_the_whole(
    at_once: tuple[MCSAN, Any, Any], devices: int, parts: int
) -> None:
    model, variables, expected = at_once
    assert optax.tree.norm(expected[1]) > 0.1
    encode = encode_in_micro_batches(model, make_mesh(jax.devices()[:devices]), parts)
    close(gradient(model, variables, encode, devices, whole_batch()), expected)


def test_the_mean_over_smaller_batches_is_another_loss(at_once: tuple[MCSAN, Any, Any]) -> None:
    """Why gradients are not simply added up: a smaller batch has other negatives."""
    model, variables, (loss, _) = at_once
    halves = [jax.tree.map(lambda rows, half=half: np.split(rows, 2)[half], whole_batch()) for half in (0, 1)]
    losses = [gradient(model, variables, encode_whole(model), 1, half)[0] for half in halves]
    assert np.mean(losses) < 0.95 * loss


def test_both_times_a_part_has_the_same_dropout() -> None:
    model, variables = built(("global",), dropout=0.3)
    batch, parts = whole_batch(), 2
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
    close(gradient(model, variables, encode_in_micro_batches(model, mesh, parts), 1, batch), expected)
    without, _ = built(("global",))
    assert abs(expected[0] - gradient(without, variables, encode_whole(without), 1, batch)[0]) > 1e-3


def steps_and_memory(
    make_experiment: MakeExperiment, batch: PairBatch, parts: int, model: dict[str, Any]
) -> tuple[list[dict[str, float]], int]:
    """Metrics of two steps, and what the compiled step holds beside its arguments and results, in bytes."""
    train = {"batch_size": len(batch.example_mask), "micro_batches": parts}
    experiment = make_experiment(1, model={"dropout": 0.0, **model}, train=train)
    state, batch = experiment.initial_state(), put_batch(batch, experiment.mesh)
    program = experiment.train_step.lower(state, batch).compile()
    metrics = []
    for _ in range(2):
        state, found = program(state, batch)
        metrics.append({name: float(value) for name, value in found.items()})
    return metrics, program.memory_analysis().temp_size_in_bytes


def assert_same_steps(one: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    for found, expected in zip(other, one, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_step_in_parts_trains_like_a_whole_one_in_less_memory(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    batch = jax.tree.map(lambda rows: np.concatenate([rows] * 32), next(batches.from_step(0)))
    # One vector a video, so that the encoders are what takes memory.
    model = {"levels": ("global",), "width": 64}
    whole, whole_bytes = steps_and_memory(make_experiment, batch, 1, model)
    parted, parted_bytes = steps_and_memory(make_experiment, batch, 8, model)
    assert_same_steps(whole, parted)
    assert parted_bytes < 0.5 * whole_bytes


@pytest.mark.slow
def test_a_step_in_parts_trains_like_a_whole_one_with_all_levels(
    make_experiment: MakeExperiment, batches: TrainBatches
) -> None:
    batch = next(batches.from_step(0))
    whole, parted = (
        steps_and_memory(make_experiment, batch, parts, {"levels": LEVELS})[0] for parts in (1, 4)
    )
    assert_same_steps(whole, parted)


def test_a_number_of_parts_that_does_not_divide_is_refused() -> None:
    mesh = make_mesh(jax.devices()[:4])
    check_micro_batches(24, 3, mesh)
    message = r"config\.train\.micro_batches is 4, which does not divide the 6 videos that each of 4 device"
    with pytest.raises(InputError, match=message):
        check_micro_batches(24, 4, mesh)
