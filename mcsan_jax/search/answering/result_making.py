"""This module makes the result of a request from the scores of the videos."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from data_pipeline.levels import ACTION, ENTITY
from mcsan_jax.calibration.calibration import Calibration
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answering.answer_making import FoundVideo, make_answers
from mcsan_jax.search.answering.encoded_texts import EncodedText
from mcsan_jax.search.answering.index_scores import stage_one_of
from mcsan_jax.search.answering.query_ranking import EncodedQuery, RankedVideos, rank_videos
from mcsan_jax.search.answering.scored_requests import ScoredRequest
from mcsan_jax.search.answering.stage_clock import StageClock
from mcsan_jax.search.answers import QueryGraph, SearchAnswer, SearchRequest, SearchResult
from mcsan_jax.search.folding import fold_duplicates
from mcsan_jax.search.query_score import WITHOUT

NO_CALIBRATION = (
    "the model has no calibration, so that no probability is known and no answer is left out for it"
)

UNKNOWN_KIND = (
    "the calibration of the model knows no texts of this kind, such as a noun without an action or a sentence with a "
    "denial: no probability is known, and no answer is left out for it"
)


def make_result(
    request: SearchRequest,
    query: EncodedQuery,
    collection: VideoIndex,
    scored: ScoredRequest,
    calibration: Calibration | None,
    milliseconds: Mapping[str, float],
) -> SearchResult:
    """Returns the answers to a request.

    Args:
        request: the request.
        query: its encoded text.
        collection: the videos.
        scored: the scores of those that may be answers.
        calibration: of the scores.
        milliseconds: of the stages before.
    """
    clock, rows, searched, scores = StageClock(), scored.rows, scored.searched, scored.scores
    ranked = rank_videos(
        query,
        rows,
        [scores[step] for step in query.parsed.steps],
        {text: scores[text][FUSED] for text in query.negatives},
        request.k,
        collection.embeddings,
    )
    notes = _notes(collection, searched, calibration)
    if calibration is not None and not all(step.is_known_to(calibration) for step in query.steps):
        calibration = None
        notes.append(UNKNOWN_KIND)
    sure = None
    if calibration is not None and len(rows):
        sure = calibration.probabilities({FUSED: _judged(ranked)}, searched)
    presence = None if sure is None else min(float(sure.sum()), 1.0)
    threshold = None if calibration is None else calibration.threshold
    if request.min_probability is not None and calibration is not None:
        threshold = request.min_probability
    found = []
    # Without a wish of the user's, it counts whether a right answer is there at all.
    if presence is None or request.min_probability is not None or presence >= (threshold or 0.0):
        found = _found_videos(request, ranked, collection, sure)
    clock.ends("score")
    answers = make_answers(found, collection, query.parsed.steps, query.relevances)
    clock.ends("moments")
    return SearchResult(
        request.text,
        arranged(answers, request.sort, request.group_by),
        bool(len(rows)) and not answers,
        threshold,
        (*query.parsed.notes, *query.notes, *notes),
        tuple(map(_graph, query.parsed.steps, query.steps)),
        tuple(map(_graph, query.negatives, query.negatives.values())),
        searched,
        len(rows),
        _added(milliseconds, clock.milliseconds),
        presence,
    )


def _graph(text: str, part: EncodedText) -> QueryGraph:
    phrases = {level: tuple(part.query.phrases[level]) for level in (ENTITY, ACTION)}
    return QueryGraph(text, phrases, tuple(part.query.edges))


def _found_videos(
    request: SearchRequest,
    ranked: RankedVideos,
    collection: VideoIndex,
    probabilities: Float[np.ndarray, " v"] | None,
) -> list[FoundVideo]:
    """Returns the best videos that are likely enough, without near-duplicates."""
    places = range(len(ranked.rows))
    folded = fold_duplicates(
        places, request.k, lambda some: stage_one_of(collection, ranked.rows[list(some)])
    )
    found = []
    for group in folded:
        best = group[0]
        # A copy of the right answer is right as well.
        probability = None if probabilities is None else min(float(probabilities[group].sum()), 1.0)
        if probability is None or probability >= (request.min_probability or 0.0):
            found.append(
                FoundVideo(
                    ranked.rows[group].tolist(),
                    float(ranked.scores.scores[best]),
                    probability,
                    {name: float(added[best]) for name, added in ranked.scores.contributions.items()},
                    {name: float(of_all[best]) for name, of_all in ranked.level_scores.items()},
                )
            )
    return found


def _judged(ranked: RankedVideos) -> Float[np.ndarray, " v"]:
    """Returns scores as high as those of sentences, for which probabilities are known.

    A negative part lowers the score of every video a little. What it takes off on average says nothing of whether a
    video is right, and is given back.
    """
    lowered = [
        of_all.mean() for name, of_all in ranked.scores.contributions.items() if name.startswith(WITHOUT)
    ]
    return ranked.scores.scores - np.float32(sum(lowered))


def _notes(collection: VideoIndex, searched: int, calibration: Calibration | None) -> list[str]:
    notes = []
    if not collection.ids:
        notes.append("the index holds no video")
    elif not searched:
        notes.append("no video passes the filter")
    if calibration is None:
        notes.append(NO_CALIBRATION)
    return notes


def _added(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {stage: before.get(stage, 0.0) + after.get(stage, 0.0) for stage in {**before, **after}}


def arranged(answers: Sequence[SearchAnswer], sort: str, group_by: str) -> tuple[SearchAnswer, ...]:
    """Returns answers in another order; their ranks stay.

    Args:
        answers: the best first.
        sort: ``score``, or ``time``: by video, and within a video or a group by the start of the moment.
        group_by: a column whose equal values stand together, the group with the best answer first; may be empty.
    """
    groups: dict[str, list[SearchAnswer]] = {}
    for answer in answers:
        groups.setdefault(str(_value_of(answer, group_by)), []).append(answer)
    if sort == "time":
        for group in groups.values():
            group.sort(key=lambda answer: _time_order(answer, bool(group_by)))
    return tuple(answer for group in groups.values() for answer in group)


def _value_of(answer: SearchAnswer, column: str) -> Any:
    """Returns the value by which an answer is grouped; that of the column ``id`` is the video itself."""
    return answer.video if column == "id" else answer.metadata.get(column)


def _time_order(answer: SearchAnswer, grouped: bool) -> tuple:
    """Returns by what an answer is sorted: within a group, the start comes before the video."""
    start = answer.moments[0].start if answer.moments else 0.0
    name = _natural(answer.video)
    return (start, name) if grouped else (name, start)


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key by which ``clip 9`` comes before ``clip 10``."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
