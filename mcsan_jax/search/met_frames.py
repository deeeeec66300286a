"""This module says how the frames of a video meet a text, and when."""

import numpy as np

from data_pipeline.levels import NODE_LEVELS
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.search.answers import FoundMoment
from mcsan_jax.search.encoded_texts import EncodedText


def seconds_of(videos: VideoEmbeddings, row: int) -> tuple[float, ...]:
    """Returns the time of each frame of a video; empty where unknown."""
    return tuple(float(second) for second in videos.times_of(row))


def frame_relevance(text: EncodedText, videos: VideoEmbeddings) -> tuple[float, ...]:
    """Returns the cosine of the only video's frames and the nodes of a text, averaged with the shares of the levels."""
    total: np.ndarray | float = 0.0
    weights = {level: text.shares[level] for level in NODE_LEVELS if level in text.shares}
    for level, weight in weights.items():
        frames = videos.frames[level]
        real = frames.directions[0][frames.lengths[0] > 0]
        total = total + weight * (real @ text.collection.nodes[level].queries.T).mean(axis=1)
    return tuple(np.atleast_1d(total / sum(weights.values())).tolist()) if weights else ()


def find_moments(
    text: str, relevance: tuple[float, ...], seconds: tuple[float, ...]
) -> tuple[FoundMoment, ...]:
    """Returns the frames around the best one that are nearer to it than to the mean."""
    if not relevance:
        return ()
    values = np.array(relevance)
    high = values >= (values.max() + values.mean()) / 2
    first = last = int(np.argmax(values))
    while first > 0 and high[first - 1]:
        first -= 1
    while last + 1 < len(values) and high[last + 1]:
        last += 1
    start, end = (seconds[first], seconds[last]) if seconds else (float(first), float(last))
    return (FoundMoment(text, start, end, first, last),)
