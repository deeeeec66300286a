import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcsan_jax.batch import PairBatch
from mcsan_jax.config import LossConfig, SimilarityConfig
from mcsan_jax.levels import ACTION, ENTITY, GLOBAL, LEVELS, RELATIONSHIP, Encoding, ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from tests.models.comparison import assert_same, pooled
from tests.support.tiny_model import (
    REGIONS,
    SHAPE,
    SHAPE_WITH_REGIONS,
    SIZES,
    random_batch,
    random_variables,
    tiny_config,
    tiny_model,
)

COUNT = 4


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


@dataclasses.dataclass(frozen=True)
class Setting:
    """The default network with a batch and what comes out of it."""

    model: MCSAN
    variables: Any
    batch: PairBatch
    videos: Encoding
    texts: Encoding

    def apply(self, batch: PairBatch) -> tuple[Encoding, Encoding, ScoringParameters]:
        return _apply(self.model, self.variables, batch)


_apply = jax.jit(lambda model, variables, batch: model.apply(variables, batch), static_argnums=0)


@pytest.fixture(scope="module")
def setting() -> Setting:
    model, batch = tiny_model(SHAPE_WITH_REGIONS), random_batch(COUNT, shape=SHAPE_WITH_REGIONS)
    variables = random_variables(model, batch)
    videos, texts, _ = _apply(model, variables, batch)
    return Setting(model, variables, batch, videos, texts)


def test_an_empty_graph_and_an_empty_video_are_finite(setting: Setting) -> None:
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


def test_without_a_temporal_structure_actions_are_projected_frames() -> None:
    batch = random_batch(COUNT)
    model = tiny_model(temporal="none", dropout=0.5, levels=(ACTION,))
    variables = random_variables(model, batch)
    [(name, layer)] = variables["params"]["video_encoder"]["action"].items()
    assert name == "frame"
    actions = _apply(model, variables, batch)[0].embeddings.nodes[ACTION]
    statistics = variables["statistics"]["frame_statistics"]
    standardised = (batch.videos.frames.astype(np.float64) - statistics["mean"]) / statistics["std"]
    expected = standardised @ layer["Dense_0"]["kernel"] + layer["Dense_0"]["bias"]
    np.testing.assert_allclose(actions.vectors[actions.mask], expected[actions.mask], atol=1e-5)


def test_the_sentence_node_is_heard_by_actions_alone_and_hears_none() -> None:
    """The logits of the pooling move the sentence and nothing else; roles move the other nodes and not the sentence."""
    batch = random_batch(COUNT)
    # Without relationships nothing but the sentence can reach another node.
    batch = dataclasses.replace(
        batch,
        texts=dataclasses.replace(batch.texts, edge_mask=np.zeros_like(batch.texts.edge_mask)),
    )
    model = tiny_model(sentence_node=True, levels=(GLOBAL, ENTITY, ACTION))
    variables = random_variables(model, batch)
    texts = _apply(model, variables, batch)[1]

    def moved_levels(part: str) -> set[str]:
        params = dict(variables["params"])
        text = dict(params["text_encoder"])
        text[part] = jax.tree.map(
            lambda x: x * np.linspace(-1, 2, x.size, dtype=x.dtype).reshape(x.shape), text[part]
        )
        params["text_encoder"] = text
        moved = _apply(model, {**variables, "params": params}, batch)[1]
        nodes, moved_nodes = texts.embeddings.nodes, moved.embeddings.nodes
        levels = {
            level for level in nodes if np.abs(nodes[level].vectors - moved_nodes[level].vectors).max() > 1e-5
        }
        return levels | ({GLOBAL} if np.abs(pooled(texts) - pooled(moved)).max() > 1e-5 else set())

    assert moved_levels("global_pooling") == {GLOBAL, ACTION}
    assert moved_levels("roles") == {ENTITY, ACTION}


def test_the_sentence_node_adds_no_parameters() -> None:
    batch = random_batch(COUNT)
    with_node, without = (
        jax.eval_shape(tiny_model(sentence_node=choice).init, jax.random.key(0), batch)
        for choice in (True, False)
    )
    assert jax.tree.map(lambda leaf: leaf.shape, with_node) == jax.tree.map(lambda leaf: leaf.shape, without)


