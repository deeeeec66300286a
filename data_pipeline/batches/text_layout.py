"""This module lays out captions, stored or free, as the padded arrays of a `TextBatch`.

It uses array operations only, without a loop over captions and without TensorFlow.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from data_pipeline.batches.batch import BatchLimits, TextBatch
from data_pipeline.records.schema import ACTION_NODE, CAPTION_FIELDS

FlatCaptions = Mapping[str, np.ndarray]
"""The integers of captions lie end to end, by key, as `data_pipeline.records.schema.flatten_captions` gives them."""


@dataclasses.dataclass(frozen=True)
class Ragged:
    """Ragged rows of different lengths lie end to end: ``values`` ``[m, ...]``, ``lengths`` ``[rows]``, integers."""

    values: np.ndarray
    lengths: np.ndarray

    @staticmethod
    def of(flat: FlatCaptions, name: str) -> "Ragged":
        """Returns the values of a key of `CAPTION_FIELDS` that has several for a caption."""
        field = CAPTION_FIELDS[name]
        assert field.counts is not None
        return Ragged(flat[name].reshape(-1, *field.columns), flat[field.counts])

    def rows(self, chosen: np.ndarray, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the chosen rows, cut and zero-padded to ``width`` (default: the longest), and the mask of values.

        Returns:
            The values, int32 ``[t, width, ...]``, and the mask, bool ``[t, width]``; a row one past the last is empty.
        """
        lengths = np.append(self.lengths, 0)
        starts = np.cumsum(lengths) - lengths
        chosen_lengths = lengths[chosen]
        column = np.arange(max(int(chosen_lengths.max(initial=0)), 1) if width is None else width)
        mask = column < chosen_lengths[:, None]
        # Padding points at the appended zero.
        values = np.concatenate([self.values, np.zeros((1, *self.values.shape[1:]), self.values.dtype)])
        index = np.where(mask, starts[chosen][:, None] + column, len(self.values))
        return values[index].astype(np.int32), mask

    def multi_hot(self, chosen: np.ndarray, size: int) -> Bool[np.ndarray, "t size"]:
        """Returns True at the values of each chosen row."""
        values, mask = self.rows(chosen)
        labels = np.zeros((len(values), size), bool)
        labels[np.nonzero(mask)[0], values[mask]] = True
        return labels


@dataclasses.dataclass(frozen=True)
class Places:
    """Places say which node, modifier or relationship is in each slot of a batch.

    Attributes:
        nodes: the caption's node in each slot: actions first, in the order of the text, then entities.
        node_mask: True for slots that hold a node.
        slots: the slot of each of the caption's nodes; meaningless for nodes without one.
        modifiers, modifier_mask: the same for modifiers, in the caption's order.
        edges, edge_mask: the same for relationships.
    """

    nodes: Int[np.ndarray, "t n"]
    node_mask: Bool[np.ndarray, "t n"]
    slots: Int[np.ndarray, "t _"]
    modifiers: Int[np.ndarray, "t m"]
    modifier_mask: Bool[np.ndarray, "t m"]
    edges: Int[np.ndarray, "t r"]
    edge_mask: Bool[np.ndarray, "t r"]


def place_graphs(flat: FlatCaptions, chosen: np.ndarray, limits: BatchLimits) -> Places:
    """Gives nodes, modifiers and relationships their slots; those beyond the limits get none.

    Args:
        flat: the captions.
        chosen: indices into the captions ``[t]``; one past the last stands for a row of padding.
        limits: the numbers of slots and of tokens.
    """
    level, real = Ragged.of(flat, "node_levels").rows(chosen)
    span, _ = Ragged.of(flat, "node_spans").rows(chosen)
    kept = real & (span[..., 0] < limits.max_tokens)
    is_action = level == ACTION_NODE
    action_rank, entity_rank = _rank(kept & is_action), _rank(kept & ~is_action)
    slots = np.where(is_action, action_rank, limits.max_actions + entity_rank)
    kept &= np.where(is_action, action_rank < limits.max_actions, entity_rank < limits.max_entities)
    nodes, node_mask = _invert(slots, kept, limits.max_actions + limits.max_entities)

    modifier, real = Ragged.of(flat, "modifiers").rows(chosen)
    of_node = real & (modifier[..., 2] < limits.max_tokens) & _take(kept, modifier[..., 0])
    modifiers, modifier_mask = _invert(_rank(of_node), of_node, limits.max_modifiers)

    edge, real = Ragged.of(flat, "edges").rows(chosen)
    both_ends = real & _take(kept, edge[..., 0]) & _take(kept, edge[..., 1])
    edges, edge_mask = _invert(_rank(both_ends), both_ends, limits.max_relationships)
    return Places(nodes, node_mask, slots, modifiers, modifier_mask, edges, edge_mask)


