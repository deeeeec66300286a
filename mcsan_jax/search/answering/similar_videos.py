"""This module finds the videos that are like one of a collection.

The likeness of two videos is ``Σ_l w_l cos(p_l, q_l) / Σ_l w_l`` over the levels l, with the level weights w of the
model and, of each video, the pooled vector of the global level and the mean of its frames at the others.
"""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.errors import Faults
from data_pipeline.levels import GLOBAL, NODE_LEVELS
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.search.answering.answer_making import FoundVideo, make_answers
from mcsan_jax.search.answering.index_scores import IndexScores, stage_one_of
from mcsan_jax.search.answering.stage_clock import StageClock
from mcsan_jax.search.answers import SearchResult
from mcsan_jax.search.best_moments import frame_relevance
from mcsan_jax.search.folding import fold_duplicates
from mcsan_jax.search.request_checks import check_count

FEWEST_CANDIDATES = 256
"""Of so many videos, or four times as many as are asked for, the likeness is computed: those whose stage-1 vectors have
the largest products."""


def search_similar(
    index: VideoIndex, scores: IndexScores, video: str, k: int, where: str, parameters: ScoringParameters
) -> SearchResult:
    """Returns the videos that are most like one, without near-duplicates of each other.

    Args:
        index: the videos.
        scores: has their stage-1 vectors.
        video: id of the one.
        k: how many answers at most.
        where: a filter of the others.
        parameters: has the weights of the levels.

    Raises:
        InputError: names all that is wrong: the video, `k`, the filter.
    """
    clock = StageClock()
    row, passes = _checked(index, video, k, where)
    passes[row] = False
    rows = scores.nearest(row, passes, max(FEWEST_CANDIDATES, 4 * k))
    clock.ends("candidates")
    one, others = index.embeddings([row]), index.embeddings(rows)
    found = _most_alike(one, others, k, index, rows, parameters)
    clock.ends("score")
    words = f"like {video}"
    answers = make_answers(found, index, [words], relevances_to(one, parameters))
    clock.ends("moments")
    searched = int(passes.sum())
    return SearchResult(
        words, tuple(answers), False, None, (), (), (), searched, len(rows), clock.milliseconds
    )


def _checked(index: VideoIndex, video: str, k: int, where: str) -> tuple[int, Bool[np.ndarray, " v"]]:
    """Returns the row of a video, and which videos pass a filter."""
    faults, row, passes = Faults(), 0, np.zeros(0, bool)
    with faults.gathered():
        check_count(k)
    with faults.gathered():
        row = index.row_of(video)
    with faults.gathered():
        passes = np.array(index.matching(where))
    faults.check()
    return row, passes


def _most_alike(
    video: VideoEmbeddings,
    others: VideoEmbeddings,
    k: int,
    index: VideoIndex,
    rows: Int[np.ndarray, " v"],
    parameters: ScoringParameters,
) -> list[FoundVideo]:
    """Returns the best of the others, which have these rows in the index."""
    own, theirs = level_vectors(video), level_vectors(others)
    cosines = {level: theirs[level] @ own[level][0] for level in own}
    shares = level_shares(own, parameters)
    likeness = sum((shares[level] * cosines[level] for level in own), start=np.zeros(len(rows), np.float32))
    best = np.argsort(-likeness, kind="stable").tolist()
    return [
        FoundVideo(
            rows[group].tolist(),
            float(likeness[group[0]]),
            None,
            {level: shares[level] * float(cosines[level][group[0]]) for level in own},
            {level: float(cosines[level][group[0]]) for level in own},
        )
        for group in fold_duplicates(best, k, lambda some: stage_one_of(index, rows[list(some)]))
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
    # An index keeps half precision, in which a unit vector is not quite one.
    totals = {} if videos.pooled is None else {GLOBAL: np.asarray(videos.pooled, np.float32)}
    for level in (level for level in NODE_LEVELS if level in videos.frames):
        frames = videos.frames[level]
        totals[level] = np.einsum("vfd,vf->vd", frames.directions, frames.lengths)
    return {
        level: total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        for level, total in totals.items()
    }


def level_shares(levels: Iterable[str], parameters: ScoringParameters) -> dict[str, float]:
    """Returns how much of the likeness each level is."""
    weights = {level: float(parameters.level_weights[level]) for level in levels}
    total = sum(weights.values())
    return {level: weight / total for level, weight in weights.items()}
