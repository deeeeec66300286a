"""This module says at which levels a foil is to be told from its caption: those that say what was made false."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from data_pipeline.batches.batch import PairBatch
from data_pipeline.levels import ACTION, ENTITY, FOIL_KINDS, RELATIONSHIP
from mcsan_jax.encodings import Encoding

LEVELS_OF_KINDS = {
    "role": (ACTION, RELATIONSHIP),
    "action": (ACTION, RELATIONSHIP),
    "entity": (ENTITY, RELATIONSHIP),
    "modifier": (ENTITY, ACTION, RELATIONSHIP),
    "polarity": (ENTITY, ACTION, RELATIONSHIP),
    "order": (ACTION, RELATIONSHIP),
}
"""The levels that each kind of foil concerns."""


def concerned_captions(texts: Encoding, foils: Encoding, batch: PairBatch) -> dict[str, Bool[Array, " t"]]:
    """Returns, by node level, which captions have a foil that the level is to tell from them.

    The kind of the foil concerns the level, and both the caption and the foil have nodes there.

    Args:
        texts: encoded captions.
        foils: encoded foils, one for each caption.
        batch: has the foils' kinds.
    """
    kinds = jnp.asarray(batch.foil_kinds)
    concerned = {}
    for level in texts.embeddings.nodes:
        # The last place is that of captions without a foil, whose kind is -1.
        by_kind = np.array([level in LEVELS_OF_KINDS[kind] for kind in FOIL_KINDS] + [False])
        has_both = [jnp.any(one.embeddings.nodes[level].mask, axis=1) for one in (texts, foils)]
        concerned[level] = jnp.asarray(by_kind)[kinds] & has_both[0] & has_both[1]
    return concerned
