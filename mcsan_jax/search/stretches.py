"""This module finds the stretches of frames in which steps happen one after another, for many videos at once.

A stretch is the one with the largest sum of ``relevance − threshold``, the threshold being `LEVEL` of the way from the
mean of the video to its maximum. Of several steps, the stretches are the best ones that follow one another.
Axes: ``s`` steps, ``v`` videos, ``f`` frames.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

LEVEL = 0.15
"""Where between the mean and the maximum of a video's relevance the threshold of a stretch lies."""

_NEVER = -1e9
"""A sum that no real one goes below."""


@dataclasses.dataclass(frozen=True)
class Stretches:
    """Stretches are the frames of the moments of each step in each video.

    Attributes:
        first: the first frame of each; 0 where a video has no relevance to the step.
        last: the last frame of each; -1 there.
        order_lost: the share, in [0, 1], of what the best stretches gather in any order that is lost by taking them in
            the order of the steps; 0 for one step, 1 where a video has fewer frames than there are steps.
    """

    first: Int[np.ndarray, "s v"]
    last: Int[np.ndarray, "s v"]
    order_lost: Float[np.ndarray, " v"]


def best_stretches(relevances: Float[np.ndarray, "s v f"]) -> Stretches:
    """Returns the moments of each step: of all stretches that follow one another in the order of the steps, the best.

    A step that a video has no relevance to (all NaN) has no stretch, and does not bind the others. In a video with
    fewer frames than steps each step has its best stretch, in any order.

    Args:
        relevances: as `frame_relevance` returns them, one for each step.
    """
    gains = _gains(relevances)
    told = np.isfinite(relevances).any(axis=2)
    alone = [_chain(gains[step : step + 1]) for step in range(len(gains))]
    first, last = (np.concatenate([chain[i] for chain in alone]) for i in (0, 1))
    in_any_order = np.sum([chain[2] for chain in alone], axis=0)
    lost = np.zeros(relevances.shape[1], relevances.dtype)
    bound = told.all(axis=0)
    if len(gains) > 1 and bound.any():
        ordered_first, ordered_last, in_order = _chain(gains[:, bound])
        fits = in_order > _NEVER / 2
        chosen = np.flatnonzero(bound)[fits]
        first[:, chosen], last[:, chosen] = ordered_first[:, fits], ordered_last[:, fits]
        best = in_any_order[bound]
        share = np.where(fits & (best > 0), (best - in_order) / np.where(best > 0, best, 1), ~fits)
        lost[bound] = np.clip(share, 0, 1)
    return Stretches(np.where(told, first, 0), np.where(told, last, -1), lost)


def _gains(relevances: Float[np.ndarray, "s v f"]) -> Float[np.ndarray, "s v f"]:
    """Returns by how much each frame is above the threshold of its video; padding is far below."""
    real = np.isfinite(relevances)
    count = np.maximum(real.sum(axis=2, keepdims=True), 1)
    values = np.where(real, relevances, 0)
    mean = values.sum(axis=2, keepdims=True) / count
    highest = np.where(real, relevances, _NEVER).max(axis=2, keepdims=True)
    return np.where(real, values - (mean + LEVEL * (highest - mean)), _NEVER)


def _chain(
    gains: Float[np.ndarray, "s v f"],
) -> tuple[Int[np.ndarray, "s v"], Int[np.ndarray, "s v"], Float[np.ndarray, " v"]]:
    """Returns the first and last frames of the stretches, one after another, with the largest sum, and the sum.

    Bentley's algorithm for one stretch (Programming Pearls, 1984), with what the steps before can have gathered as the
    ground on which a stretch begins.
    """
    steps, videos, frames = gains.shape
    ground = np.zeros((videos, frames + 1), gains.dtype)
    starts, ends = [], []
    for of_step in gains:
        running, start = np.full(videos, 2 * _NEVER, gains.dtype), np.zeros(videos, np.int64)
        best, end = (
            np.full((videos, frames + 1), 2 * _NEVER, gains.dtype),
            np.zeros((videos, frames + 1), np.int64),
        )
        start_of = np.zeros((videos, frames), np.int64)
        for frame in range(frames):
            # Of equal sums the longer stretch is taken.
            begins = ground[:, frame] > running
            start = np.where(begins, frame, start)
            running = np.maximum(np.where(begins, ground[:, frame], running) + of_step[:, frame], 2 * _NEVER)
            start_of[:, frame] = start
            better = running >= best[:, frame]
            best[:, frame + 1] = np.where(better, running, best[:, frame])
            end[:, frame + 1] = np.where(better, frame, end[:, frame])
        starts.append(start_of)
        ends.append(end)
        ground = best
    rows, limit = np.arange(videos), np.full(videos, frames)
    first, last = np.zeros((steps, videos), np.int64), np.zeros((steps, videos), np.int64)
    for step in reversed(range(steps)):
        last[step] = ends[step][rows, limit]
        first[step] = starts[step][rows, last[step]]
        limit = first[step]
    return first, last, ground[:, frames]