def test_order_of_entities_does_not_matter(setting: Setting) -> None:
    texts, split = setting.batch.texts, SIZES.max_actions
    order = np.concatenate([np.arange(split), split + np.array([2, 0, 1])])
    place = np.argsort(order).astype(np.int32)
    permuted = dataclasses.replace(
        texts,
        **{name: getattr(texts, name)[:, order] for name in ("node_spans", "node_roles", "node_mask")},
        edge_source=place[texts.edge_source],
        edge_target=place[texts.edge_target],
    )
    _, moved, _ = setting.apply(dataclasses.replace(setting.batch, texts=permuted))
    nodes, moved_nodes = setting.texts.embeddings.nodes, moved.embeddings.nodes
    np.testing.assert_allclose(
        moved_nodes[ENTITY].vectors, nodes[ENTITY].vectors[:, order[split:] - split], atol=1e-6
    )
    for level in (ACTION, RELATIONSHIP):
        np.testing.assert_allclose(moved_nodes[level].vectors, nodes[level].vectors, atol=1e-6)
    for level, logits in moved.attribute_logits.items():
        np.testing.assert_allclose(logits, setting.texts.attribute_logits[level], atol=1e-6)


@pytest.mark.parametrize(
    ("field", "touched"),
    [
        ("token_ids", {GLOBAL, ENTITY, ACTION, RELATIONSHIP}),
        ("node_roles", {ENTITY, ACTION, RELATIONSHIP}),
        ("edge_roles", {RELATIONSHIP}),
        ("edge_mask", {ENTITY, ACTION}),
    ],
)
def test_what_each_part_of_a_caption_reaches(setting: Setting, field: str, touched: set[str]) -> None:
    """Edges matter to nodes through graph attention; their roles to relationships only."""
    texts = setting.batch.texts
    value = getattr(texts, field)
    changed = np.zeros_like(value) if field == "edge_mask" else (value + 1) % 4
    batch = dataclasses.replace(setting.batch, texts=dataclasses.replace(texts, **{field: changed}))
    videos, encoded, _ = setting.apply(batch)
    np.testing.assert_array_equal(videos.embeddings.pooled, setting.videos.embeddings.pooled)
    before, after = setting.texts.embeddings, encoded.embeddings
    differs = {
        level
        for level in (ENTITY, ACTION, RELATIONSHIP)
        if np.abs(before.nodes[level].vectors[0] - after.nodes[level].vectors[0]).max() > 1e-4
    }
    if np.abs(pooled(setting.texts)[0] - pooled(encoded)[0]).max() > 1e-4:
        differs.add(GLOBAL)
    expected = touched | {RELATIONSHIP} if field == "edge_mask" else touched
    assert differs == expected


def test_the_temporal_level_sees_other_frames_and_the_spatial_level_does_not(setting: Setting) -> None:
    frames = np.array(setting.batch.videos.frames)
    frames[0, 0] += 1
    batch = dataclasses.replace(
        setting.batch, videos=dataclasses.replace(setting.batch.videos, frames=frames)
    )
    nodes, moved = setting.videos.embeddings.nodes, setting.apply(batch)[0].embeddings.nodes
    changes = {level: np.abs(nodes[level].vectors - moved[level].vectors).max(axis=-1)[0] for level in nodes}
    assert changes[ENTITY][0] > 1e-3
    np.testing.assert_allclose(changes[ENTITY][1:], 0.0, atol=1e-6)
    assert changes[ACTION][1] > 1e-4
    assert changes[RELATIONSHIP][4] > 1e-5


def test_regions_reach_the_spatial_and_the_temporal_level(setting: Setting) -> None:
    assert setting.batch.videos.regions is not None
    assert setting.batch.videos.regions.shape[2] == REGIONS
    videos = dataclasses.replace(setting.batch.videos, regions=setting.batch.videos.regions + np.float16(1))
    encoded = setting.apply(dataclasses.replace(setting.batch, videos=videos))[0]
    before, after = setting.videos.embeddings, encoded.embeddings
    np.testing.assert_array_equal(before.pooled, after.pooled)
    for level in (ENTITY, ACTION):
        assert np.abs(before.nodes[level].vectors - after.nodes[level].vectors).max() > 1e-3


