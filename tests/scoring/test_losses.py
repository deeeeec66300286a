"""Which losses a configuration switches on, and what they are made of."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.config import LossConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings
from mcsan_jax.scoring.losses import LossInputs, RankedQueries, make_losses
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
    ],
)
def test_losses_of_a_configuration(config: LossConfig, expected: dict[str, float]) -> None:
    losses = make_losses(config, LEVELS)
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
