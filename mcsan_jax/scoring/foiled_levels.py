"""This module says which levels are to tell a foil from its caption, those that say what was made false.

Attributes are to tell it where a level is.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from data_pipeline.batches.batch import PairBatch, TextBatch
from data_pipeline.levels import (
    ACTION,
    ENTITY,
    FOIL_KINDS,
    MODIFIER,
    NODE_LEVELS,
    ORDER,
    POLARITY,
    RELATIONSHIP,
    ROLE,
)
from mcsan_jax.encodings import Encoding

LEVELS_OF_KINDS = {
    ROLE: (ACTION, RELATIONSHIP),
    ACTION: (ACTION, RELATIONSHIP),
    ENTITY: (ENTITY, RELATIONSHIP),
    MODIFIER: (ENTITY, ACTION, RELATIONSHIP),
    POLARITY: (ENTITY, ACTION, RELATIONSHIP),
    ORDER: (ACTION, RELATIONSHIP),
}
"""The levels that each kind of foil concerns.

Where entities and actions both stand here, one of them was changed, and it is the one that is concerned.
"""


def concerned_captions(texts: Encoding, foils: Encoding, batch: PairBatch) -> dict[str, Bool[Array, " t"]]:
    """Returns, by node level, which captions have a foil that the level is to tell from them.

    The kind of the foil concerns the level, and both the caption and the foil have nodes there. Modifiers and polarity
    are those of a node, so that of entities and actions only the level with a changed node is concerned.

    Args:
        texts: encoded captions.
        foils: encoded foils, one for each caption.
        batch: the captions and the foils as they were read, and the foils' kinds.
    """
    assert batch.foils is not None, "the batch has no foils"
    kinds = jnp.asarray(batch.foil_kinds)
    concerned = {}
    for level in (level for level in NODE_LEVELS if level in texts.embeddings.nodes):
        asked = _is_in(kinds, [kind for kind, levels in LEVELS_OF_KINDS.items() if level in levels])
        if level != RELATIONSHIP:
            either = [kind for kind, levels in LEVELS_OF_KINDS.items() if {ENTITY, ACTION} <= set(levels)]
            # Slots of actions come first.
            count = texts.embeddings.nodes[level].mask.shape[1]
            own = slice(None, count) if level == ACTION else slice(-count, None)
            changed = _words(batch.texts, own) != _words(batch.foils, own)
            asked &= jnp.any(changed, axis=1) | ~_is_in(kinds, either)
        has_nodes = [jnp.any(one.embeddings.nodes[level].mask, axis=1) for one in (texts, foils)]
        concerned[level] = asked & has_nodes[0] & has_nodes[1]
    return concerned


def concerned_attributes(
    concerned: dict[str, Bool[Array, " t"]], texts: Encoding, foils: Encoding, batch: PairBatch
) -> Bool[Array, " t"]:
    """Returns which captions have a foil that their attributes are to tell from them.

    The foil concerns a level, both the caption and the foil state something at a level with attributes, and the kind
    of the foil is not the order of actions, which no attribute names.

    Args:
        concerned: which captions are concerned, by level.
        texts: encoded captions.
        foils: encoded foils, one for each caption.
        batch: has the foils' kinds.
    """
    asked = functools.reduce(jnp.logical_or, concerned.values()) & ~_is_in(
        jnp.asarray(batch.foil_kinds), [ORDER]
    )
    for one in (texts, foils):
        nodes = one.embeddings.nodes
        asked &= functools.reduce(
            jnp.logical_or, [jnp.any(nodes[level].affirmed, axis=1) for level in one.attribute_logits]
        )
    return asked


def _is_in(kinds: Int[Array, " t"], wanted: list[str]) -> Bool[Array, " t"]:
    # The last place is that of captions without a foil, whose kind is -1.
    return jnp.asarray(np.array([kind in wanted for kind in FOIL_KINDS] + [False]))[kinds]


def _words(texts: TextBatch, slots: slice) -> Int[Array, "t n"]:
    """Returns a number for each node, which changes with a word of it or of a modifier, and with its polarity."""
    tokens = jnp.where(texts.node_tokens()[:, slots], jnp.asarray(texts.token_ids)[:, None], 0)
    total = jnp.sum(tokens, axis=2)
    return jnp.where(texts.node_negated[:, slots], -1 - total, total)
