"""This module has what the service sends beside results of a search: plain values that become JSON."""

import dataclasses
import pathlib
import types
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

from mcsan_jax.index.metadata.own_captions import example_queries
from mcsan_jax.retrieval.explain import Explanation
from mcsan_jax.search.answers import SearchAnswer, SearchResult
from mcsan_jax.search.index_searcher import IndexSearcher


@dataclasses.dataclass(frozen=True)
class Problem:
    """A problem says why a request got no answer, and what to do."""

    error: str


@dataclasses.dataclass(frozen=True)
class Health:
    """The health of a service.

    Attributes:
        status: ``ok``, or ``ending`` after the signal to end.
        videos: how many the index has.
        model: fingerprint of the model with which the index was made.
        versions: of this program and of what it computes with.
        index_problem: why the last change of the index could not be read; what was there before is served. Empty
            where it could.
    """

    status: str
    videos: int
    model: str
    versions: dict[str, str]
    index_problem: str


@dataclasses.dataclass(frozen=True)
class ServedCollection:
    """What a page says of an index before anything is searched for.

    Attributes:
        videos: how many it has.
        examples: a few of its own captions; empty where it has none.
        calibrated_on: how many videos the probabilities were fitted on; None where there are no probabilities.
    """

    videos: int
    examples: tuple[str, ...]
    calibrated_on: int | None

    @classmethod
    def of(cls, searcher: IndexSearcher) -> "ServedCollection":
        """Looks it up in an index."""
        collection = searcher.collection
        calibration = collection.calibration
        fitted_on = None if calibration is None else calibration.fitted_on.videos
        return cls(len(collection), example_queries(collection.table), fitted_on)


@dataclasses.dataclass(frozen=True)
class VideoDescription:
    """What is known of a video.

    Attributes:
        video: its id.
        metadata: the columns of the table, without id and clip.
        seconds: time of each of its frames; empty where unknown.
        clip: address of the file to play, as seen from the root of the service; None where none is linked.
    """

    video: str
    metadata: dict[str, Any]
    seconds: tuple[float, ...]
    clip: str | None


@dataclasses.dataclass(frozen=True)
class CaptionList:
    """Captions for a video, the best first."""

    video: str
    captions: tuple["ServedCaption", ...]


@dataclasses.dataclass(frozen=True)
class ServedCaption:
    """A caption, its score with the video, and the probability that it is right; None without a calibration."""

    text: str
    score: float
    probability: float | None


@dataclasses.dataclass(frozen=True)
class ExplainedLevel:
    """How the nodes of a text met the frames of a video at one level.

    Attributes:
        phrases: the words of the nodes [n]; those of denied ones begin with "not" or say so ("nobody").
        scores: of each node with the video, with a minus where the text denies it [n].
        cosines: of each node and each frame [n, f].
        attention: share of each frame in a node's attention [n, f].
    """

    phrases: tuple[str, ...]
    scores: tuple[float, ...]
    cosines: tuple[tuple[float, ...], ...]
    attention: tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True)
class ExplainedWords:
    """What each word of a text adds to the linear score: by its weight, and by the direction of the sentence."""

    words: tuple[str, ...]
    of_words: tuple[float, ...]
    of_sentence: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class ExplainedScore:
    """The score of a text and a video, taken apart.

    Attributes:
        text: the text.
        video: id of the video.
        scores: the fused score and its components.
        shares: of each component in the fused score.
        frames: number of frames of the video.
        seconds: time of each frame [f]; empty where unknown.
        levels: the levels at which the text has nodes.
        words: of the linear score; None without a linear branch.
    """

    text: str
    video: str
    scores: dict[str, float]
    shares: dict[str, float]
    frames: int
    seconds: tuple[float, ...]
    levels: dict[str, ExplainedLevel]
    words: ExplainedWords | None

    @classmethod
    def of(cls, explanation: Explanation) -> "ExplainedScore":
        """Takes the arrays of an explanation as plain values."""
        linear = explanation.linear
        return cls(
            text=explanation.text,
            video=explanation.video,
            scores=explanation.scores,
            shares=explanation.shares,
            frames=explanation.frames,
            seconds=_row(explanation.seconds),
            levels={
                name: ExplainedLevel(
                    tuple(level.phrases),
                    _row(level.scores),
                    tuple(map(_row, level.cosines)),
                    tuple(map(_row, level.attention)),
                )
                for name, level in explanation.levels.items()
            },
            words=None
            if linear is None
            else ExplainedWords(tuple(linear.words), _row(linear.of_words), _row(linear.of_sentence)),
        )


@dataclasses.dataclass(frozen=True)
class ServedResult(SearchResult):
    """The result of a search as the service sends it; `clip` of an answer is an address as seen from the root.

    Attributes:
        explanations: of the first answers, by video, where they were asked for.
    """

    explanations: dict[str, ExplainedScore] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, result: SearchResult, explanations: Mapping[str, ExplainedScore] = types.MappingProxyType({})
    ) -> "ServedResult":
        """Takes a result, with addresses in place of paths."""
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(SearchResult)}
        fields["answers"] = tuple(map(_with_address, result.answers))
        return cls(**fields, explanations=dict(explanations))


def with_names_of_files(result: SearchResult) -> SearchResult:
    """Returns a result in which the clip of an answer is the name of its file, without the folder."""
    named = [
        dataclasses.replace(answer, clip=None if answer.clip is None else pathlib.PurePath(answer.clip).name)
        for answer in result.answers
    ]
    return dataclasses.replace(result, answers=tuple(named))


def clip_address(video: str) -> str:
    """Returns where the service has the clip of a video, as seen from its root."""
    return f"videos/{quote(video, safe='')}/clip"


def _with_address(answer: SearchAnswer) -> SearchAnswer:
    return dataclasses.replace(answer, clip=None if answer.clip is None else clip_address(answer.video))


def _row(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
