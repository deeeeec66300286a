"""Each level of captions is its formula of docs/method.md, whatever the network's choices."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import TextBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, LEVELS, NODE_LEVELS, RELATIONSHIP
from mcsan_jax.encodings import Encoding
from mcsan_jax.models.bert import BertShape
from mcsan_jax.models.mcsan import MCSAN
from tests.models.comparison import assert_level_is
from tests.models.encoder_batch import COUNT, STATE_WIDTH, denied_nodes, encoder_batch
from tests.models.plain_layers import attribute_logits
from tests.models.plain_text_levels import (
    Edge,
    Modifier,
    Node,
    text_global,
    text_nodes,
    text_relationships,
    token_states,
)
from tests.support.tiny_model import SHAPE, SIZES, random_variables, tiny_config

WIDTH = 8
CHOICES: dict[str, dict[str, Any]] = {
    "bigru": {"context": "bigru"},
    "transformer, own attribute projection": {
        "context": "transformer",
        "share_attribute_projection": False,
    },
    "states of a pretrained encoder, sentence node": {
        "context": "pretrained",
        "pretrained": "tiny",
        "sentence_node": True,
    },
}
PRETRAINED = BertShape(
    vocabulary_size=SHAPE.vocabulary_size,
    width=STATE_WIDTH,
    layers=1,
    heads=1,
    inner_width=5,
    places=9,
    segments=1,
    norm_epsilon=1e-12,
    first_token=2,
    last_token=3,
)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """What the network makes of all captions, and what the formulas make of each."""

    network: Encoding
    levels: list[dict[str, Any]]
    denied: list[dict[str, list[bool]]]
    attribute_logits: list[dict[str, np.ndarray]]


@pytest.fixture(scope="module", params=CHOICES)
def encoded(request: pytest.FixtureRequest) -> Encoded:
    choices = CHOICES[request.param]
    pretrained = PRETRAINED if choices["context"] == "pretrained" else None
    model = MCSAN(tiny_config(**choices), SHAPE, pretrained)
    batch = encoder_batch(SHAPE, with_token_states=pretrained is not None)
    variables = random_variables(model, batch)
    network: Any = jax.jit(lambda texts: model.apply(variables, texts, method="encode_texts"))(batch.texts)

    weights = jax.tree.map(np.float64, variables["params"])
    own = not choices.get("share_attribute_projection", True)
    projector = weights["text_attribute_projector" if own else "attribute_projector"]
    levels = [caption_levels(weights["text_encoder"], batch.texts, t, choices) for t in range(COUNT)]
    denied = [denied_nodes(batch.texts, t) for t in range(COUNT)]
    logits = [
        {
            level: attribute_logits(projector[level], affirmed(one[level], not_so[level]), WIDTH)
            for level in NODE_LEVELS
        }
        for one, not_so in zip(levels, denied, strict=True)
    ]
    return Encoded(network, levels, denied, logits)


def caption_levels(weights: Any, texts: TextBatch, t: int, choices: dict[str, Any]) -> dict[str, Any]:
    tokens = texts.token_ids if texts.token_states is None else texts.token_states
    nodes = [
        Node(slot, tuple(texts.node_spans[t, slot]), texts.node_roles[t, slot])
        for slot in np.flatnonzero(texts.node_mask[t])
    ]
    modifiers = [
        Modifier(texts.modifier_nodes[t, m], tuple(texts.modifier_spans[t, m]), texts.modifier_kinds[t, m])
        for m in np.flatnonzero(texts.modifier_mask[t])
    ]
    edges = [
        Edge(texts.edge_source[t, e], texts.edge_target[t, e], texts.edge_roles[t, e])
        for e in np.flatnonzero(texts.edge_mask[t])
    ]
    states = token_states(weights, choices["context"], tokens[t][texts.token_mask[t]])
    pooled = text_global(weights, states, WIDTH)
    sentence = pooled if choices.get("sentence_node") and len(states) else None
    vectors, attending = text_nodes(weights, states, nodes, modifiers, edges, SIZES.max_actions, sentence)
    return {
        GLOBAL: pooled if attending is None else attending,
        ENTITY: [vectors[slot] for slot in sorted(vectors) if slot >= SIZES.max_actions],
        ACTION: [vectors[slot] for slot in sorted(vectors) if slot < SIZES.max_actions],
        RELATIONSHIP: text_relationships(weights, vectors, edges),
    }


def affirmed(vectors: list[np.ndarray], denied: list[bool]) -> list[np.ndarray]:
    return [vector for vector, is_denied in zip(vectors, denied, strict=True) if not is_denied]


@pytest.mark.parametrize("level", LEVELS)
def test_level(encoded: Encoded, level: str) -> None:
    assert_level_is(encoded.network, level, [of_caption[level] for of_caption in encoded.levels])


@pytest.mark.parametrize("level", NODE_LEVELS)
def test_what_a_caption_denies_is_marked(encoded: Encoded, level: str) -> None:
    nodes = encoded.network.embeddings.nodes[level]
    assert nodes.negated is not None
    for t, denied in enumerate(encoded.denied):
        np.testing.assert_array_equal(nodes.negated[t][nodes.mask[t]], denied[level])
    assert any(True in denied[level] and False in denied[level] for denied in encoded.denied)


@pytest.mark.parametrize("level", NODE_LEVELS)
def test_attribute_logits(encoded: Encoded, level: str) -> None:
    expected = [of_caption[level] for of_caption in encoded.attribute_logits]
    np.testing.assert_allclose(encoded.network.attribute_logits[level], expected, rtol=1e-4, atol=2e-5)
