"""Bounds of the score of a video and a node, for whoever wants to leave videos out without computing it."""

import math

import jax
import numpy as np

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.frame_attention import attended_similarity, normalise_frames


def bound(frames: np.ndarray, node: np.ndarray) -> float:
    """√(sᵀ G⁺ s): the length of the node's shadow on the space of the frames, which no mix of frames exceeds."""
    directions = [frame / math.sqrt(sum(x * x for x in frame)) for frame in frames]
    cosines = [sum(x * y for x, y in zip(one, node, strict=True)) for one in directions]
    gram = [
        [sum(x * y for x, y in zip(one, other, strict=True)) for other in directions] for one in directions
    ]
    inverse = np.linalg.pinv(np.array(gram), rcond=1e-10, hermitian=True)
    return math.sqrt(
        sum(cosines[i] * inverse[i, j] * cosines[j] for i in range(len(frames)) for j in range(len(frames)))
    )


MOST_FRAMES = 7


@jax.jit
def scored(frames: jax.Array, mask: jax.Array, node: jax.Array) -> jax.Array:
    return attended_similarity(normalise_frames(NodeSet(frames[None], mask[None])), node[None])[0, 0]


def score(frames: np.ndarray, node: np.ndarray) -> float:
    padded = np.zeros((MOST_FRAMES, frames.shape[1]), np.float32)
    padded[: len(frames)] = frames
    return float(scored(padded, np.arange(MOST_FRAMES) < len(frames), np.float32(node)))


def test_a_score_exceeds_the_best_frame_but_not_the_bound() -> None:
    draw, above = np.random.default_rng(0), 0
    for trial in range(60):
        frames = draw.standard_normal((1 + trial % 5, 8)) + 2 * (trial % 3) * draw.standard_normal(8)
        # Linearly dependent frames, too: their Gram matrix has no inverse.
        frames = np.concatenate([frames, frames[:1] * 2, frames[:1] + frames[-1:]]) if trial % 2 else frames
        node = draw.standard_normal(8) + frames.mean(axis=0)
        node /= np.linalg.norm(node)
        best = max(frame @ node / np.linalg.norm(frame) for frame in frames)
        found, most = score(frames, node), bound(frames, node)
        assert found <= most + 1e-5
        above += found > best + 1e-3
    assert above > 10


def test_of_one_frame_the_bound_is_the_score() -> None:
    draw = np.random.default_rng(1)
    frame, node = draw.standard_normal((1, 8)), draw.standard_normal(8)
    node /= np.linalg.norm(node)
    node *= np.sign(frame[0] @ node)
    assert abs(bound(frame, node) - score(frame, node)) < 1e-6
