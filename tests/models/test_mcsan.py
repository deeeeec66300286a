import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, LEVELS, RELATIONSHIP
from mcsan_jax.config import LossConfig, SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from tests.models.comparison import assert_same, pooled
from tests.models.default_network import COUNT, DefaultNetwork, encode
from tests.support.tiny_model import (
    SHAPE,
    SHAPE_WITH_REGIONS,
    SIZES,
    random_batch,
    random_variables,
    tiny_config,
    tiny_model,
)


@pytest.mark.parametrize(
    ("context", "temporal", "regions", "levels"),
    [
        *itertools.product(
            ("bigru", "transformer"),
            ("convolution", "bigru", "attention", "none"),
            (False, True),
            (LEVELS, (GLOBAL, ACTION)),
        ),
        ("bigru", "convolution", True, (GLOBAL,)),
        ("bigru", "convolution", True, (ENTITY,)),
        ("bigru", "convolution", True, (RELATIONSHIP,)),
    ],
)
def test_every_choice_builds(context: str, temporal: str, regions: bool, levels: tuple[str, ...]) -> None:
    shape = SHAPE_WITH_REGIONS if regions else SHAPE
    batch = random_batch(COUNT, shape=shape)
    model = tiny_model(shape, context=context, temporal=temporal, levels=levels)
    variables = jax.eval_shape(model.init, jax.random.key(0), batch)
    videos, texts, parameters = jax.eval_shape(model.apply, variables, batch)
    lengths = {ACTION: SIZES.max_actions, ENTITY: SIZES.max_entities, RELATIONSHIP: SIZES.max_relationships}
    for encoding, length in ((videos, dict.fromkeys(lengths, SIZES.max_frames)), (texts, lengths)):
        assert set(encoding.embeddings.levels) == set(levels)
        assert (encoding.embeddings.pooled is not None) == (GLOBAL in levels)
        if GLOBAL in levels:
            assert encoding.embeddings.pooled.shape == (COUNT, 8)
        for level, nodes in encoding.embeddings.nodes.items():
            assert nodes.vectors.shape == (COUNT, length[level], 8)
            assert nodes.mask.shape == (COUNT, length[level])
        sizes = {level: (COUNT, size) for level, size in shape.attributes if level in levels}
        assert {level: logits.shape for level, logits in encoding.attribute_logits.items()} == sizes
    assert set(parameters.level_weights) == set(levels)
    if temporal == "none" and not regions:
        assert set(variables["params"]["video_encoder"]["action"]) == {"frame"}


def test_an_empty_graph_and_an_empty_video_are_finite(setting: DefaultNetwork) -> None:
    """The last caption has no nodes; here the first video loses its frames and the first caption its tokens."""
    videos, texts = setting.batch.videos, setting.batch.texts
    frame_mask, token_mask = np.array(videos.frame_mask), np.array(texts.token_mask)
    frame_mask[0] = token_mask[0] = False
    batch = dataclasses.replace(
        setting.batch,
        videos=dataclasses.replace(videos, frame_mask=frame_mask),
        texts=dataclasses.replace(texts, token_mask=token_mask),
    )
    of_videos, of_texts, _ = setting.apply(batch)
    for leaf in jax.tree.leaves((of_videos, of_texts)):
        assert np.all(np.isfinite(leaf))
    assert not np.any(setting.texts.embeddings.nodes[RELATIONSHIP].mask[-1])
    np.testing.assert_array_equal(setting.texts.embeddings.nodes[ENTITY].vectors[-1], 0.0)
    np.testing.assert_array_equal(pooled(of_videos)[0], 0.0)
    np.testing.assert_array_equal(of_videos.embeddings.nodes[RELATIONSHIP].vectors[0], 0.0)
    np.testing.assert_array_equal(pooled(of_texts)[0], 0.0)

    def total(params: Any) -> jax.Array:
        outputs = setting.model.apply({**setting.variables, "params": params}, batch)
        floats = [leaf for leaf in jax.tree.leaves(outputs) if leaf.dtype == jnp.float32]
        return sum((jnp.sum(leaf**2) for leaf in floats), start=jnp.float32(0))

    for gradient in jax.tree.leaves(jax.jit(jax.grad(total))(setting.variables["params"])):
        assert np.all(np.isfinite(gradient))


def test_the_sentence_node_adds_no_parameters() -> None:
    batch = random_batch(COUNT)
    with_node, without = (
        jax.eval_shape(tiny_model(sentence_node=choice).init, jax.random.key(0), batch)
        for choice in (True, False)
    )
    assert jax.tree.map(lambda leaf: leaf.shape, with_node) == jax.tree.map(lambda leaf: leaf.shape, without)


def test_bfloat16_keeps_parameters_and_outputs_in_float32(setting: DefaultNetwork) -> None:
    model = tiny_model(SHAPE_WITH_REGIONS, compute_dtype="bfloat16")
    abstract = jax.eval_shape(model.init, jax.random.key(0), setting.batch)
    assert {leaf.dtype for leaf in jax.tree.leaves(abstract)} == {jnp.dtype("float32")}
    videos, texts, _ = encode(model, setting.variables, setting.batch)
    pairs = zip(
        jax.tree.leaves((videos, texts)), jax.tree.leaves((setting.videos, setting.texts)), strict=True
    )
    differences = []
    for rounded, exact in pairs:
        assert rounded.dtype == exact.dtype
        assert rounded.dtype in (jnp.float32, jnp.bool_)
        differences.append(float(np.abs(np.float32(rounded) - np.float32(exact)).max()))
    assert 1e-4 < max(differences) < 0.2