def test_features_are_standardised(setting: Setting) -> None:
    """With statistics (m, s), features s·x + m give what x gives with statistics (0, 1)."""
    plain = {
        name: {"mean": np.zeros_like(one["mean"]), "std": np.ones_like(one["std"])}
        for name, one in setting.variables["statistics"].items()
    }
    scaled = {
        name: {"mean": one["mean"] + np.float32(2), "std": one["std"] * np.float32(4)}
        for name, one in plain.items()
    }
    videos = setting.batch.videos
    moved = dataclasses.replace(videos, frames=videos.frames.astype(np.float32) * 4 + 2)
    assert videos.regions is not None
    moved = dataclasses.replace(moved, regions=videos.regions.astype(np.float32) * 4 + 2)
    results = [
        _apply(
            setting.model,
            {**setting.variables, "statistics": statistics},
            dataclasses.replace(setting.batch, videos=one),
        )[0]
        for statistics, one in ((plain, videos), (scaled, moved))
    ]
    assert_same(*results)


def test_bfloat16_keeps_parameters_and_outputs_in_float32(setting: Setting) -> None:
    model = tiny_model(SHAPE_WITH_REGIONS, compute_dtype="bfloat16")
    abstract = jax.eval_shape(model.init, jax.random.key(0), setting.batch)
    assert {leaf.dtype for leaf in jax.tree.leaves(abstract)} == {jnp.dtype("float32")}
    videos, texts, _ = _apply(model, setting.variables, setting.batch)
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
        videos, texts, _ = _apply(model, {**variables, "params": params}, batch)
        parts = [video_share * jnp.sum(one) for one in videos.attribute_logits.values()]
        parts += [text_share * jnp.sum(one) for one in texts.attribute_logits.values()]
        return sum(parts, start=jnp.float32(0))

    compute = jax.jit(jax.grad(total))
    return compute(variables["params"], 1.0, 0.0), compute(variables["params"], 0.0, 1.0)


def largest(tree: Any) -> float:
    return max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


def test_both_sides_share_the_attribute_projector(setting: Setting) -> None:
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


def test_dropout_acts_in_training_only(setting: Setting) -> None:
    model = tiny_model(SHAPE_WITH_REGIONS, dropout=0.5)
    train = jax.jit(
        lambda key: model.apply(setting.variables, setting.batch, train=True, rngs={"dropout": key})
    )
    results: list[Any] = [train(jax.random.key(seed)) for seed in (0, 1)]
    for one, other in zip(results[0][:2], results[1][:2], strict=True):
        assert np.abs(one.embeddings.pooled - other.embeddings.pooled).max() > 1e-3
    videos, texts, _ = _apply(model, setting.variables, setting.batch)
    assert_same(videos, setting.videos, 1e-6)
    assert_same(texts, setting.texts, 1e-6)


def test_encoders_work_alone(setting: Setting) -> None:
    videos = jax.jit(lambda b: setting.model.apply(setting.variables, b, method="encode_videos"))(
        setting.batch.videos
    )
    texts = jax.jit(lambda b: setting.model.apply(setting.variables, b, method="encode_texts"))(
        setting.batch.texts
    )
    assert_same(videos, setting.videos, 1e-6)
    assert_same(texts, setting.texts, 1e-6)


def test_frames_may_be_averaged_into_the_global_vector() -> None:
    model, batch = tiny_model(frame_pooling="mean"), random_batch(COUNT)
    variables = random_variables(model, batch)
    videos, _, _ = _apply(model, variables, batch)
    projection = variables["params"]["video_encoder"]["global_projection"]["Dense_0"]
    statistics = variables["statistics"]["frame_statistics"]
    for row in range(COUNT):
        real = np.asarray(batch.videos.frames[row][batch.videos.frame_mask[row]], np.float64)
        mean = ((real - statistics["mean"]) / statistics["std"]).mean(axis=0)
        expected = mean @ projection["kernel"] + projection["bias"]
        np.testing.assert_allclose(pooled(videos)[row], expected, rtol=1e-4, atol=1e-5)
