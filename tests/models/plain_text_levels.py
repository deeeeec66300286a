"""The four levels of one caption (docs/method.md), as loops over its real tokens, nodes and edges in double precision.

``weights`` are the parameters of the text encoder. Nodes are kept by their slots: actions below ``max_actions``,
entities from there on.
"""

import dataclasses
from typing import Any

import numpy as np

from tests.models.plain_layers import (
    affine,
    attention_pooling,
    cross_attention,
    gru,
    layer_norm,
    transformer_layer,
)


@dataclasses.dataclass(frozen=True)
class Node:
    slot: int
    span: tuple[int, int]
    role: int


@dataclasses.dataclass(frozen=True)
class Modifier:
    slot: int
    span: tuple[int, int]
    kind: int


@dataclasses.dataclass(frozen=True)
class Edge:
    source: int
    target: int
    role: int


def token_states(weights: Any, context: str, tokens: np.ndarray) -> np.ndarray:
    """States ``[w, d]`` of real tokens: from their ids, or from the states that a pretrained encoder made of them."""
    weights = weights["tokens"]
    if len(tokens) == 0:
        return tokens
    if context == "pretrained":
        return np.array([affine(weights["project"], state) for state in tokens])
    words = np.array([weights["embedding"]["embedding"][token] for token in tokens])
    if context == "bigru":
        return gru(weights["recurrent"], words)
    states = [affine(weights["project"], word) + weights["places"][w] for w, word in enumerate(words)]
    for layer in ("layer_0", "layer_1"):
        states = transformer_layer(weights[layer], states)
    return np.array([layer_norm(weights["norm"], state) for state in states])


def text_global(weights: Any, states: np.ndarray, width: int) -> np.ndarray:
    return attention_pooling(weights["global_pooling"], states, width)


def text_nodes(
    weights: Any,
    states: np.ndarray,
    nodes: list[Node],
    modifiers: list[Modifier],
    edges: list[Edge],
    max_actions: int,
    sentence: np.ndarray | None,
) -> tuple[dict[int, np.ndarray], np.ndarray | None]:
    """The vectors of the nodes by their slots; and of the sentence, where it is a node."""
    roles, kinds = (weights[name]["embedding"] for name in ("roles", "modifier_kinds"))
    before = {node.slot: states[slice(*node.span)].max(axis=0) * roles[node.role] for node in nodes}
    for modifier in modifiers:
        before[modifier.slot] = (
            before[modifier.slot] + states[slice(*modifier.span)].max(axis=0) * kinds[modifier.kind]
        )
    neighbours = {slot: {slot} for slot in before}
    for edge in edges:
        neighbours[edge.source].add(edge.target)
        neighbours[edge.target].add(edge.source)

    def after(vector: np.ndarray, heard: list[np.ndarray]) -> np.ndarray:
        attended = cross_attention(weights["graph_attention"], vector, heard)
        return layer_norm(weights["graph_norm"], vector + affine(weights["graph_output"], attended))

    result = {}
    for slot, vector in before.items():
        heard = [before[other] for other in neighbours[slot]]
        if sentence is not None and slot < max_actions:
            heard.append(sentence)
        result[slot] = after(vector, heard)
    return result, None if sentence is None else after(sentence, [sentence])


def text_relationships(weights: Any, nodes: dict[int, np.ndarray], edges: list[Edge]) -> list[np.ndarray]:
    result = []
    for edge in edges:
        source, target = nodes[edge.source], nodes[edge.target]
        joined = affine(weights["relationship"], np.concatenate([source, target, source * target]))
        result.append(joined * weights["roles"]["embedding"][edge.role])
    return result
