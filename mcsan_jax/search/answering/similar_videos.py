"""This module finds the videos that are like one of a collection.

The likeness of two videos is ``Σ_l w_l cos(p_l, q_l) / Σ_l w_l`` over the levels l, with the level weights w of the
model and, of each video, the pooled vector of the global level and the mean of its frames at the others.
"""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.levels import GLOBAL
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.search.answering.answer_making import FoundVideo
from mcsan_jax.search.best_moments import frame_relevance
from mcsan_jax.search.folding import fold_duplicates

FEWEST_CANDIDATES = 256
"""Of so many videos, or four times as many as are asked for, the likeness is computed: those whose stage-1 vectors are
nearest."""


def find_similar(
    video: VideoEmbeddings,
    candidates: VideoEmbeddings,
    rows: Int[np.ndarray, " v"],
    k: int,
    vectors: Float[np.ndarray, "all w"],
    parameters: ScoringParameters,
) -> list[FoundVideo]:
    """Returns the videos that are most like one, without near-duplicates of each other.

    Args:
        video: the one, alone.
        candidates: the others.
        rows: of the others in the collection.
        k: how many are returned at most.
        vectors: of all videos of the collection, by which near-duplicates are found.
        parameters: has the weights of the levels.
    """
    own, theirs = level_vectors(video), level_vectors(candidates)
    cosines = {level: theirs[level] @ own[level][0] for level in own}
    shares = level_shares(own, parameters)
    scores = sum((shares[level] * cosines[level] for level in own), start=np.zeros(len(rows), np.float32))
    best = np.argsort(-scores, kind="stable").tolist()
    return [
        FoundVideo(
            rows[group].tolist(),
            float(scores[group[0]]),
            None,
            {level: shares[level] * float(cosines[level][group[0]]) for level in own},
            {level: float(cosines[level][group[0]]) for level in own},
        )
        for group in fold_duplicates(best, k, lambda some: vectors[rows[list(some)]])
    ]


def relevances_to(
    video: VideoEmbeddings, parameters: ScoringParameters
) -> Callable[[VideoEmbeddings], Float[np.ndarray, "1 v f"]]:
    """Returns what says how much each frame of other videos is like a video, the only one given."""
    vectors = level_vectors(video)
    shares = level_shares(vectors, parameters)
    return lambda others: frame_relevance(vectors, shares, others.frames)[None]


def level_vectors(videos: VideoEmbeddings) -> dict[str, Float[np.ndarray, "v d"]]:
    """Returns by level a unit vector of each video, zero for one without frames."""
    found = {} if videos.pooled is None else {GLOBAL: np.asarray(videos.pooled, np.float32)}
    for level, frames in videos.frames.items():
        total = np.einsum("vfd,vf->vd", frames.directions, frames.lengths)
        found[level] = total / _length(total)
    return found


def level_shares(levels: Iterable[str], parameters: ScoringParameters) -> dict[str, float]:
    """Returns how much of the likeness each level is."""
    weights = {level: float(parameters.level_weights[level]) for level in levels}
    total = sum(weights.values())
    return {level: weight / total for level, weight in weights.items()}


def cosines_with(
    vector: Float[np.ndarray, " w"], vectors: Float[np.ndarray, "v w"]
) -> Float[np.ndarray, " v"]:
    """Returns the cosine of a vector and each of the others; zero for one of length zero."""
    return vectors @ (vector / _length(vector)) / _length(vectors)[:, 0]


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.finfo(np.float32).tiny)
