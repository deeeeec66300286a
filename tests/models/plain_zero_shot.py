"""The zero-shot branch (docs/method.md) as loops over real frames, nodes and edges in double precision."""

import math
from typing import Any

import numpy as np

from data_pipeline.batches.batch import TextBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, LEVELS, RELATIONSHIP
from tests.models.plain_layers import affine
from tests.scoring.plain_formulas import attended_node, cosine

Levels = dict[str, Any]
"""One vector for the global level, a list of vectors for each other one."""


def unit(x: np.ndarray) -> np.ndarray:
    length = math.sqrt(float(x @ x))
    return x / length if length > 0 else x


def video_levels(frames: np.ndarray) -> Levels:
    """The levels of a video, from the embeddings of its real frames."""
    directions = [unit(frame) for frame in frames]
    mean = sum(directions, start=np.zeros(frames.shape[1])) / max(len(directions), 1)
    return {GLOBAL: unit(mean), ENTITY: directions, ACTION: directions, RELATIONSHIP: directions}


def text_levels(
    texts: TextBatch, t: int, sentence: np.ndarray, nodes: dict[int, np.ndarray], actions: int
) -> Levels:
    """The levels of a caption, from the embeddings of its sentence and of its real nodes by their slots."""
    directions = {slot: unit(embedding) for slot, embedding in nodes.items()}
    edges = np.flatnonzero(texts.edge_mask[t])
    return {
        GLOBAL: unit(sentence),
        ENTITY: [directions[slot] for slot in sorted(directions) if slot >= actions],
        ACTION: [directions[slot] for slot in sorted(directions) if slot < actions],
        RELATIONSHIP: [
            unit(directions[texts.edge_source[t, edge]] + directions[texts.edge_target[t, edge]])
            for edge in edges
        ],
    }


def added(own: Levels, learned: Levels, weights: Any, side: str) -> Levels:
    """What is compared: the encoder's unit vectors, and what was learned through its last map."""
    maps = {level: weights[f"{side}_maps_{level}"] for level in LEVELS}
    result: Levels = {GLOBAL: own[GLOBAL] + affine(maps[GLOBAL], unit(learned[GLOBAL]))}
    for level in (ENTITY, ACTION, RELATIONSHIP):
        pairs = zip(own[level], learned[level], strict=True)
        result[level] = [vector + affine(maps[level], unit(more)) for vector, more in pairs]
    return result


def level_scores(video: Levels, text: Levels, denied: Levels, smoothing: float) -> dict[str, float]:
    """The score of each level that the caption has; `denied` says which nodes of a level it denies."""
    scores = {GLOBAL: cosine(video[GLOBAL], text[GLOBAL])}
    for level in (ENTITY, ACTION, RELATIONSHIP):
        if text[level]:
            frames = np.reshape(video[level], (len(video[level]), len(video[GLOBAL])))
            signed = [
                -attended_node(frames, node, smoothing)
                if is_denied
                else attended_node(frames, node, smoothing)
                for node, is_denied in zip(text[level], denied[level], strict=True)
            ]
            scores[level] = float(np.mean(signed))
    return scores


def fused_score(
    video: Levels, text: Levels, denied: Levels, weights: dict[str, float], smoothing: float
) -> float:
    """Their weighted mean over the levels that the caption has."""
    scores = level_scores(video, text, denied, smoothing)
    total = sum(weights[level] * score for level, score in scores.items())
    return total / sum(weights[level] for level in scores)
