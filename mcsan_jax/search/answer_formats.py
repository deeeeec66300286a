"""This module writes a result for other programs: as JSON, as CSV, and as an edit decision list (EDL)."""

import csv
import dataclasses
import io
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.errors import InputError, first_few, shown
from mcsan_jax.retrieval.explain import Explanation
from mcsan_jax.search.answering.found_captions import FoundCaption
from mcsan_jax.search.answers import SearchAnswer, SearchResult

_DIGITS = 6
"""Digits of the numbers in a CSV file."""


def as_json(result: SearchResult, explanations: Mapping[str, Sequence[Explanation]] | None = None) -> str:
    """Returns a result as JSON: its fields, and those of its answers, under their names.

    Args:
        result: the result.
        explanations: by video, of each step of the query; they become the field ``explanations`` of an answer.
    """
    found = dataclasses.asdict(result)
    for answer in found["answers"]:
        if explanations is not None:
            answer["explanations"] = [dataclasses.asdict(one) for one in explanations[answer["video"]]]
    return json.dumps(plain(found), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def no_good_match(result: SearchResult) -> str:
    """Returns the sentence that says that nothing was found."""
    why = ""
    if result.presence is not None and result.threshold is not None:
        why = f": the probability that one is there is {result.presence:.2f}, and {result.threshold:.2f} is the least"
        if result.presence >= result.threshold:
            why = f": none is right with a probability of {result.threshold:.2f}"
    return f"no good match for {shown(result.query)} among {result.searched:,} videos{why}"


def captions_as_json(captions: Sequence[FoundCaption]) -> str:
    """Returns the texts that describe a video best as JSON, the best first."""
    return json.dumps([caption._asdict() for caption in captions], ensure_ascii=False, indent=2) + "\n"


def captions_as_csv(captions: Sequence[FoundCaption]) -> str:
    """Returns the texts that describe a video best as CSV, the best first."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["rank", "probability", "score", "caption"])
    for rank, caption in enumerate(captions, start=1):
        writer.writerow([rank, _number(caption.probability), _number(caption.score), caption.text])
    return written.getvalue()


def plain(value: Any) -> Any:
    """Returns a value as JSON has it: no number that is infinite or none, and a text of what JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def as_csv(result: SearchResult) -> str:
    """Returns a result as CSV, a line for each answer.

    The columns are rank, video, start and end of all its moments together, probability, score, what each component adds
    to the score, clip, duplicates, and the metadata. One whose name is taken is called ``metadata.NAME``.
    """
    added = _names(answer.contributions for answer in result.answers)
    columns = _names(answer.metadata for answer in result.answers)
    own = ["rank", "video", "start", "end", "probability", "score", *added, "clip", "duplicates"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([*own, *(f"metadata.{name}" if name in own else name for name in columns)])
    for answer in result.answers:
        start, end = _extent(answer) or (None, None)
        numbers = [start, end, answer.probability, answer.score, *map(answer.contributions.get, added)]
        writer.writerow(
            [
                answer.rank,
                answer.video,
                *map(_number, numbers),
                answer.clip,
                " ".join(answer.duplicates),
                *(_cell(answer.metadata.get(name)) for name in columns),
            ]
        )
    return written.getvalue()


def as_edl(result: SearchResult, frame_rate: float) -> str:
    """Returns the moments of a result, one after the other, as an edit decision list in the form CMX 3600.

    An answer without a moment is there as a whole. Each source has a reel of its own, and its file in a comment.

    Args:
        result: the result.
        frame_rate: of the clips, in frames per second.

    Raises:
        InputError: the times of frames of a video are unknown, or time codes have no such frame rate.
    """
    # It takes half a second to load.
    import opentimelineio as otio

    check_frame_rate(frame_rate)
    if timeless := [answer.video for answer in result.answers if not answer.seconds]:
        raise InputError(
            f"the times of frames are unknown of {first_few(timeless)}, so that an EDL cannot say where to cut; index "
            "features with times, or with --frame-rate, or choose --json or --csv"
        )
    timeline = otio.schema.Timeline(_line(result.query))
    track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    for number, answer in enumerate(result.answers, start=1):
        whole = [(0.0, answer.seconds[-1])]
        for start, end in [(moment.start, moment.end) for moment in answer.moments] or whole:
            first = round(start * frame_rate)
            frames = max(round(end * frame_rate) - first, 1)
            path = answer.clip or answer.video
            track.append(
                otio.schema.Clip(
                    _line(pathlib.PurePath(answer.clip).name if answer.clip else answer.video),
                    otio.schema.ExternalReference(_line(path)),
                    otio.opentime.TimeRange(
                        otio.opentime.RationalTime(first, frame_rate),
                        otio.opentime.RationalTime(frames, frame_rate),
                    ),
                    metadata={"cmx_3600": {"reel": f"V{number:05d}"}},
                )
            )
    if not len(track):
        return f"TITLE: {timeline.name}\n"
    return str(otio.adapters.write_to_string(timeline, "cmx_3600", rate=frame_rate))


def check_frame_rate(frame_rate: float) -> None:
    """Refuses a frame rate that no time code has.

    Raises:
        InputError: it is none.
    """
    import opentimelineio as otio

    if not otio.opentime.RationalTime.is_valid_timecode_rate(frame_rate):
        raise InputError(
            f"frame rate: expected one that time codes have, such as 24, 25 or 29.97, found {frame_rate:g}"
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS}g}"


def _names(mappings: Any) -> list[str]:
    """Returns the keys of all mappings, each once."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _extent(answer: SearchAnswer) -> tuple[float, float] | None:
    if not answer.moments:
        return None
    return min(one.start for one in answer.moments), max(one.end for one in answer.moments)


def _cell(value: Any) -> Any:
    """Returns a value of the metadata as a cell has it; what has parts, as JSON."""
    return json.dumps(plain(value), ensure_ascii=False) if isinstance(value, list | dict) else value


def _line(text: str) -> str:
    """Returns a text without the ends of lines, which would begin another statement of the list."""
    return " ".join(text.split())