def lay_out(
    flat: FlatCaptions,
    groups: Int[np.ndarray, " captions"],
    chosen: Int[np.ndarray, " t"],
    limits: BatchLimits,
    attribute_sizes: Mapping[str, int],
) -> TextBatch:
    """Returns the batch of chosen captions.

    Args:
        flat: the captions.
        groups: a number for each caption, equal for equal texts.
        chosen: indices into the captions; one past the last stands for a row of padding.
        limits: the sizes to pad and cut to.
        attribute_sizes: the number of attributes of each node level.
    """
    tokens, token_mask = Ragged.of(flat, "token_ids").rows(chosen, limits.max_tokens)
    places = place_graphs(flat, chosen, limits)
    spans, _ = Ragged.of(flat, "node_spans").rows(chosen)
    roles, _ = Ragged.of(flat, "node_roles").rows(chosen)
    negations, _ = Ragged.of(flat, "node_negations").rows(chosen)
    modifiers, _ = Ragged.of(flat, "modifiers").rows(chosen)
    edges, _ = Ragged.of(flat, "edges").rows(chosen)

    def of_nodes(values: np.ndarray) -> np.ndarray:
        return _in_slots(values, places.nodes, places.node_mask)

    def of_modifiers(values: np.ndarray) -> np.ndarray:
        return _in_slots(values, places.modifiers, places.modifier_mask)

    def of_edges(values: np.ndarray) -> np.ndarray:
        return _in_slots(values, places.edges, places.edge_mask)

    return TextBatch(
        token_ids=tokens,
        token_mask=token_mask,
        node_spans=np.minimum(of_nodes(spans), limits.max_tokens),
        node_roles=of_nodes(roles),
        node_negated=of_nodes(negations) > 0,
        node_mask=places.node_mask,
        modifier_nodes=of_modifiers(_take(places.slots, modifiers[..., 0])),
        modifier_kinds=of_modifiers(modifiers[..., 1]),
        modifier_spans=np.minimum(of_modifiers(modifiers[..., 2:]), limits.max_tokens),
        modifier_mask=places.modifier_mask,
        edge_source=of_edges(_take(places.slots, edges[..., 0])),
        edge_target=of_edges(_take(places.slots, edges[..., 1])),
        edge_roles=of_edges(edges[..., 2]),
        edge_negated=of_edges(edges[..., 3]) > 0,
        edge_mask=places.edge_mask,
        labels={
            level: Ragged.of(flat, f"attributes/{level}").multi_hot(chosen, size)
            for level, size in attribute_sizes.items()
        },
        caption_group=np.append(groups, 0)[chosen].astype(np.int32),
    )


def _take(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns, for each row, the values (or vectors) at its indices."""
    return np.take_along_axis(values, index.reshape(*index.shape, *(1,) * (values.ndim - 2)), axis=1)


def _in_slots(values: np.ndarray, at: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the values at the indices of each row, int32; zero in slots without any."""
    taken = _take(values, at)
    return np.where(mask.reshape(*mask.shape, *(1,) * (values.ndim - 2)), taken, 0).astype(np.int32)


def _rank(kept: np.ndarray) -> np.ndarray:
    """Returns how many kept items come before each, along the last axis."""
    return np.cumsum(kept, axis=1) - kept


def _invert(slot: np.ndarray, kept: np.ndarray, slots: int) -> tuple[np.ndarray, np.ndarray]:
    """Turns the slot of each kept item ``[t, n]`` into the item of each slot ``[t, slots]``, and its mask."""
    matches = kept[:, None, :] & (slot[:, None, :] == np.arange(slots)[:, None])
    return matches.argmax(axis=2), matches.any(axis=2)
