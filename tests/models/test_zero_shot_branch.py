import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch, TextBatch
from data_pipeline.levels import GLOBAL, LEVELS, NODE_LEVELS
from mcsan_jax.config import Config
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.image_text.text_tower import TextShape, TextTower
from mcsan_jax.image_text.tower_shapes import TextTowerShape, TransformerShape
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.models.zero_shot_branch import ZeroShotShape
from mcsan_jax.scoring.multi_level import score_normalised
from mcsan_jax.scoring.normalised import normalise_texts, normalise_videos
from tests.models.comparison import assert_level_is
from tests.models.encoder_batch import COUNT, denied_nodes, encoder_batch
from tests.models.plain_zero_shot import Levels, added, fused_score, level_scores, text_levels, video_levels
from tests.scoring.plain_formulas import numeric_gradient
from tests.support.tiny_model import SHAPE, SIZES, random_variables, tiny_config

FIRST, DIM, SMOOTHING = 1, 4, 4.0
WEIGHTS = {level: 12.0 if level == GLOBAL else 1.0 for level in LEVELS}
BLOCKS = TransformerShape(
    width=6, layers=1, heads=2, inner_width=8, activation="quick_gelu", norm_epsilon=1e-5
)
TEXT = TextShape(
    TextTowerShape("clip", BLOCKS, SHAPE.vocabulary_size + 2, 9, DIM),
    first_token=SHAPE.vocabulary_size,
    last_token=SHAPE.vocabulary_size + 1,
    padding_token=SHAPE.vocabulary_size + 1,
    first_id=0,
)
ZERO_SHOT = ZeroShotShape(TEXT, FIRST)
CONTEXTS = ("bigru", "pretrained")


def config(context: str = "bigru", **model: Any) -> Config:
    return tiny_config(context=context, pretrained_video="an encoder", **model)


def network(context: str = "bigru", **model: Any) -> MCSAN:
    return MCSAN(config(context, **model), SHAPE, zero_shot=ZERO_SHOT)


def scores(model: MCSAN, videos: Encoding, texts: Encoding, parameters: ScoringParameters) -> Any:
    return score_normalised(
        normalise_videos(videos), normalise_texts(texts), parameters, model.config.similarity
    )


