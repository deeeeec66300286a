"""This module finds the moment of a video that met a query, in seconds where the times of its frames are known.

The relevance of frame f to a text is ``Σ_l share_l · mean over the text's nodes n of level l of ±cos(f, n)``, in units
of the fused score, with a minus where the text denies the node, then smoothed over neighbouring frames; `stretches`
says which frames make a moment.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from mcsan_jax.retrieval.embeddings import FrameVectors
from mcsan_jax.search.answers import FoundMoment
from mcsan_jax.search.stretches import Stretches, best_stretches

_SMOOTHING = (0.25, 0.5, 0.25)


def frame_relevance(
    nodes: Mapping[str, Float[np.ndarray, "n d"]],
    shares: Mapping[str, float],
    frames: Mapping[str, FrameVectors],
) -> Float[np.ndarray, "v f"]:
    """Returns the relevance of each frame of some videos to a text.

    Args:
        nodes: by level, the unit vectors of the text's nodes, with a minus where it denies them; a level may be missing
            or empty.
        shares: of each level in the fused score of the text; other components may stand beside them.
        frames: by level, the frames of the videos.

    Returns:
        The relevance; NaN for padding, and everywhere for a text without nodes.
    """
    known = np.any([np.asarray(of_level.lengths) > 0 for of_level in frames.values()], axis=0)
    # A frame in the middle may have no length at any level, but what follows the last one is padding.
    real = np.flip(np.logical_or.accumulate(np.flip(known, axis=1), axis=1), axis=1)
    total = np.zeros(real.shape, np.float32)
    met = [level for level in frames if level in nodes and len(nodes[level])]
    for level in met:
        direction = np.float32(shares[level]) * np.mean(nodes[level], axis=0)
        total += np.asarray(frames[level].directions) @ direction
    return np.where(real, _smooth(total, real), np.nan) if met else np.full(real.shape, np.nan, np.float32)


def found_moments(
    steps: Sequence[str],
    stretches: Stretches,
    video: int,
    seconds: Float[np.ndarray, " f"],
    part: tuple[float, float] | None = None,
) -> tuple[FoundMoment, ...]:
    """Returns the moments of a video, one for each step that has one.

    A frame stands for the time up to half-way to its neighbours. The first and the last one reach outwards by half of
    the usual distance between frames, but not out of the video, and a single one is a point in time. A moment starts
    where its first frame does and ends where its last one does.

    Args:
        steps: the texts of the steps.
        stretches: of these steps.
        video: the row of the video among them.
        seconds: time of each of its frames; empty where unknown, so that the moments are told in frame numbers.
        part: where in its clip the video begins and ends, in seconds; None where it is the whole clip.
    """
    starts, ends = _bounds(seconds, part or (0.0, np.inf)) if len(seconds) else (None, None)
    moments = []
    for text, first, last in zip(
        steps, stretches.first[:, video].tolist(), stretches.last[:, video].tolist(), strict=True
    ):
        if last >= first:
            start, end = (first, last) if starts is None or ends is None else (starts[first], ends[last])
            moments.append(FoundMoment(text, float(start), float(end), first, last))
    return tuple(moments)


def best_moment(
    relevance: Float[np.ndarray, " f"], seconds: Float[np.ndarray, " f"], text: str = ""
) -> FoundMoment | None:
    """Returns the moment of one video and one text; None where no frame could meet the text.

    Args:
        relevance: of each frame.
        seconds: of each frame; empty where unknown.
        text: that was searched for.
    """
    moments = found_moments([text], best_stretches(relevance[None, None]), 0, seconds)
    return moments[0] if moments else None


def _smooth(values: Float[np.ndarray, "v f"], real: Bool[np.ndarray, "v f"]) -> Float[np.ndarray, "v f"]:
    """Returns weighted means over neighbours; where one is missing, the weights of the others count for more."""
    before, here, after = _SMOOTHING
    padded, weight = (
        np.pad(array, ((0, 0), (1, 1))) for array in (np.where(real, values, 0), real.astype(np.float32))
    )
    sums, weights = (
        before * array[:, :-2] + here * array[:, 1:-1] + after * array[:, 2:] for array in (padded, weight)
    )
    return sums / np.maximum(weights, before)


def _bounds(
    seconds: Float[np.ndarray, " f"], part: tuple[float, float]
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """Returns where the time of each frame starts and ends."""
    between = (seconds[1:] + seconds[:-1]) / 2
    reach = np.median(np.diff(seconds)) / 2 if len(between) else 0.0
    bounds = np.concatenate([seconds[:1] - reach, between, seconds[-1:] + reach])
    inside = np.clip(bounds.astype(np.float64), *part)
    return inside[:-1], inside[1:]
