import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers.activations import ACT2FN

from mcsan_jax.image_text.tower_shapes import ACTIVATIONS, TransformerShape
from mcsan_jax.image_text.transformer import Transformer, activated, attention

SHAPE = TransformerShape(width=8, layers=2, heads=2, inner_width=12, activation="gelu", norm_epsilon=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_the_reference(activation: str) -> None:
    x = np.linspace(-12, 12, 2001, dtype=np.float32)
    expected = ACT2FN[activation](torch.tensor(x)).numpy()
    np.testing.assert_allclose(activated(jnp.asarray(x), activation), expected, rtol=0, atol=2e-6)


def test_attention_is_that_of_plain_loops() -> None:
    draw = np.random.default_rng(0)
    query, key, value = (draw.normal(size=(2, 5, 6)).astype(np.float32) for _ in range(3))
    sees = draw.random((2, 5, 5)) < 0.6
    sees |= np.eye(5, dtype=bool)[None]
    expected = np.zeros((2, 5, 6))
    for row in range(2):
        for head in range(3):
            part = slice(2 * head, 2 * head + 2)
            for place in range(5):
                seen = [other for other in range(5) if sees[row, place, other]]
                logits = np.array([query[row, place, part] @ key[row, other, part] for other in seen])
                weights = np.exp(logits.astype(np.float64) / np.sqrt(2))
                expected[row, place, part] = weights / weights.sum() @ value[row, seen, part]
    found = attention(*map(jnp.asarray, (query, key, value)), 3, "float32", jnp.asarray(sees))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_states_that_are_not_seen_change_nothing() -> None:
    """Also in bfloat16, and where a state sees itself alone."""
    states = jax.random.normal(jax.random.key(1), (1, 4, 8))
    causal = jnp.tril(jnp.ones((1, 4, 4), bool))
    for dtype in ("float32", "bfloat16"):
        stack = Transformer(SHAPE, dtype)
        params = stack.init(jax.random.key(0), states, causal)
        whole = stack.apply(params, states, causal)
        assert whole.dtype == np.float32
        changed = states.at[:, 2:, 0].add(1.0)
        np.testing.assert_array_equal(stack.apply(params, changed, causal)[:, :2], whole[:, :2])
        assert np.abs(stack.apply(params, changed)[:, :2] - stack.apply(params, states)[:, :2]).max() > 1e-2
