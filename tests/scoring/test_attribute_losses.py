from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.scoring.loss_formulas import attribute_divergence, focal_binary_cross_entropy
from mcsan_jax.scoring.losses import mean_over_examples
from tests.scoring import plain_formulas as plain


def mean_focal(
    logits: jax.Array, labels: jax.Array, mask: jax.Array, alpha: float, gamma: float
) -> jax.Array:
    return mean_over_examples(focal_binary_cross_entropy(logits, labels, alpha, gamma), mask)


def mean_divergence(
    videos: jax.Array, texts: jax.Array, mask: jax.Array, direction: str, temperature: float, stop: bool
) -> jax.Array:
    return mean_over_examples(attribute_divergence(videos, texts, direction, temperature, stop), mask)


focal = jax.jit(jax.value_and_grad(mean_focal), static_argnums=(3, 4))
divergence = jax.jit(jax.value_and_grad(mean_divergence, argnums=(0, 1)), static_argnums=(3, 4, 5))
DIRECTIONS = ("text_to_video", "video_to_text", "symmetric")


class Logits(NamedTuple):
    videos: np.ndarray
    texts: np.ndarray
    labels: np.ndarray
    mask: np.ndarray


@pytest.fixture
def logits() -> Logits:
    draw = np.random.default_rng(6)
    videos, texts = 3 * draw.normal(size=(2, 4, 5))
    return Logits(videos, texts, draw.random((4, 5)) < 0.4, np.array([True, True, False, True]))


@pytest.mark.parametrize(("alpha", "gamma"), [(0.5, 2.0), (0.25, 0.0), (0.9, 0.5), (0.0, 1.0)])
def test_focal_formula_and_gradient(
    logits: Logits, precision: tuple[np.dtype, float], alpha: float, gamma: float
) -> None:
    dtype, tolerance = precision
    labels, mask = jnp.asarray(logits.labels), jnp.asarray(logits.mask)
    value, gradient = focal(jnp.asarray(logits.videos, dtype), labels, mask, alpha, gamma)
    assert value.dtype == dtype
    expected = plain.focal(logits.videos, logits.labels, logits.mask, alpha, gamma)
    np.testing.assert_allclose(value, expected, rtol=tolerance)
    slope = plain.numeric_gradient(
        lambda z: plain.focal(z, logits.labels, logits.mask, alpha, gamma), logits.videos
    )
    np.testing.assert_allclose(gradient, slope, atol=max(tolerance, 1e-7))


