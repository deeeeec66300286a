"""The formulas of `mcsan_jax.scoring` as loops over numpy scalars, in double precision and in their direct form."""

import math
from collections.abc import Callable, Iterator

import numpy as np


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    lengths = math.sqrt(float(x @ x)) * math.sqrt(float(y @ y))
    return float(x @ y) / lengths if lengths > 0 else 0.0


def cosine_matrix(videos: np.ndarray, texts: np.ndarray) -> np.ndarray:
    return np.array([[cosine(video, text) for text in texts] for video in videos])


def attended_node(frames: np.ndarray, node: np.ndarray, smoothing: float) -> float:
    """Cosine of a node and the attended vector, which is built; `frames` holds real frames only."""
    if len(frames) == 0:
        return 0.0
    positive = [max(cosine(frame, node), 0.0) for frame in frames]
    norm = max(math.sqrt(sum(value**2 for value in positive)), 1e-6)
    exponentials = [math.exp(smoothing * value / norm) for value in positive]
    attended = np.zeros(frames.shape[1])
    for exponential, frame in zip(exponentials, frames, strict=True):
        attended = attended + exponential / sum(exponentials) * frame
    return cosine(attended, node)


def node_matrix(
    frames: np.ndarray, frame_mask: np.ndarray, nodes: np.ndarray, node_mask: np.ndarray, smoothing: float
) -> np.ndarray:
    result = np.zeros((len(frames), *nodes.shape[:2]))
    for v, t, n in np.ndindex(result.shape):
        if node_mask[t, n]:
            result[v, t, n] = attended_node(frames[v][frame_mask[v]], nodes[t, n], smoothing)
    return result


def mean_over_nodes(
    scores: np.ndarray, node_mask: np.ndarray, negated: np.ndarray | None = None
) -> np.ndarray:
    """The mean over a caption's nodes of their scores, with a minus where the caption denies the node."""
    result = np.zeros(scores.shape[:2])
    for v, t in np.ndindex(result.shape):
        count = 0
        for n in np.flatnonzero(node_mask[t]):
            denied = negated is not None and negated[t, n]
            result[v, t] += -scores[v, t, n] if denied else scores[v, t, n]
            count += 1
        result[v, t] /= max(count, 1)
    return result


def triplet(
    scores: np.ndarray, positives: np.ndarray, mask: np.ndarray, margin: float, hardest: bool
) -> float:
    losses = []
    for i in np.flatnonzero(mask):
        row, column = [0.0], [0.0]
        for j in np.flatnonzero(mask):
            if not positives[i, j]:
                row.append(max(margin - scores[i, i] + scores[i, j], 0.0))
            if not positives[j, i]:
                column.append(max(margin - scores[i, i] + scores[j, i], 0.0))
        losses.append(max(row) + max(column) if hardest else sum(row) + sum(column))
    return float(np.mean(losses)) if losses else 0.0


def info_nce(
    scores: np.ndarray, positives: np.ndarray, mask: np.ndarray, temperature: float, form: str = "separate"
) -> float:
    directions = []
    for z, positive in ((scores / temperature, positives), (scores.T / temperature, positives.T)):
        rows = []
        for i in np.flatnonzero(mask):
            negative = sum(math.exp(z[i, j]) for j in np.flatnonzero(mask) if not positive[i, j])
            relevant = [math.exp(z[i, p]) for p in np.flatnonzero(mask) if positive[i, p]]
            everything = negative + sum(relevant)
            if form == "inside":
                rows.append(-math.log(sum(one / everything for one in relevant) / len(relevant)))
                continue
            terms = [
                -math.log(one / (one + negative if form == "separate" else everything)) for one in relevant
            ]
            rows.append(sum(terms) / len(terms))
        directions.append(float(np.mean(rows)) if rows else 0.0)
    return 0.5 * sum(directions)


def focal(logits: np.ndarray, labels: np.ndarray, mask: np.ndarray, alpha: float, gamma: float) -> float:
    sums = []
    for i in np.flatnonzero(mask):
        total = 0.0
        for z, y in zip(logits[i], labels[i], strict=True):
            p = 1.0 / (1.0 + math.exp(-z))
            if y:
                total -= alpha * (1.0 - p) ** gamma * math.log(p)
            else:
                total -= (1.0 - alpha) * p**gamma * math.log(1.0 - p)
        sums.append(total)
    return float(np.mean(sums)) if sums else 0.0


def divergence(
    video_logits: np.ndarray, text_logits: np.ndarray, mask: np.ndarray, direction: str, temperature: float
) -> float:
    values = []
    for i in np.flatnonzero(mask):
        v = np.exp(video_logits[i] / temperature) / np.exp(video_logits[i] / temperature).sum()
        t = np.exp(text_logits[i] / temperature) / np.exp(text_logits[i] / temperature).sum()
        text_to_video = sum(a * math.log(a / b) for a, b in zip(t, v, strict=True))
        video_to_text = sum(a * math.log(a / b) for a, b in zip(v, t, strict=True))
        values.append(
            {
                "text_to_video": text_to_video,
                "video_to_text": video_to_text,
                "symmetric": 0.5 * (text_to_video + video_to_text),
            }[direction]
        )
    return float(np.mean(values)) if values else 0.0


def agreement(video_logits: np.ndarray, text_logits: np.ndarray) -> np.ndarray:
    return cosine_matrix(1.0 / (1.0 + np.exp(-video_logits)), 1.0 / (1.0 + np.exp(-text_logits)))


def numeric_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-6
) -> np.ndarray:
    """Central finite differences of a scalar function."""
    gradient = np.zeros_like(x)
    for place, (above, below) in zip(np.ndindex(x.shape), _neighbours(x, step), strict=True):
        gradient[place] = (function(above) - function(below)) / (2.0 * step)
    return gradient


def _neighbours(x: np.ndarray, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for place in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[place] += step
        below[place] -= step
        yield above, below
