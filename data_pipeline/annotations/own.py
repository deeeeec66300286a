"""Any data set, as JSON lines or as comma-separated values.

A line is ``{"video_id": "clip7", "caption": "a dog runs", "split": "train"}``; a file of comma-separated values has the
header ``video_id,caption,split``. A caption of a part of a longer video has ``start`` and ``end`` too, in seconds; in a
file of comma-separated values they are empty for a whole video."""

import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence

from data_pipeline.annotations.caption import SPLITS, Annotations, Caption, Segment, make_annotations
from data_pipeline.annotations.reading import (
    check_protocol,
    field,
    find_files,
    first_few,
    parse_json,
    read_csv,
    read_lines,
)
from data_pipeline.errors import InputError

PROTOCOLS = ("custom",)
LICENCE = "As stated by the owner of the data."
CITATION = "As asked for by the owner of the data."


def annotations_of(rows: Iterable[tuple[str, object]], name: str) -> Annotations:
    """Annotations of a data set of the user's own.

    A row holds ``video_id``, ``caption``, ``split`` and, for a caption of a part of a longer video, ``start``
    and ``end`` in seconds. Each part becomes a video of its own, named ``video_id@start-end``.

    Args:
        rows: where each row stands (for messages), and the row.
        name: of the source.

    Raises:
        InputError: a row is not of this form.
    """
    captions: list[Caption] = []
    counts: dict[str, int] = {}
    segments: dict[str, Segment | None] = {}
    for where, row in rows:
        video_id, segment = _video(row, where)
        if segments.setdefault(video_id, segment) != segment:
            raise InputError(
                f"{where}: {video_id!r} is already the name of {segments[video_id] or 'a whole video'}, found "
                f"{segment or 'a whole video'}; round 'start' and 'end' to six digits or rename the video"
            )
        split = field(row, "split", str, where)
        if split not in SPLITS:
            raise InputError(f"{where}: 'split' must be one of {', '.join(SPLITS)}, found {split!r}")
        index = counts.get(video_id, 0)
        counts[video_id] = index + 1
        captions.append(Caption(video_id, f"{video_id}#{index}", field(row, "caption", str, where), split))
    parts = {video_id: segment for video_id, segment in segments.items() if segment is not None}
    return make_annotations(
        captions,
        name=name,
        protocol=PROTOCOLS[0],
        licence=LICENCE,
        citation=CITATION,
        notes=_shared_videos(captions, parts),
        segments=parts,
    )


def _video(row: object, where: str) -> tuple[str, Segment | None]:
    """Id of the row's video, and which part of a longer one it is, if it is a part."""
    video_id = field(row, "video_id", str, where)
    if not video_id.strip():
        raise InputError(f"{where}: 'video_id' is blank; give the video's id")
    start, end = _seconds(row, "start", where), _seconds(row, "end", where)
    if start is None and end is None:
        return video_id, None
    if start is None or end is None:
        lacking = "start" if start is None else "end"
        raise InputError(
            f"{where}: {lacking!r} is missing; give both 'start' and 'end' in seconds, or neither"
        )
    if not 0 <= start < end:
        raise InputError(
            f"{where}: expected 0 <= 'start' < 'end' in seconds, found {start:g} and {end:g}; correct them"
        )
    return f"{video_id}@{start:g}-{end:g}", Segment(video_id, start, end)


def _seconds(row: object, key: str, where: str) -> float | None:
    if not isinstance(row, dict) or row.get(key) is None:
        return None
    value = row[key]
    # JSON's true would pass as a number; neither NaN nor a number too large for a float is below the maximum.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= sys.float_info.max:
        raise InputError(f"{where}: {key!r} must be a number of seconds, found {value!r}; correct it")
    return float(value)


def _shared_videos(captions: Iterable[Caption], parts: dict[str, Segment]) -> list[str]:
    splits_of: dict[str, set[str]] = {}
    for caption in captions:
        source = parts[caption.video_id].video_id if caption.video_id in parts else caption.video_id
        splits_of.setdefault(source, set()).add(caption.split)
    shared = [video_id for video_id, splits in splits_of.items() if len(splits) > 1]
    if not shared:
        return []
    return [f"{len(shared)} longer videos have parts in more than one split: {first_few(shared)}"]


def read_json_lines(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads files of JSON lines, plain or gzip, or all ``*.jsonl`` of a folder; blank lines are allowed.

    Raises:
        InputError: a file is missing or broken, or a line is not of the form above.
    """
    check_protocol("jsonl", protocol, PROTOCOLS)
    return annotations_of(_json_lines(find_files(paths, ["*.jsonl"])), "jsonl")


def _json_lines(files: Sequence[pathlib.Path]) -> Iterator[tuple[str, object]]:
    for path in files:
        for number, line in read_lines(path):
            where = f"{path}, line {number}"
            yield where, parse_json(line, where)


_TIMES = ("start", "end")


def read_table(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads comma-separated files, plain or gzip, or all ``*.csv`` of a folder; further columns are not read.

    Raises:
        InputError: a file is missing or broken, or a row is not of the form above.
    """
    check_protocol("csv", protocol, PROTOCOLS)
    return annotations_of(_table_rows(find_files(paths, ["*.csv"])), "csv")


def _table_rows(files: Sequence[pathlib.Path]) -> Iterator[tuple[str, object]]:
    for path in files:
        for number, row in read_csv(path, ["video_id", "caption", "split"], ["caption", *_TIMES]):
            where = f"{path}, line {number}"
            yield where, {**row, **{column: _number(row[column], column, where) for column in _TIMES}}


def _number(text: str, column: str, where: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"{where}: column {column!r} must be a number of seconds, found {text!r}; correct it or leave it empty"
        ) from None