def test_focal_without_focus_is_half_the_cross_entropy(logits: Logits) -> None:
    z = jnp.asarray(logits.videos, jnp.float32)
    result = mean_focal(z, jnp.asarray(logits.labels), jnp.ones(4, bool), 0.5, 0.0)
    p = 1 / (1 + np.exp(-logits.videos))
    entropy = -np.where(logits.labels, np.log(p), np.log(1 - p)).sum(axis=1).mean()
    np.testing.assert_allclose(result, 0.5 * entropy, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_extremes(gamma: float) -> None:
    """Confident and wrong costs the logit itself, confident and right costs nothing."""
    z = jnp.asarray([[1e4, -1e4, 1e4, -1e4]], jnp.float32)
    labels = jnp.asarray([[True, False, False, True]])
    value, gradient = focal(z, labels, jnp.ones(1, bool), 0.5, gamma)
    np.testing.assert_allclose(value, 1e4, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[0.0, 0.0, 0.5, -0.5]], atol=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_divergence_formula_and_gradient(
    logits: Logits, precision: tuple[np.dtype, float], direction: str, temperature: float
) -> None:
    dtype, tolerance = precision
    mask = jnp.asarray(logits.mask)
    value, (of_videos, of_texts) = divergence(
        jnp.asarray(logits.videos, dtype),
        jnp.asarray(logits.texts, dtype),
        mask,
        direction,
        temperature,
        False,
    )
    assert value.dtype == dtype

    def formula(videos: np.ndarray, texts: np.ndarray) -> float:
        return plain.divergence(videos, texts, logits.mask, direction, temperature)

    np.testing.assert_allclose(value, formula(logits.videos, logits.texts), rtol=tolerance)
    slope = plain.numeric_gradient(lambda z: formula(z, logits.texts), logits.videos)
    np.testing.assert_allclose(of_videos, slope, atol=max(tolerance, 1e-7))
    slope = plain.numeric_gradient(lambda z: formula(logits.videos, z), logits.texts)
    np.testing.assert_allclose(of_texts, slope, atol=max(tolerance, 1e-7))


@pytest.mark.parametrize(("direction", "constant"), [("text_to_video", 1), ("video_to_text", 0)])
def test_stopped_gradient_leaves_the_target_alone(logits: Logits, direction: str, constant: int) -> None:
    arrays = jnp.asarray(logits.videos, jnp.float32), jnp.asarray(logits.texts, jnp.float32)
    values = {stop: divergence(*arrays, jnp.ones(4, bool), direction, 1.0, stop) for stop in (False, True)}
    assert values[True][0] == values[False][0]
    np.testing.assert_array_equal(values[True][1][constant], 0.0)
    np.testing.assert_array_equal(values[True][1][1 - constant], values[False][1][1 - constant])
    assert np.abs(values[False][1][constant]).max() > 0


def test_symmetric_with_stopped_gradient(logits: Logits) -> None:
    """Each side learns from the divergence in which it is not the target."""
    videos, texts = jnp.asarray(logits.videos, jnp.float32), jnp.asarray(logits.texts, jnp.float32)
    mask = jnp.asarray(logits.mask)

    def gradient(direction: str, argument: int, stop: bool) -> jax.Array:
        return divergence(videos, texts, mask, direction, 1.0, stop)[1][argument]

    for argument, direction in ((0, "text_to_video"), (1, "video_to_text")):
        np.testing.assert_allclose(
            gradient("symmetric", argument, True), 0.5 * gradient(direction, argument, False), atol=1e-6
        )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_divergence_extremes(direction: str) -> None:
    videos = jnp.asarray([[1e4, -1e4, 0.0], [1.0, 1.0, 1.0]], jnp.float32)
    texts = jnp.asarray([[-1e4, 1e4, 0.0], [1e4, -1e4, 1e4]], jnp.float32)
    value, gradients = divergence(videos, texts, jnp.ones(2, bool), direction, 1.0, False)
    assert np.isfinite(value)
    assert value > 1e3
    for gradient in gradients:
        assert np.all(np.isfinite(gradient))


def test_divergence_of_equals_is_zero_and_unknown_directions_raise(logits: Logits) -> None:
    videos = jnp.asarray(logits.videos, jnp.float32)
    for direction in DIRECTIONS:
        value, _ = divergence(videos, videos + 3.0, jnp.ones(4, bool), direction, 1.0, False)
        np.testing.assert_allclose(value, 0.0, atol=1e-6)
    with pytest.raises(ValueError, match="sideways"):
        attribute_divergence(videos, videos, "sideways", 1.0, False)


def test_masked_rows_count_for_nothing(logits: Logits) -> None:
    """Values and gradients are those of the real rows alone; a batch without any costs nothing."""
    videos, texts = jnp.asarray(logits.videos, jnp.float32), jnp.asarray(logits.texts, jnp.float32)
    labels, real = jnp.asarray(logits.labels), np.flatnonzero(logits.mask)

    def losses(v: jax.Array, t: jax.Array, y: jax.Array, mask: jax.Array) -> jax.Array:
        return mean_focal(v, y, mask, 0.5, 2.0) + mean_divergence(v, t, mask, "symmetric", 1.0, False)

    compute = jax.jit(jax.value_and_grad(losses, argnums=(0, 1)))
    value, gradients = compute(videos.at[2].set(1e4), texts.at[2].set(-1e4), labels, jnp.asarray(logits.mask))
    expected, expected_gradients = compute(videos[real], texts[real], labels[real], jnp.ones(3, bool))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient[real], wanted, atol=1e-6)
        np.testing.assert_array_equal(gradient[2], 0.0)
    value, gradients = compute(videos, texts, labels, jnp.zeros(4, bool))
    assert value == 0.0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0.0)
