"""This module has the containers of padded model inputs: numpy arrays on the host, sharded arrays in the step."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Element = TypeVar("Element")
AnyArray = Array | np.ndarray


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class VideoBatch:
    """A video batch holds the frame features of ``v`` videos.

    Attributes:
        frames: features of all streams side by side, not yet standardised; padding is zero.
        frame_mask: True for real frames.
        regions: features of ``k`` regions of each frame, or None where the data has none.
        labels: by node level, True where one of the video's captions has the attribute.
    """

    frames: Float[AnyArray, "v f d"]
    frame_mask: Bool[AnyArray, "v f"]
    regions: Float[AnyArray, "v f k region_d"] | None
    labels: dict[str, Bool[AnyArray, "v _"]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TextBatch:
    """A text batch holds the token ids and semantic graphs of ``t`` captions.

    Node slots ``0 .. max_actions-1`` hold actions, the slots after them hold entities.

    Attributes:
        token_ids: the ids of the tokenizer; padding is 0 and masked.
        token_mask: True for real tokens.
        node_spans: the first token of each node and one past its last.
        node_roles: the role id of each node (the manifest lists the roles).
        node_negated: True for nodes that the caption denies.
        node_mask: True for real nodes.
        modifier_nodes: the node slot of which each modifier says more.
        modifier_kinds: the id of the modifier's kind (the manifest lists the kinds).
        modifier_spans: the first token of each modifier and one past its last.
        modifier_mask: True for real modifiers.
        edge_source: the node slot from which a relationship starts (an action, or an entity for a preposition between
            nouns).
        edge_target: the node slot at which it ends: an entity, or an action where their order joins two.
        edge_roles: the role id of the relationship.
        edge_negated: True for relationships that the caption denies.
        edge_mask: True for real relationships.
        labels: by node level, True where the caption has the attribute.
        caption_group: a number that captions of the same text share (`data_pipeline.text.same_text`); such pairs are
            not negatives.
        token_states: the states that a frozen text encoder gave to the tokens; None lets the network compute them.
        span_embeddings: the embeddings that the text tower of an image-text encoder gave to the sentence, which comes
            first, and to the words of each node; None lets the network compute them.
    """

    token_ids: Int[AnyArray, "t w"]
    token_mask: Bool[AnyArray, "t w"]
    node_spans: Int[AnyArray, "t n 2"]
    node_roles: Int[AnyArray, "t n"]
    node_negated: Bool[AnyArray, "t n"]
    node_mask: Bool[AnyArray, "t n"]
    modifier_nodes: Int[AnyArray, "t m"]
    modifier_kinds: Int[AnyArray, "t m"]
    modifier_spans: Int[AnyArray, "t m 2"]
    modifier_mask: Bool[AnyArray, "t m"]
    edge_source: Int[AnyArray, "t r"]
    edge_target: Int[AnyArray, "t r"]
    edge_roles: Int[AnyArray, "t r"]
    edge_negated: Bool[AnyArray, "t r"]
    edge_mask: Bool[AnyArray, "t r"]
    labels: dict[str, Bool[AnyArray, "t _"]]
    caption_group: Int[AnyArray, " t"]
    token_states: Float[AnyArray, "t w width"] | None = None
    span_embeddings: Float[AnyArray, "t n_and_1 dim"] | None = None

    def node_tokens(self) -> Bool[AnyArray, "t n w"]:
        """Returns which tokens are the words of each node or of one of its modifiers; none for padding."""
        own = _within(self.node_spans, self.token_mask) & self.node_mask[:, :, None]
        of_modifiers = _within(self.modifier_spans, self.token_mask) & self.modifier_mask[:, :, None]
        slots = np.arange(self.node_mask.shape[1], dtype=np.int32)
        modified = self.modifier_nodes[:, None, :] == slots[None, :, None]
        by_modifiers: Any = (modified[..., None] & of_modifiers[:, None]).any(axis=2)
        return own | by_modifiers

    def denied_tokens(self) -> Bool[AnyArray, "t w"]:
        """Returns which tokens are the words of a node that the caption denies, or of a modifier of it."""
        denied: Any = (self.node_tokens() & self.node_negated[:, :, None]).any(axis=1)
        return denied


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PairBatch:
    """A pair batch is a training batch with ``c`` captions of each video; row ``i`` of ``videos`` has the rows ``i c``
    to ``i c + c - 1`` of ``texts``.

    No video occurs twice.

    Attributes:
        videos, texts: the videos and their captions.
        example_mask: False for rows that only fill up the last batch of a pass over the data.
        foils: a foil of each caption, that is a false caption made from it, in the captions' order; empty rows where a
            caption has none. None where training uses no foils.
        foil_kinds: the place of each foil's kind in `data_pipeline.levels.FOIL_KINDS`, -1 in empty rows; None together
            with `foils`.
    """

    videos: VideoBatch
    texts: TextBatch
    example_mask: Bool[AnyArray, " v"]
    foils: TextBatch | None = None
    foil_kinds: Int[AnyArray, " t"] | None = None


@dataclasses.dataclass(frozen=True)
class PairInfo:
    """This says what the rows of a training batch are.

    Attributes:
        videos: the ids of the videos, empty where a row only fills up the batch.
        captions: the numbers of each row's captions among those of its video [v, c].
        foils: the numbers of the captions' foils among those of the video [v, c], -1 where a caption has none; None
            without foils.
    """

    videos: list[str]
    captions: np.ndarray
    foils: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class BatchLimits:
    """Batch limits are the sizes to which a batch is padded or cut.

    Frames beyond ``max_frames`` are sampled uniformly. Nodes, modifiers and relationships beyond the limits, and those
    whose words lie beyond ``max_tokens``, are dropped.

    Attributes:
        max_frames: the largest number of frames of a video.
        max_tokens: the largest number of tokens of a caption.
        max_actions, max_entities: the numbers of node slots of a caption for each level.
        max_relationships: the number of relationship slots of a caption.
        max_modifiers: the number of modifier slots of a caption, for all its nodes together.
    """

    max_frames: int
    max_tokens: int
    max_actions: int
    max_entities: int
    max_relationships: int
    max_modifiers: int


def _within(spans: Int[AnyArray, "t n 2"], token_mask: Bool[AnyArray, "t w"]) -> Bool[AnyArray, "t n w"]:
    """Returns which real tokens lie in each span."""
    places = np.arange(token_mask.shape[1], dtype=np.int32)[None, None]
    return (spans[..., :1] <= places) & (places < spans[..., 1:]) & token_mask[:, None]


def rebatched(elements: Iterator[Element], size: int) -> Iterator[Element]:
    """Yields the rows of trees of arrays in groups of ``size``; the last group has the remaining rows."""
    rest: Element | None = None
    for element in elements:
        rest = element if rest is None else jax.tree.map(lambda *both: np.concatenate(both), rest, element)
        while len(jax.tree.leaves(rest)[0]) >= size:
            yield jax.tree.map(lambda rows: rows[:size], rest)
            rest = jax.tree.map(lambda rows: rows[size:], rest)
    if rest is not None and len(jax.tree.leaves(rest)[0]):
        yield rest


def pad_rows(rows: np.ndarray, missing: int) -> np.ndarray:
    """Returns the rows with empty ones behind them."""
    return np.pad(rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1))
