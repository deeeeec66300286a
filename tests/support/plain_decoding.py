"""What the input pipeline computes with array operations, in plain loops, to compare with."""

import numpy as np

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.records.schema import ACTION_NODE, ENTITY_NODE, EncodedCaption, VideoRecord
from tests.support.prepared_data import ATTRIBUTE_SIZES, Prepared


def expected_frames(record: VideoRecord, prepared: Prepared, limit: int) -> tuple[np.ndarray, np.ndarray]:
    stored = {**record.frames, **record.regions}
    kept = min(max(map(len, stored.values())), limit)
    sampled = {
        name: values[np.round(np.linspace(0, len(values) - 1, kept)).astype(int)]
        for name, values in stored.items()
    }
    frames = np.concatenate([sampled[stream.name] for stream in prepared.manifest.frame_streams], axis=-1)
    return frames, sampled["objects"]


def expected_text(caption: EncodedCaption, limits: BatchLimits) -> dict[str, np.ndarray]:
    slots = limits.max_actions + limits.max_entities
    tokens = caption.token_ids[: limits.max_tokens]
    result = {
        "token_ids": np.array(tokens + [0] * (limits.max_tokens - len(tokens))),
        "token_mask": np.arange(limits.max_tokens) < len(tokens),
        "node_spans": np.zeros((slots, 2), int),
        "node_roles": np.zeros(slots, int),
        "node_negated": np.zeros(slots, bool),
        "node_mask": np.zeros(slots, bool),
        "modifier_nodes": np.zeros(limits.max_modifiers, int),
        "modifier_kinds": np.zeros(limits.max_modifiers, int),
        "modifier_spans": np.zeros((limits.max_modifiers, 2), int),
        "modifier_mask": np.zeros(limits.max_modifiers, bool),
    }
    slot_of: dict[int, int] = {}
    free = {ACTION_NODE: list(range(limits.max_actions)), ENTITY_NODE: list(range(limits.max_actions, slots))}
    for node, (level, (start, end)) in enumerate(zip(caption.node_levels, caption.node_spans, strict=True)):
        if start < limits.max_tokens and free[level]:
            slot = slot_of[node] = free[level].pop(0)
            result["node_spans"][slot] = start, min(end, limits.max_tokens)
            result["node_roles"][slot] = caption.node_roles[node]
            result["node_negated"][slot] = caption.node_negations[node] == 1
            result["node_mask"][slot] = True
    modifiers = [one for one in caption.modifiers if one[0] in slot_of and one[2] < limits.max_tokens]
    for number, (node, kind, start, end) in enumerate(modifiers[: limits.max_modifiers]):
        result["modifier_nodes"][number] = slot_of[node]
        result["modifier_kinds"][number] = kind
        result["modifier_spans"][number] = start, min(end, limits.max_tokens)
        result["modifier_mask"][number] = True
    edges = [edge for edge in caption.edges if edge[0] in slot_of and edge[1] in slot_of]
    edges = edges[: limits.max_relationships]
    padding = [0] * (limits.max_relationships - len(edges))
    result["edge_source"] = np.array([slot_of[source] for source, *_ in edges] + padding)
    result["edge_target"] = np.array([slot_of[target] for _, target, *_ in edges] + padding)
    result["edge_roles"] = np.array([role for _, _, role, _ in edges] + padding)
    result["edge_negated"] = np.array([negated == 1 for *_, negated in edges] + [False] * len(padding))
    result["edge_mask"] = np.arange(limits.max_relationships) < len(edges)
    return result


def multi_hot(ids: list[int], size: int) -> np.ndarray:
    return np.isin(np.arange(size), ids)


def assert_text(texts: object, row: int, caption: EncodedCaption, limits: BatchLimits) -> None:
    for name, expected in expected_text(caption, limits).items():
        np.testing.assert_array_equal(
            getattr(texts, name)[row], expected, err_msg=f"{caption.caption_id} {name}"
        )
    for level, size in ATTRIBUTE_SIZES.items():
        expected = multi_hot(caption.attributes.get(level, []), size)
        np.testing.assert_array_equal(texts.labels[level][row], expected)
