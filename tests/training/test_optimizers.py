import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mcsan_jax.config import OptimConfig
from mcsan_jax.training.optimizers import learning_rate_schedule, make_optimizer, moving_average

PARAMS = {
    "kernel": jnp.full((2, 3), 4.0),
    "bias": jnp.full(3, 5.0),
    "recurrent_bias": jnp.full((2, 1, 3), 5.0),
    "roles": {"embedding": jnp.ones((2, 3))},
    "temperature": jnp.float32(6.0),
}
STEPS_PER_EPOCH, TOTAL = 4, 12


def make(config: OptimConfig) -> optax.GradientTransformation:
    return make_optimizer(config, learning_rate_schedule(config, STEPS_PER_EPOCH, TOTAL), TOTAL)


def plain_rate(config: OptimConfig, step: int) -> float:
    """Linear from zero in the first epoch, then half a cosine down to the final share."""
    if step < STEPS_PER_EPOCH:
        return config.learning_rate * step / STEPS_PER_EPOCH
    done = (step - STEPS_PER_EPOCH) / (TOTAL - STEPS_PER_EPOCH)
    share = config.final_fraction + (1 - config.final_fraction) * (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * share


def test_a_step_is_as_long_as_the_schedule_says() -> None:
    """Adam's steps against a gradient that stays the same have the length of the learning rate."""
    config = OptimConfig(learning_rate=0.1, final_fraction=0.2, weight_decay=0.0)
    optimizer = make(config)
    state, gradient = optimizer.init(PARAMS), jax.tree.map(jnp.ones_like, PARAMS)
    with jax.numpy_dtype_promotion("standard"):
        for step in range(TOTAL):
            updates, state = optimizer.update(gradient, state, PARAMS)
            for update in jax.tree.leaves(updates):
                np.testing.assert_allclose(update, -plain_rate(config, step), rtol=1e-4, atol=1e-8)


def test_what_decays_moves_towards_zero_and_nothing_else_moves() -> None:
    config = OptimConfig(learning_rate=0.1, warmup_epochs=0.0, weight_decay=0.5)
    optimizer = make(config)
    state, gradient = optimizer.init(PARAMS), jax.tree.map(jnp.zeros_like, PARAMS)
    with jax.numpy_dtype_promotion("standard"):
        # The first step of a warm-up, one step at least, has no length.
        for _ in range(2):
            updates, state = optimizer.update(gradient, state, PARAMS)
    np.testing.assert_allclose(updates["kernel"], -0.1 * 0.5 * 4.0, rtol=1e-5)
    jax.tree.map(lambda update: np.testing.assert_array_equal(update, 0.0), {**updates, "kernel": 0.0})


def test_long_gradients_are_cut_to_the_greatest_norm() -> None:
    """One that is longer gives the step of the one of the same direction that is as long as allowed."""
    config = OptimConfig(weight_decay=0.0, clip_norm=0.5)
    long = jax.tree.map(lambda leaf: 100.0 * leaf, PARAMS)
    norm = math.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(long)))
    cut = jax.tree.map(lambda leaf: leaf * (0.5 / norm), long)
    found = []
    for clip_norm, gradients in ((0.5, (cut, long)), (0.0, (cut, cut))):
        optimizer = make(dataclasses.replace(config, clip_norm=clip_norm))
        state = optimizer.init(PARAMS)
        with jax.numpy_dtype_promotion("standard"):
            for gradient in gradients:
                updates, state = optimizer.update(gradient, state, PARAMS)
        found.append(updates)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), *found)


def test_the_moving_average_by_hand() -> None:
    average = {"weight": jnp.array([0.0, 10.0])}
    params = {"weight": jnp.array([1.0, 20.0])}
    # After the first step it keeps 2/11; later, no more than what the configuration says.
    early = moving_average(average, params, jnp.int32(1), 0.9)
    np.testing.assert_allclose(early["weight"], [9 / 11, (2 * 10 + 9 * 20) / 11], rtol=1e-6)
    late = moving_average(average, params, jnp.int32(1000), 0.9)
    np.testing.assert_allclose(late["weight"], [0.1, 11.0], rtol=1e-5)
