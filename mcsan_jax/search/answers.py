"""This module has what is asked of a search and what it answers: plain values, ready to be shown or sent."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class SearchRequest:
    """A request says what is searched for and which answers are wanted.

    Attributes:
        text: the query: a sentence, with ``A then B``, ``-word`` and ``without …`` as the query language has them.
        k: how many answers at most.
        where: a filter of the metadata, such as ``camera = "north" and year > 2020``; empty for all videos.
        min_probability: answers below it are left out. With None, all answers are shown where the probability that one
            of them is right reaches the threshold of the calibration, and none where it does not.
        sort: ``score``, or ``time``: by group or video, and within it by the start of the moment.
        group_by: a column of the metadata, or ``id``; answers of the same value stand together. Empty for no groups.
        exact: whether every video is scored; None lets the size of the index decide.
        candidates: how many videos are scored in the second stage where not all are.
    """

    text: str
    k: int = 10
    where: str = ""
    min_probability: float | None = None
    sort: str = "score"
    group_by: str = ""
    exact: bool | None = None
    candidates: int = 500


@dataclasses.dataclass(frozen=True)
class FoundMoment:
    """A found moment is the part of a video that met a step of the query.

    Attributes:
        text: the step of the query.
        start: in seconds; the number of the first frame, counted from 0, where the times of frames are unknown.
        end: in seconds, or the number of the last frame.
        first: number of the first frame.
        last: number of the last frame.
    """

    text: str
    start: float
    end: float
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class SearchAnswer:
    """An answer is a video that was found, with what says why and how sure.

    Attributes:
        rank: from 1 on.
        video: its id.
        score: by which answers are ordered.
        probability: that the answer is right; None without a calibration.
        contributions: what each component adds to the score; they sum to it. Those of negative parts and of the order
            of steps are negative or zero.
        level_scores: the score of each level that the query has, and of the other components of the fused score.
        moments: one for each step of the query; empty where the query has no node that could meet a frame.
        relevance: of each frame to the query [f], the higher the better.
        seconds: time of each frame [f]; empty where unknown.
        metadata: the columns of the table, without id and clip.
        clip: path of the file to play; None where none is linked.
        duplicates: ids of near-duplicates that were folded into this answer.
    """

    rank: int
    video: str
    score: float
    probability: float | None
    contributions: dict[str, float]
    level_scores: dict[str, float]
    moments: tuple[FoundMoment, ...]
    relevance: tuple[float, ...]
    seconds: tuple[float, ...]
    metadata: dict[str, Any]
    clip: str | None
    duplicates: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class QueryGraph:
    """The graph of a part of a query, for drawing.

    Attributes:
        text: the part, as it was read.
        nodes: the phrases by level, ``entity`` and ``action``.
        edges: source phrase, role, target phrase.
    """

    text: str
    nodes: dict[str, tuple[str, ...]]
    edges: tuple[tuple[str, str, str], ...]


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """A result has the answers to a request, the best first.

    Attributes:
        query: the text that was searched for.
        answers: in the order that was asked for.
        no_good_match: whether no answer is likely enough, though there are videos; `answers` is empty then.
        threshold: the least probability: of an answer, where the request has one, and else that any is right. None
            without a calibration.
        notes: what the user should know, such as that only the global level could score the query.
        steps: the graph of each step of the query, in the order of time; none where a video was searched with.
        negatives: the graph of each part that a video should not have.
        searched: how many videos pass the filter.
        scored: how many of them were scored in full.
        milliseconds: by stage: ``parse``, ``encode``, ``candidates``, ``score``, ``moments``.
        presence: the probability that one of all videos is right; None without a calibration.
    """

    query: str
    answers: tuple[SearchAnswer, ...]
    no_good_match: bool
    threshold: float | None
    notes: tuple[str, ...]
    steps: tuple[QueryGraph, ...]
    negatives: tuple[QueryGraph, ...]
    searched: int
    scored: int
    milliseconds: dict[str, float]
    presence: float | None = None
