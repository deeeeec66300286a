from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.scoring.loss_formulas import INSIDE, OUTSIDE, SEPARATE, info_nce_losses, triplet_losses
from mcsan_jax.scoring.losses import mean_over_examples
from tests.scoring import plain_formulas as plain

Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
Plain = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def triplet_loss(
    scores: jax.Array, positives: jax.Array, mask: jax.Array, margin: float, hardest: bool = True
) -> jax.Array:
    """The sum of both directions."""
    negatives = ~positives & mask[:, None] & mask[None]
    matched = jnp.diagonal(scores)
    rows = triplet_losses(scores, matched, negatives, margin, hardest)
    columns = triplet_losses(scores.T, matched, negatives.T, margin, hardest)
    return mean_over_examples(rows + columns, mask)


FORMS = (SEPARATE, OUTSIDE, INSIDE)


def info_nce_loss(
    scores: jax.Array,
    positives: jax.Array,
    mask: jax.Array,
    temperature: jax.Array | float,
    form: str = SEPARATE,
) -> jax.Array:
    """The mean of both directions."""
    real = mask[:, None] & mask[None]
    positives, negatives = positives & real, ~positives & real
    rows = info_nce_losses(scores, positives, negatives, temperature, form)
    columns = info_nce_losses(scores.T, positives.T, negatives.T, temperature, form)
    return mean_over_examples(0.5 * (rows + columns), mask)


LOSSES: dict[str, tuple[Loss, Plain]] = {
    "hardest triplet": (
        lambda s, p, m: triplet_loss(s, p, m, 0.4),
        lambda s, p, m: plain.triplet(s, p, m, 0.4, True),
    ),
    "summed triplet": (
        lambda s, p, m: triplet_loss(s, p, m, 0.4, hardest=False),
        lambda s, p, m: plain.triplet(s, p, m, 0.4, False),
    ),
    **{
        f"info_nce, {form}": (
            lambda s, p, m, form=form: info_nce_loss(s, p, m, 0.07, form),
            lambda s, p, m, form=form: plain.info_nce(s, p, m, 0.07, form),
        )
        for form in FORMS
    },
}
COMPUTE = {name: jax.jit(jax.value_and_grad(loss)) for name, (loss, _) in LOSSES.items()}
OF_TEMPERATURE = jax.jit(
    jax.value_and_grad(
        lambda t, scores, positives, mask, form: info_nce_loss(scores, positives, mask, t, form)
    ),
    static_argnums=4,
)


class Case(NamedTuple):
    scores: np.ndarray
    positives: np.ndarray
    mask: np.ndarray

    def arrays(self, dtype: np.dtype | type = np.float32) -> tuple[jax.Array, jax.Array, jax.Array]:
        return jnp.asarray(self.scores, dtype), jnp.asarray(self.positives), jnp.asarray(self.mask)


@pytest.fixture(params=["diagonal", "same text", "one real row", "all rows alike", "one-sided"])
def case(request: pytest.FixtureRequest) -> Case:
    draw = np.random.default_rng(3)
    groups = {
        "diagonal": [0, 1, 2, 3, 4, 5],
        "same text": [0, 1, 0, 3, 0, 3],
        "one real row": [0, 1, 2, 3, 4, 5],
        "all rows alike": [0, 0, 0, 0, 0, 0],
        "one-sided": [0, 1, 2, 3, 4, 5],
    }[request.param]
    mask = np.arange(6) < (1 if request.param == "one real row" else 5)
    positives = np.equal.outer(groups, groups)
    if request.param == "one-sided":
        # Caption 2 is true of video 0 too, but caption 0 is not true of video 2.
        positives[0, 2] = True
    return Case(draw.uniform(-1, 1, (6, 6)), positives, mask)


@pytest.mark.parametrize("name", LOSSES)
def test_formula_and_gradient(name: str, case: Case, precision: tuple[np.dtype, float]) -> None:
    dtype, tolerance = precision
    formula = LOSSES[name][1]
    value, gradient = COMPUTE[name](*case.arrays(dtype))
    assert value.dtype == dtype
    np.testing.assert_allclose(value, formula(*case), atol=tolerance, rtol=tolerance)
    expected = plain.numeric_gradient(lambda s: formula(s, case.positives, case.mask), case.scores)
    np.testing.assert_allclose(gradient, expected, atol=max(10 * tolerance, 1e-6))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("form", FORMS)
def test_gradient_of_the_temperature(case: Case, form: str) -> None:
    _, gradient = OF_TEMPERATURE(jnp.float64(0.3), *case.arrays(np.float64), form)
    expected = plain.numeric_gradient(
        lambda t: plain.info_nce(case.scores, case.positives, case.mask, float(t), form), np.array(0.3)
    )
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_one_positive_is_symmetric_cross_entropy(form: str) -> None:
    scores = jnp.asarray(np.random.default_rng(4).normal(size=(5, 5)), jnp.float32)
    result = info_nce_loss(scores, jnp.eye(5, dtype=bool), jnp.ones(5, bool), 0.5, form)
    exponentials = np.exp(np.asarray(scores, np.float64) / 0.5)
    matched = np.diagonal(exponentials)
    rows, columns = matched / exponentials.sum(axis=1), matched / exponentials.sum(axis=0)
    np.testing.assert_allclose(result, -0.5 * np.mean(np.log(rows) + np.log(columns)), rtol=1e-5)