def initial(model: MCSAN, batch: PairBatch) -> Any:
    return jax.jit(model.init)(jax.random.key(0), batch)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A network whose maps are not zero, its variables, what it makes of a batch, and what the formulas make of it."""

    model: MCSAN
    variables: Any
    batch: PairBatch
    network: tuple[Encoding, Encoding, ScoringParameters]
    videos: list[Levels]
    texts: list[Levels]


@pytest.fixture(scope="module", params=["zero-shot", "pretrained"])
def encoded(request: pytest.FixtureRequest) -> Encoded:
    alone = request.param == "zero-shot"
    model = network(zero_shot_only=True) if alone else network(request.param)
    batch = encoder_batch(SHAPE)
    variables = jax.tree.map(jnp.asarray, random_variables(model, batch))
    found: Any = jax.jit(model.apply)(variables, batch)
    videos, texts = own_levels(variables, batch)
    if not alone:
        learned = learned_levels(model, variables, batch)
        weights = jax.tree.map(np.float64, variables["params"]["zero_shot_branch"])
        videos, texts = (
            [added(own, more, weights, side) for own, more in zip(of_encoder, of_network, strict=True)]
            for side, of_encoder, of_network in zip(("video", "text"), (videos, texts), learned, strict=True)
        )
    return Encoded(model, variables, batch, found, videos, texts)


def own_levels(variables: Any, batch: PairBatch) -> tuple[list[Levels], list[Levels]]:
    """What the encoder alone makes of each video and caption: its tower reads one text at a time, without padding."""
    weights = variables["params"]["zero_shot_branch"]["tower"]
    read = jax.jit(lambda tokens, mask: TextTower(TEXT).apply({"params": weights}, tokens, mask))

    def embedding(tokens: np.ndarray) -> np.ndarray:
        if not len(tokens):
            return np.zeros(DIM)
        _, found = read(jnp.asarray(tokens[None]), jnp.ones((1, len(tokens)), bool))
        return np.float64(found[0])

    texts = []
    for t in range(COUNT):
        tokens = batch.texts.token_ids[t][batch.texts.token_mask[t]]
        nodes = {
            int(slot): embedding(words_of_node(batch.texts, t, slot))
            for slot in np.flatnonzero(batch.texts.node_mask[t])
        }
        texts.append(text_levels(batch.texts, t, embedding(tokens), nodes, SIZES.max_actions))
    frames = np.float64(batch.videos.frames)[:, :, FIRST : FIRST + DIM]
    videos = [video_levels(frames[v][batch.videos.frame_mask[v]]) for v in range(COUNT)]
    return videos, texts


def words_of_node(texts: TextBatch, t: int, slot: int) -> np.ndarray:
    """The tokens of a node and of its modifiers, each once, in the order of the text."""
    places = set(range(*texts.node_spans[t, slot]))
    for m in np.flatnonzero(texts.modifier_mask[t]):
        if texts.modifier_nodes[t, m] == slot:
            places |= set(range(*texts.modifier_spans[t, m]))
    return texts.token_ids[t][sorted(places)]


def learned_levels(model: MCSAN, variables: Any, batch: PairBatch) -> tuple[list[Levels], list[Levels]]:
    """What the two encoders of the network make of them, which other tests compare with formulas."""

    def encode(network: MCSAN) -> Any:
        frames = network.frame_statistics(jnp.asarray(batch.videos.frames))
        videos = network.video_encoder(frames, jnp.asarray(batch.videos.frame_mask), None, False)
        _, states = network.zero_shot_branch.read(batch.texts, model.config.model.context == "pretrained")
        texts, _ = network.text_encoder(dataclasses.replace(batch.texts, token_states=states), False)
        return videos, texts

    def levels(embeddings: Any, item: int) -> Levels:
        nodes = {
            level: list(np.float64(own.vectors[item][own.mask[item]]))
            for level, own in embeddings.nodes.items()
        }
        return {GLOBAL: np.float64(embeddings.pooled[item]), **nodes}

    found: Any = model.apply(variables, method=encode)
    return tuple([levels(side, item) for item in range(COUNT)] for side in found)


@pytest.mark.parametrize("level", LEVELS)
def test_level_is_the_encoders_unit_vector_and_what_was_learned(encoded: Encoded, level: str) -> None:
    videos, texts, _ = encoded.network
    assert_level_is(videos, level, [video[level] for video in encoded.videos])
    assert_level_is(texts, level, [text[level] for text in encoded.texts])


def test_scores_are_those_of_plain_loops(encoded: Encoded) -> None:
    found = scores(encoded.model, *encoded.network)
    for v, video in enumerate(encoded.videos):
        for t, text in enumerate(encoded.texts):
            expected = level_scores(video, text, denied_nodes(encoded.batch.texts, t), SMOOTHING)
            for level, score in expected.items():
                np.testing.assert_allclose(found.components[level][v, t], score, atol=3e-6, err_msg=level)
            weights = {level: float(encoded.network[2].level_weights[level]) for level in expected}
            mean = sum(weights[level] * score for level, score in expected.items()) / sum(weights.values())
            np.testing.assert_allclose(found.fused[v, t], mean, atol=3e-6)


@pytest.mark.parametrize("context", CONTEXTS)
def test_before_the_first_step_the_network_is_the_zero_shot_model(context: str) -> None:
    batch, model, alone = encoder_batch(SHAPE), network(context), network(zero_shot_only=True)
    params, own = initial(model, batch), initial(alone, batch)
    own["params"]["zero_shot_branch"]["tower"] = params["params"]["zero_shot_branch"]["tower"]
    found, expected = (
        scores(one, *jax.jit(one.apply)(variables, batch))
        for one, variables in ((model, params), (alone, own))
    )
    # Two programs may round the last digit differently.
    np.testing.assert_allclose(found.fused, expected.fused, rtol=0, atol=2e-7)
    for level in LEVELS:
        np.testing.assert_allclose(found.components[level], expected.components[level], rtol=0, atol=2e-7)
    assert np.ptp(np.asarray(found.fused)) > 0.1


def test_gradients_reach_what_is_learned_and_never_the_tower() -> None:
    """Of a map that is zero they are those of the plain loops; what stands before it has none yet."""
    batch, model = encoder_batch(SHAPE), network()
    variables = initial(model, batch)
    factors = np.random.default_rng(3).normal(size=(COUNT, COUNT))

    def total(params: Any) -> Any:
        encoded: Any = model.apply({**variables, "params": params}, batch)
        return jnp.sum(scores(model, *encoded).fused * factors.astype(np.float32))

    gradient = jax.device_get(jax.jit(jax.grad(total))(variables["params"]))
    branch = gradient["zero_shot_branch"]
    assert not any(leaf.any() for leaf in jax.tree.leaves(branch["tower"]))
    for encoder in ("video_encoder", "text_encoder"):
        assert not any(leaf.any() for leaf in jax.tree.leaves(gradient[encoder]))

    own, learned = own_levels(variables, batch), learned_levels(model, variables, batch)
    maps = jax.tree.map(np.float64, variables["params"]["zero_shot_branch"])
    denied = [denied_nodes(batch.texts, t) for t in range(COUNT)]
    for side in ("video", "text"):
        for level in LEVELS:
            name = f"{side}_maps_{level}"

            def plain(kernel: np.ndarray, name: str = name) -> float:
                changed = {**maps, name: {"Dense_0": {**maps[name]["Dense_0"], "kernel": kernel}}}
                videos, texts = (
                    [added(one, more, changed, which) for one, more in zip(*levels, strict=True)]
                    for which, levels in zip(("video", "text"), zip(own, learned, strict=True), strict=True)
                )
                pairs = [
                    [
                        fused_score(video, text, not_so, WEIGHTS, SMOOTHING)
                        for text, not_so in zip(texts, denied, strict=True)
                    ]
                    for video in videos
                ]
                return float((np.array(pairs) * factors).sum())

            row = numeric_gradient(
                lambda row, plain=plain: plain(np.concatenate([row, np.zeros((7, DIM))])), np.zeros((1, DIM))
            )
            np.testing.assert_allclose(
                branch[name]["Dense_0"]["kernel"][:1], row, rtol=2e-3, atol=2e-4, err_msg=name
            )


def test_attributes_are_all_alike_before_the_first_step() -> None:
    batch, model = encoder_batch(SHAPE), network()
    videos, texts, _ = jax.jit(model.apply)(initial(model, batch), batch)
    for level in NODE_LEVELS:
        assert not videos.attribute_logits[level].any() and not texts.attribute_logits[level].any()


@pytest.mark.parametrize("context", CONTEXTS)
def test_embeddings_that_are_given_are_taken(context: str) -> None:
    batch, model = encoder_batch(SHAPE), network(context)
    variables = jax.tree.map(jnp.asarray, random_variables(model, batch))

    def read(network: MCSAN) -> Any:
        return network.zero_shot_branch.read(batch.texts, True)

    spans, states = model.apply(variables, method=read)
    texts = dataclasses.replace(
        batch.texts, span_embeddings=np.asarray(spans), token_states=np.asarray(states)
    )
    apply = jax.jit(lambda texts: model.apply(variables, texts, method="encode_texts"))
    found, given = apply(batch.texts), apply(texts)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-6), found, given)
    # They are read, not computed beside.
    other = apply(dataclasses.replace(texts, span_embeddings=-np.asarray(spans)))
    assert np.abs(other.embeddings.pooled - given.embeddings.pooled).max() > 0.1