def logits_gradients(model: MCSAN, variables: Any, batch: PairBatch) -> tuple[Any, Any]:
    """Gradients of the attribute logits of videos, and of texts, by the parameters."""

    def total(params: Any, video_share: float, text_share: float) -> jax.Array:
        videos, texts, _ = encode(model, {**variables, "params": params}, batch)
        parts = [video_share * jnp.sum(one) for one in videos.attribute_logits.values()]
        parts += [text_share * jnp.sum(one) for one in texts.attribute_logits.values()]
        return sum(parts, start=jnp.float32(0))

    compute = jax.jit(jax.grad(total))
    return compute(variables["params"], 1.0, 0.0), compute(variables["params"], 0.0, 1.0)


def largest(tree: Any) -> float:
    return max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


def test_both_sides_share_the_attribute_projector(setting: DefaultNetwork) -> None:
    assert "text_attribute_projector" not in setting.variables["params"]
    for gradient in logits_gradients(setting.model, setting.variables, setting.batch):
        for level in (ENTITY, ACTION, RELATIONSHIP):
            assert largest(gradient["attribute_projector"][level]) > 1e-3


def test_attribute_projectors_can_be_separate() -> None:
    batch = random_batch(COUNT)
    model = tiny_model(share_attribute_projection=False, levels=(ENTITY,))
    variables = random_variables(model, batch)
    of_videos, of_texts = logits_gradients(model, variables, batch)
    assert largest(of_videos["attribute_projector"]) > 1e-3
    assert largest(of_videos["text_attribute_projector"]) == 0.0
    assert largest(of_texts["text_attribute_projector"]) > 1e-3
    assert largest(of_texts["attribute_projector"]) == 0.0


@pytest.mark.parametrize("learned", [True, False])
def test_learned_scoring_parameters_get_a_gradient_and_fixed_ones_do_not(learned: bool) -> None:
    config = dataclasses.replace(
        tiny_config(),
        similarity=SimilarityConfig(learn_level_weights=learned),
        loss=LossConfig(learn_temperature=learned, temperature=0.2),
    )
    params = {
        "level_weight_logits": jnp.array([0.0, 1.0, -1.0, 0.5]),
        "log_temperature": jnp.log(jnp.float32(0.2)),
    }

    def compute(values: Any) -> ScoringParameters:
        result: Any = MCSAN(config, SHAPE).apply({"params": values}, method="scoring_parameters")
        return result

    parameters = compute(params)
    np.testing.assert_allclose(parameters.temperature, 0.2, rtol=1e-5)
    assert tuple(parameters.level_weights) == LEVELS
    np.testing.assert_allclose(sum(map(float, parameters.level_weights.values())), 1.0, rtol=1e-5)
    gradient = jax.grad(lambda x: compute(x).temperature + 3 * compute(x).level_weights[ENTITY])(params)
    for value in gradient.values():
        assert (largest(value) > 1e-3) == learned


def test_scoring_parameters_start_uniform_and_bounded() -> None:
    config = dataclasses.replace(tiny_config(levels=(GLOBAL, ACTION)), loss=LossConfig(temperature=0.07))
    model = MCSAN(config, SHAPE)
    params = {"level_weight_logits": jnp.zeros(2), "log_temperature": jnp.log(jnp.float32(0.0001))}
    parameters: Any = model.apply({"params": params}, method="scoring_parameters")
    assert parameters.level_weights == {GLOBAL: 0.5, ACTION: 0.5}
    np.testing.assert_allclose(parameters.temperature, 0.01, rtol=1e-5)


def test_dropout_acts_in_training_only(setting: DefaultNetwork) -> None:
    model = tiny_model(SHAPE_WITH_REGIONS, dropout=0.5)
    train = jax.jit(
        lambda key: model.apply(setting.variables, setting.batch, train=True, rngs={"dropout": key})
    )
    results: list[Any] = [train(jax.random.key(seed)) for seed in (0, 1)]
    for one, other in zip(results[0][:2], results[1][:2], strict=True):
        assert np.abs(one.embeddings.pooled - other.embeddings.pooled).max() > 1e-3
    videos, texts, _ = encode(model, setting.variables, setting.batch)
    assert_same(videos, setting.videos, 1e-6)
    assert_same(texts, setting.texts, 1e-6)


def test_encoders_work_alone(setting: DefaultNetwork) -> None:
    videos = jax.jit(lambda b: setting.model.apply(setting.variables, b, method="encode_videos"))(
        setting.batch.videos
    )
    texts = jax.jit(lambda b: setting.model.apply(setting.variables, b, method="encode_texts"))(
        setting.batch.texts
    )
    assert_same(videos, setting.videos, 1e-6)
    assert_same(texts, setting.texts, 1e-6)