def test_two_positives_by_hand() -> None:
    """Rows 0 and 1 have the same text: each of their positives competes with the one negative alone."""
    scores = np.log([[2.0, 3.0, 1.0], [4.0, 1.0, 2.0], [1.0, 5.0, 2.0]])
    positives = np.array([[True, True, False], [True, True, False], [False, False, True]])
    rows = [
        0.5 * (np.log(3 / 2) + np.log(4 / 3)),
        0.5 * (np.log(6 / 4) + np.log(3 / 1)),
        np.log(8 / 2),
    ]
    columns = [
        0.5 * (np.log(3 / 2) + np.log(5 / 4)),
        0.5 * (np.log(8 / 3) + np.log(6 / 1)),
        np.log(5 / 2),
    ]
    result = info_nce_loss(jnp.asarray(scores, jnp.float32), jnp.asarray(positives), jnp.ones(3, bool), 1.0)
    np.testing.assert_allclose(result, 0.5 * (np.mean(rows) + np.mean(columns)), rtol=1e-6)


def test_forms_by_hand() -> None:
    """One query with the positives 0 and 1 and the negative 2; candidate 3 is neither."""
    scores = jnp.log(jnp.asarray([[2.0, 3.0, 1.0, 9.0]], jnp.float32))
    positives, negatives = (
        jnp.asarray([[True, True, False, False]]),
        jnp.asarray([[False, False, True, False]]),
    )
    expected = {
        SEPARATE: 0.5 * (np.log(3 / 2) + np.log(4 / 3)),
        OUTSIDE: 0.5 * (np.log(6 / 2) + np.log(6 / 3)),
        INSIDE: -np.log(0.5 * (2 / 6 + 3 / 6)),
    }
    for form, value in expected.items():
        found = info_nce_losses(scores, positives, negatives, 1.0, form)
        np.testing.assert_allclose(found, [value], rtol=1e-6)
    with pytest.raises(ValueError, match="sideways"):
        info_nce_losses(scores, positives, negatives, 1.0, "sideways")


@pytest.mark.parametrize("name", LOSSES)
def test_captions_of_the_same_text_are_not_negatives(name: str) -> None:
    """A higher score of a pair raises the loss where it is a negative, and not where it has the same text."""
    scores = jnp.asarray(np.eye(4) + 0.9 * np.eye(4, k=1), jnp.float32)
    same_text = np.eye(4, dtype=bool)
    same_text[0, 1] = same_text[1, 0] = True
    _, gradient = COMPUTE[name](scores, jnp.asarray(same_text), jnp.ones(4, bool))
    assert gradient[0, 1] <= 0
    assert gradient[2, 3] > 0
    _, gradient = COMPUTE[name](scores, jnp.eye(4, dtype=bool), jnp.ones(4, bool))
    assert gradient[0, 1] > 0


@pytest.mark.parametrize("name", LOSSES)
def test_padded_rows_change_nothing(name: str, case: Case) -> None:
    scores, positives, mask = case.arrays()
    padded = jnp.pad(scores, ((0, 3), (0, 3)), constant_values=50.0)
    wider = jnp.pad(positives, ((0, 3), (0, 3)), constant_values=True)
    longer = jnp.pad(mask, (0, 3))
    value, gradient = COMPUTE[name](scores, positives, mask)
    padded_value, padded_gradient = COMPUTE[name](padded, wider, longer)
    np.testing.assert_allclose(padded_value, value, atol=1e-6)
    np.testing.assert_allclose(padded_gradient[:6, :6], gradient, atol=1e-6)
    np.testing.assert_array_equal(padded_gradient[6:], 0.0)
    np.testing.assert_array_equal(padded_gradient[:, 6:], 0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_batch_without_examples(name: str) -> None:
    scores = jnp.asarray(np.random.default_rng(5).normal(size=(3, 3)), jnp.float32)
    value, gradient = COMPUTE[name](scores, jnp.eye(3, dtype=bool), jnp.zeros(3, bool))
    assert value == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_scores_are_finite(name: str, size: float) -> None:
    """Divided by the temperature these are logits of 1.4e5."""
    scores = jnp.asarray(
        size * np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, -1.0]]), jnp.float32
    )
    value, gradient = COMPUTE[name](scores, jnp.eye(3, dtype=bool), jnp.ones(3, bool))
    assert np.isfinite(value)
    assert value > 0
    assert np.all(np.isfinite(gradient))
