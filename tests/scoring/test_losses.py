"""Which losses a configuration switches on, and what they are made of."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.config import LossConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings
from mcsan_jax.scoring.loss_formulas import foil_losses
from mcsan_jax.scoring.losses import FoiledCaptions, LossInputs, RankedQueries, make_losses
from tests.scoring import plain_formulas as plain
from tests.support.tiny_model import random_batch

LEVELS = ("action", "entity")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            LossConfig(focal_weight=0.25, divergence_weight=0.5),
            {
                "ranking": 1.0,
                "fbce/action": 0.25,
                "kl/action": 0.5,
                "fbce/entity": 0.25,
                "kl/entity": 0.5,
            },
        ),
        (LossConfig(ranking="none", divergence_weight=0.0), {"fbce/action": 0.1, "fbce/entity": 0.1}),
        (LossConfig(ranking="triplet", focal_weight=0.0, divergence_weight=0.0), {"ranking": 1.0}),
        (
            LossConfig(ranking="none", focal_weight=0.0, divergence_weight=0.0, foils=0.5),
            {"foils/relationship": 0.5},
        ),
    ],
)
def test_losses_of_a_configuration(config: LossConfig, expected: dict[str, float]) -> None:
    losses = make_losses(config, LEVELS, ("relationship",))
    assert [(loss.name, loss.weight) for loss in losses] == list(expected.items())


def queries(scores: np.ndarray, positives: np.ndarray, mask: np.ndarray) -> RankedQueries:
    real = mask[:, None] & mask[None]
    arrays = (
        scores.astype(np.float32),
        positives & real,
        ~positives & real,
        np.eye(len(mask), dtype=bool),
        mask,
    )
    return RankedQueries(*map(jnp.asarray, arrays))


@pytest.mark.parametrize(
    ("changes", "formula"),
    [
        ({"ranking": "triplet", "margin": 0.4}, lambda *case: plain.triplet(*case, 0.4, True)),
        (
            {"ranking": "triplet", "margin": 0.4, "hardest_negative": False},
            lambda *case: plain.triplet(*case, 0.4, False),
        ),
        *(
            ({"positives": form}, lambda *case, form=form: plain.info_nce(*case, 0.1, form))
            for form in ("separate", "outside", "inside")
        ),
    ],
)
def test_the_ranking_loss_is_the_configured_one(
    changes: dict[str, Any], formula: Callable[..., float]
) -> None:
    draw = np.random.default_rng(3)
    scores, mask = draw.uniform(-1, 1, (6, 6)), np.arange(6) < 5
    positives = np.equal.outer([0, 1, 0, 3, 0, 3], [0, 1, 0, 3, 0, 3])
    nothing = Encoding(LevelEmbeddings(None, {}), {})
    both = queries(scores, positives, mask), queries(scores.T, positives.T, mask)
    inputs = LossInputs(nothing, nothing, random_batch(6), jnp.float32(0.1), lambda: both, None)
    [loss] = make_losses(dataclasses.replace(LossConfig(), **changes), ())
    np.testing.assert_allclose(loss.value(inputs), formula(scores, positives, mask), rtol=1e-5)


def test_the_loss_on_foils_is_that_of_a_choice_between_the_two() -> None:
    """Of twelve captions, two of each video, the last two only fill up, and some have no foil of the level."""
    draw = np.random.default_rng(4)
    true, false = draw.uniform(-1, 1, (2, 12))
    concerned = draw.random(12) < 0.6
    both = [{"action": jnp.asarray(scores, jnp.float32)} for scores in (true, false)]
    foiled = FoiledCaptions(*both, {"action": jnp.asarray(concerned)})
    nothing = Encoding(LevelEmbeddings(None, {}), {})
    batch = dataclasses.replace(random_batch(6), texts=random_batch(12).texts)
    inputs = LossInputs(nothing, nothing, batch, jnp.float32(0.1), tuple, None, lambda: foiled)
    config = LossConfig(ranking="none", foils=0.5)
    losses = [
        -np.log(np.exp(true[text] / 0.1) / (np.exp(true[text] / 0.1) + np.exp(false[text] / 0.1)))
        for text in range(10)
        if concerned[text]
    ]
    assert 2 < len(losses) < 10
    [loss] = make_losses(config, (), ("action",))
    np.testing.assert_allclose(loss.value(inputs), np.mean(losses), rtol=1e-5)


def test_scores_far_apart_give_a_finite_loss_on_foils() -> None:
    far = jnp.array([1.0, -1.0, 0.0], jnp.float32)
    losses, gradient = jax.vjp(lambda false: foil_losses(jnp.zeros(3), false, 1e-4), far)
    np.testing.assert_allclose(losses, [1e4, 0.0, np.log(2.0)], rtol=1e-6)
    np.testing.assert_allclose(gradient(jnp.ones(3))[0], [1e4, 0.0, 5e3], rtol=1e-6)
