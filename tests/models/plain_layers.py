"""The blocks of both encoders as loops over the real items of one video or caption, in double precision.

``weights`` are the parameters that Flax keeps for a block, as numpy arrays. A vector is an array of numbers, several
vectors are a list or the rows of an array.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.models.plain_gru import bidirectional_states, weights_of_layer

Vectors = Sequence[np.ndarray] | np.ndarray


def affine(weights: Any, x: np.ndarray) -> np.ndarray:
    return x @ weights["Dense_0"]["kernel"] + weights["Dense_0"]["bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    return np.array(
        [0.5 * z * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3))) for z in x]
    )


def layer_norm(weights: Any, x: np.ndarray) -> np.ndarray:
    deviation = x - sum(x) / len(x)
    variance = sum(deviation**2) / len(x)
    return deviation / math.sqrt(variance + 1e-6) * weights["scale"] + weights["bias"]


def mean(vectors: Vectors, width: int) -> np.ndarray:
    return sum(vectors, start=np.zeros(width)) / max(len(vectors), 1)


def softmax_sum(logits: Sequence[float], vectors: Vectors) -> np.ndarray:
    """``Σ_i softmax_i(logits) vectors_i``."""
    exponentials = [math.exp(logit) for logit in logits]
    total = np.zeros(len(vectors[0]))
    for exponential, vector in zip(exponentials, vectors, strict=True):
        total = total + exponential / sum(exponentials) * vector
    return total


def attention_pooling(weights: Any, vectors: Vectors, width: int) -> np.ndarray:
    if len(vectors) == 0:
        return np.zeros(width)
    direction = weights["Dense_0"]["kernel"][:, 0]
    return softmax_sum([float(direction @ vector) for vector in vectors], vectors)


def cross_attention(weights: Any, x: np.ndarray, vectors: Vectors) -> np.ndarray:
    """What one vector hears of others."""
    query = affine(weights["query"], x)
    keys = [affine(weights["key"], vector) for vector in vectors]
    return softmax_sum([float(query @ key) / math.sqrt(len(query)) for key in keys], vectors)


def transformer_layer(weights: Any, vectors: Vectors, heads: int = 4) -> list[np.ndarray]:
    """Each head's query, key and value stand side by side in the rows of their common projection."""
    projected = [
        affine(weights["query_key_value"], layer_norm(weights["attention_norm"], vector))
        for vector in vectors
    ]
    parts = [[np.split(head, 3) for head in np.split(one, heads)] for one in projected]
    results = []
    for x, own in zip(vectors, parts, strict=True):
        attended = []
        for head in range(heads):
            query = own[head][0]
            logits = [float(query @ other[head][1]) / math.sqrt(len(query)) for other in parts]
            attended.append(softmax_sum(logits, [other[head][2] for other in parts]))
        heard = x + affine(weights["output"], np.concatenate(attended))
        inner = gelu(affine(weights["expand"], layer_norm(weights["feed_forward_norm"], heard)))
        results.append(heard + affine(weights["contract"], inner))
    return results


def gru(weights: Any, vectors: np.ndarray) -> np.ndarray:
    mask = np.ones((1, len(vectors)), bool)
    return bidirectional_states(vectors[None], mask, weights_of_layer(weights))[0]


def attribute_logits(weights: Any, vectors: Vectors, width: int) -> np.ndarray:
    """One map of a level for videos and captions, from the mean of the level's vectors."""
    return affine(weights, mean(vectors, width))
