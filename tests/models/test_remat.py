"""Computing again instead of keeping: the same gradient from less that is kept."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.models.bert import BertShape
from mcsan_jax.models.mcsan import MCSAN
from tests.support.tiny_model import SHAPE_WITH_REGIONS, random_batch, random_variables, tiny_config

BERT = BertShape(
    vocabulary_size=20,
    width=8,
    layers=3,
    heads=2,
    inner_width=16,
    places=12,
    segments=2,
    norm_epsilon=1e-12,
    first_token=2,
    last_token=3,
)
BATCH = random_batch(4, shape=SHAPE_WITH_REGIONS)


def network(context: str, remat: bool) -> MCSAN:
    pretrained = BERT if context == "pretrained" else None
    config = tiny_config(
        context=context,
        pretrained="tiny" if pretrained else "",
        temporal="attention",
        dropout=0.2,
        remat=remat,
    )
    return MCSAN(config, SHAPE_WITH_REGIONS, pretrained)


def loss(model: MCSAN, variables: Any, params: Any) -> jax.Array:
    rngs = {"dropout": jax.random.key(1)}
    encoded: Any = model.apply({**variables, "params": params}, BATCH, train=True, rngs=rngs)
    leaves = [leaf for leaf in jax.tree.leaves(encoded) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return sum(jnp.sum(leaf**2) for leaf in leaves)


def kept_numbers(model: MCSAN, variables: Any) -> int:
    """What the gradient needs of the computation before it, beside the parameters."""

    def pull(params: Any) -> Any:
        return jax.vjp(lambda params: loss(model, variables, params), params)[1]

    kept = jax.tree.leaves(jax.eval_shape(pull, variables["params"]))
    parameters = {leaf.shape for leaf in jax.tree.leaves(variables["params"])}
    return sum(math.prod(leaf.shape) for leaf in kept if leaf.shape not in parameters)


@pytest.mark.parametrize("context", ["pretrained", pytest.param("transformer", marks=pytest.mark.slow)])
def test_the_gradient_is_the_same_and_less_is_kept(context: str) -> None:
    plain, again = network(context, False), network(context, True)
    variables = random_variables(plain, BATCH)
    assert jax.tree.structure(random_variables(again, BATCH)) == jax.tree.structure(variables)
    values, gradients = zip(
        *(
            jax.jit(jax.value_and_grad(lambda params, model=model: loss(model, variables, params)))(
                variables["params"]
            )
            for model in (plain, again)
        ),
        strict=True,
    )
    np.testing.assert_allclose(values[1], values[0], rtol=1e-5)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3), *gradients)
    assert kept_numbers(again, variables) < 0.6 * kept_numbers(plain, variables)
