"""Which phrase of a text met which frame of a video, level by level."""

import dataclasses

import jax
import numpy as np

from data_pipeline.levels import NODE_LEVELS
from mcsan_jax.retrieval.searcher import Searcher
from mcsan_jax.scoring.frame_attention import FrameSet, attended_similarity, frame_weights
from mcsan_jax.scoring.vectors import product


@dataclasses.dataclass(frozen=True)
class LevelExplanation:
    """One level of a text and a video.

    Attributes:
        phrases: of the text's nodes [n].
        scores: of each node with the video [n]; their mean is the level's score.
        cosines: of each node and each frame [n, f].
        attention: share of each frame in a node's attention [n, f]; rows sum to one.
    """

    phrases: list[str]
    scores: np.ndarray
    cosines: np.ndarray
    attention: np.ndarray


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A text and a video.

    Attributes:
        text, video: which they are.
        parts: the fused score and that of each level that the text has.
        frames: how many the video has.
        seconds: of each frame [f]; empty where unknown.
        levels: those at which the text has nodes.
    """

    text: str
    video: str
    parts: dict[str, float]
    frames: int
    seconds: np.ndarray
    levels: dict[str, LevelExplanation]


def explain(searcher: Searcher, text: str, video: str) -> Explanation:
    """Takes the score of a text and a video apart.

    Args:
        searcher: holds the video.
        text: any; it need not be a caption.
        video: its id.

    Raises:
        InputError: the text is empty, or there is no such video.
    """
    place = searcher.place_of(video)
    (query,) = searcher.parser.parse([text])
    prepared = searcher.videos.collection.take(np.array([place]), 1)
    texts = searcher.encode([query])
    frames = max((_frame_count(of_level) for of_level in prepared.frames.values()), default=0)
    smoothing = searcher.config.similarity.smoothing
    levels = {
        level: _take_apart(
            prepared.frames[level], texts.nodes[level].queries, query.phrases[level], smoothing, frames
        )
        for level in NODE_LEVELS
        if level in texts.nodes and query.phrases[level]
    }
    parts = {part: float(scores[place]) for part, scores in searcher.scores(text).items()}
    return Explanation(query.caption.text, video, parts, frames, searcher.frame_times[video], levels)


def _frame_count(frames: FrameSet) -> int:
    """Frames of the only video up to its last one; padding has no length."""
    return int(np.max(np.flatnonzero(np.asarray(frames.lengths)[0]), initial=-1)) + 1


def _take_apart(
    frames: FrameSet, queries: jax.Array, phrases: list[str], smoothing: float, real: int
) -> LevelExplanation:
    """Compares the only video's frames, `real` of them, with the first queries, one for each phrase."""
    nodes = queries[: len(phrases)]
    cosines = product("vfd,md->vfm", frames.directions, nodes, None)
    weights = np.asarray(frame_weights(cosines, smoothing))[0, :real]
    return LevelExplanation(
        phrases,
        np.asarray(attended_similarity(frames, nodes, smoothing))[0],
        np.asarray(cosines)[0, :real].T,
        (weights / weights.sum(axis=0)).T,
    )
