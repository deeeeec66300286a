"""Which levels are asked to tell a foil from its caption."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.batches.batch import TextBatch
from data_pipeline.levels import ACTION, ENTITY, FOIL_KINDS, NODE_LEVELS, RELATIONSHIP
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet
from mcsan_jax.scoring.foiled_levels import LEVELS_OF_KINDS, concerned_captions
from tests.support.tiny_model import SIZES, random_batch

ACTIONS = SIZES.max_actions
CAPTION = 0
"""It has tokens, modifiers and nodes in every slot."""


def encoding(texts: TextBatch) -> Encoding:
    """What the function looks at: which nodes there are."""
    masks = {
        ACTION: texts.node_mask[:, :ACTIONS],
        ENTITY: texts.node_mask[:, ACTIONS:],
        RELATIONSHIP: texts.edge_mask,
    }
    levels = {level: NodeSet(jnp.zeros((*mask.shape, 1)), jnp.asarray(mask)) for level, mask in masks.items()}
    return Encoding(LevelEmbeddings(None, levels), {})


def asked(kind: str, without: str | None = None, **changes: Any) -> set[str]:
    """The levels that are asked about a foil of a kind that differs from its caption in these arrays."""
    batch = random_batch(3)
    spans = batch.texts.modifier_spans.copy()
    spans[CAPTION] = [[place, place + 1] for place in range(spans.shape[1])]
    nodes = batch.texts.node_spans.copy()
    nodes[CAPTION] = [5, 6]
    owners = batch.texts.modifier_nodes.copy()
    owners[CAPTION] = np.arange(owners.shape[1]) % batch.texts.node_mask.shape[1]
    texts = dataclasses.replace(
        batch.texts,
        modifier_spans=spans,
        modifier_nodes=owners,
        modifier_mask=np.ones_like(batch.texts.modifier_mask),
        node_spans=nodes,
    )
    foils = dataclasses.replace(
        texts, **{name: change(getattr(texts, name)) for name, change in changes.items()}
    )
    kinds = np.full(3, -1, np.int32)
    kinds[CAPTION] = FOIL_KINDS.index(kind)
    encodings = [encoding(texts), encoding(foils)]
    if without:
        there = encodings[1].embeddings.nodes
        there[without] = dataclasses.replace(there[without], mask=jnp.zeros_like(there[without].mask))
    batch = dataclasses.replace(batch, texts=texts, foils=foils, foil_kinds=kinds)
    concerned = concerned_captions(*encodings, batch)
    assert set(concerned) == set(NODE_LEVELS)
    assert not any(np.asarray(rows)[1:].any() for rows in concerned.values()), "captions without a foil"
    return {level for level, rows in concerned.items() if rows[CAPTION]}


def changed_at(*place: int) -> Any:
    def change(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[(CAPTION, *place)] ^= True if values.dtype == bool else 1
        return changed

    return change


@pytest.mark.parametrize("kind", ["role", "action", "entity", "order"])
def test_the_kind_says_which_levels_are_asked(kind: str) -> None:
    assert set(LEVELS_OF_KINDS) == set(FOIL_KINDS)
    assert asked(kind) == set(LEVELS_OF_KINDS[kind])


@pytest.mark.parametrize(("node", "level"), [(0, ACTION), (ACTIONS, ENTITY)])
def test_of_another_modifier_the_level_of_its_node_is_asked(node: int, level: str) -> None:
    """The modifier of each node is the token of the same place."""
    assert asked("modifier", token_ids=changed_at(node)) == {level, RELATIONSHIP}


@pytest.mark.parametrize(("node", "level"), [(ACTIONS - 1, ACTION), (-1, ENTITY)])
def test_of_the_other_polarity_the_level_of_its_node_is_asked(node: int, level: str) -> None:
    assert asked("polarity", node_negated=changed_at(node)) == {level, RELATIONSHIP}


def test_of_an_edge_that_is_denied_only_relationships_are_asked() -> None:
    assert asked("polarity", edge_negated=changed_at(0)) == {RELATIONSHIP}


def test_a_level_that_the_foil_lacks_is_not_asked() -> None:
    assert asked("entity", without=RELATIONSHIP) == {ENTITY}
