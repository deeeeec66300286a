"""This module makes the stage-1 vector of a video, whose product with that of a text is near their fused score."""

import numpy as np
from jaxtyping import Float

from data_pipeline.levels import GLOBAL
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.retrieval.embeddings import VideoEmbeddings


def stage_one_videos(
    videos: VideoEmbeddings, parameters: ScoringParameters, config: SimilarityConfig
) -> Float[np.ndarray, "v w"]:
    """Returns the weighted vector of the global level and the mean direction of frames of each other level.

    Args:
        videos: encoded videos.
        parameters: the weights of the components.
        config: how components are fused.
    """
    parts = []
    if videos.pooled is not None:
        parts.append(np.asarray(parameters.level_weights[GLOBAL]) * videos.pooled)
    for level, frames in videos.frames.items():
        real = np.maximum((frames.lengths > 0).sum(axis=1, keepdims=True), 1)
        parts.append(np.asarray(parameters.level_weights[level]) * frames.directions.sum(axis=1) / real)
    return np.concatenate(parts, axis=1, dtype=np.float32)
