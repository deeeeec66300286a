"""The four levels of one video (docs/method.md), as loops over its real frames in double precision.

``weights`` are the parameters of the video encoder, ``frames`` the standardised features ``[f, d]`` of real frames,
``regions`` those of their regions ``[f, k, d]``, or None.
"""

from typing import Any

import numpy as np

from tests.models.plain_layers import (
    Vectors,
    affine,
    attention_pooling,
    cross_attention,
    gelu,
    gru,
    mean,
    transformer_layer,
)


def video_global(weights: Any, frames: np.ndarray, pooling: str, width: int) -> np.ndarray:
    projected = [affine(weights["global_projection"], frame) for frame in frames]
    if pooling == "mean":
        return mean(projected, width)
    return attention_pooling(weights["global_pooling"], projected, width)


def video_entities(
    weights: Any, frames: np.ndarray, regions: np.ndarray | None, spatial: str
) -> list[np.ndarray]:
    weights, result = weights["entity"], []
    for f, frame in enumerate(frames):
        vector = affine(weights["frame"], frame)
        if regions is not None:
            values = [
                gelu(affine(weights["region"], region) + place)
                for region, place in zip(regions[f], weights["places"], strict=True)
            ]
            if spatial == "strongest":
                seen = np.max([gelu(affine(weights["look"], value)) for value in values], axis=0)
            else:
                seen = cross_attention(weights["attention"], vector, values)
            vector = vector + affine(weights["output"], seen)
        result.append(vector)
    return result


def video_actions(
    weights: Any, frames: np.ndarray, regions: np.ndarray | None, temporal: str
) -> list[np.ndarray]:
    weights = weights["action"]
    p = [affine(weights["frame"], frame) for frame in frames]
    if regions is not None:
        motion = region_motion(weights["region_motion"], regions)
        p = [vector + affine(weights["motion"], one) for vector, one in zip(p, motion, strict=True)]
    if temporal == "none" or not p:
        return p
    if temporal == "convolution":
        narrow, wide = convolution(weights["width_3"], p, 1), convolution(weights["width_5"], p, 2)
        change: Vectors = [gelu(one) + gelu(other) for one, other in zip(narrow, wide, strict=True)]
    elif temporal == "bigru":
        change = gru(weights["recurrent"], np.stack(p))
    else:
        placed = [vector + weights["places"][f] for f, vector in enumerate(p)]
        change = transformer_layer(weights["attention"], placed)
    return [vector + one for vector, one in zip(p, change, strict=True)]


def video_relationships(
    weights: Any, actions: Vectors, entities: Vectors, regions: np.ndarray | None
) -> list[np.ndarray]:
    """With the pairs of regions, unless they are None."""
    result = []
    pairs = None if regions is None else region_pairs(weights["region_pairs"], regions)
    for f, action in enumerate(actions):
        context = cross_attention(weights["relationship_attention"], action, entities)
        parts = [action, context] if pairs is None else [action, context, pairs[f]]
        result.append(affine(weights["relationship"], np.concatenate(parts)))
    return result


def region_pairs(weights: Any, regions: np.ndarray) -> list[np.ndarray]:
    tracks = [
        [gelu(affine(weights["region"], of_frame[k])) for of_frame in regions]
        for k in range(regions.shape[1])
    ]
    first, second = (
        [convolution(weights[name], track, 2) for track in tracks] for name in ("first", "second")
    )
    return [
        np.max(
            [
                gelu(first[i][f] + second[j][f])
                for i in range(len(tracks))
                for j in range(len(tracks))
                if i != j
            ],
            axis=0,
        )
        for f in range(len(regions))
    ]


def convolution(weights: Any, vectors: Vectors, reach: int) -> list[np.ndarray]:
    """One affine map of the vectors at the times f - reach to f + reach; those outside the clip are zero."""
    result = []
    for f in range(len(vectors)):
        window = [
            vectors[time] if 0 <= time < len(vectors) else np.zeros_like(vectors[0])
            for time in range(f - reach, f + reach + 1)
        ]
        result.append(affine(weights, np.concatenate(window)))
    return result


def region_motion(weights: Any, regions: np.ndarray) -> list[np.ndarray]:
    responses = []
    for k, place in enumerate(weights["places"]):
        track = [gelu(affine(weights["region"], of_frame[k])) for of_frame in regions]
        responses.append([gelu(moved + place) for moved in convolution(weights["width_5"], track, 2)])
    return [np.max(of_frame, axis=0) for of_frame in zip(*responses, strict=True)]
