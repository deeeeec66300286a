"""Any data set, as JSON or as a table.

A row is ``{"video_id": "clip7", "caption": "a dog runs", "split": "train"}``, an object a line or in an array; a table
has the header ``video_id,caption,split``. Where no row has a split, splits are drawn. A caption of a part of a longer
video has ``start`` and ``end`` too, in seconds; in a table they are empty for a whole video."""

import functools
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from data_pipeline.annotations.caption import (
    SPLITS,
    Annotations,
    Caption,
    Segment,
    make_annotations,
    split_meant,
)
from data_pipeline.annotations.drawn_splits import SPLIT, RowsWithoutSplit, table_with_or_without_splits
from data_pipeline.annotations.reading import check_protocol, find_files
from data_pipeline.annotations.repetition import repetition_notes, shared_videos
from data_pipeline.annotations.text_tables import json_rows, seconds_or_none, text_value
from data_pipeline.errors import Faults, InputError, first_few, nearest_name, shown

PROTOCOLS = ("custom",)
LICENCE = "As stated by the owner of the data."
CITATION = "As asked for by the owner of the data."

_NEEDED = ("video_id", "caption", SPLIT)
_TIMES = ("start", "end")


def annotations_of(
    rows: Iterable[tuple[str, object]], name: str, faults: Faults | None = None
) -> Annotations:
    """Annotations of a data set of the user's own.

    A row holds ``video_id``, ``caption``, ``split`` (or no row does) and, for a caption of a part of a longer video,
    ``start`` and ``end`` in seconds. Each part becomes a video of its own, named ``video_id@start-end``. Captions of
    parts that do not last, and keys that are not read, are listed in the result.

    Args:
        rows: where each row stands (for messages: the file, a comma and the place in it), and the row.
        name: of the source.
        faults: those that were or will be found while the rows are read.

    Raises:
        InputError: rows are not of this form, or a file repeats another; all faults are named.
    """
    faults = Faults() if faults is None else faults
    reader = _RowReader(faults)
    for where, row in rows:
        with faults.gathered():
            reader.read(row, where)
    captions, drawn = reader.without_split.resolved(reader.captions, reader.parts, faults)
    faults.check()
    repeated = repetition_notes(captions, reader.places)
    return make_annotations(
        captions,
        name=name,
        protocol=PROTOCOLS[0],
        licence=LICENCE,
        citation=CITATION,
        notes=[*drawn, *reader.notes(), *repeated, *shared_videos(captions, reader.parts)],
        segments=reader.parts,
        unusable=reader.unusable,
    )


class _RowReader:
    """Reads rows one after another.

    Attributes:
        captions: one of each row; without a split where the row has none.
        places: where each caption stands.
        parts: the videos that are parts of longer ones.
        unusable: why captions cannot be used, by their ids.
        without_split: the rows that name no split.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.captions: list[Caption] = []
        self.places: list[str] = []
        self.unusable: dict[str, str] = {}
        self.without_split = RowsWithoutSplit()
        self._segments: dict[str, Segment | None] = {}
        self._split_of: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, int] = {}
        self._unread: dict[str, str] = {}
        self._asked: set[str] = set()
        self._other_names: dict[str, str] = {}

    @property
    def parts(self) -> dict[str, Segment]:
        return {video_id: segment for video_id, segment in self._segments.items() if segment is not None}

    def read(self, row: object, where: str) -> None:
        """Reads a row; several of its values may be faults.

        Raises:
            InputError: it is not of the form.
        """
        if not isinstance(row, dict):
            raise InputError(
                f"{where}: expected an object with {', '.join(_NEEDED)}, found {type(row).__name__}; write one"
            )
        self._note_unread(row, where)
        video: tuple[str, Segment | None] | None = None
        split = text = None
        with self._faults.gathered():
            video = _video(row, where)
        with self._faults.gathered():
            split = self._split(row, where)
        with self._faults.gathered():
            text = text_value(row, "caption", where, may_be_listed=True)
        if video is not None and split is not None and text is not None:
            self._add(*video, split, text, where)

    def _add(self, video_id: str, segment: Segment | None, split: str, text: str, where: str) -> None:
        """Takes the caption of a row.

        Raises:
            InputError: its video is another part, or in another split, than an earlier row says.
        """
        if self._segments.setdefault(video_id, segment) != segment:
            raise InputError(
                f"{where}: {shown(video_id)} is already the name of {self._segments[video_id] or 'a whole video'}, "
                f"found {segment or 'a whole video'}; round 'start' and 'end' to six digits or rename the video"
            )
        first, place = self._split_of.setdefault(video_id, (split, where))
        if first != split:
            raise InputError(
                f"{where}: a video belongs to one split, found {shown(video_id)} in split {first!r} ({place}) and "
                f"in split {split!r}; remove its captions from the other"
            )
        index = self._counts.get(video_id, 0)
        self._counts[video_id] = index + 1
        caption = Caption(video_id, f"{video_id}#{index}", text, split)
        if segment is not None and not 0 <= segment.start < segment.end:
            self.unusable[caption.caption_id] = (
                f"{where}: expected 0 <= 'start' < 'end' in seconds, found {segment.start:g} and {segment.end:g}"
            )
        self.captions.append(caption)
        self.places.append(where)

    def _split(self, row: dict[str, object], where: str) -> str:
        """The split that a row names, perhaps in other letters; empty where it has none.

        Raises:
            InputError: it names no known one.
        """
        if SPLIT not in row:
            self.without_split.note(row, where)
            return ""
        name = text_value(row, "split", where)
        split = split_meant(name)
        if split is None:
            raise InputError(
                f"{where}: 'split' must be one of {', '.join(SPLITS)}, found {shown(name)}; "
                f"{nearest_name(name, SPLITS)}correct it"
            )
        if split != name:
            self._other_names[name] = split
        return split

    def _note_unread(self, row: dict[str, object], where: str) -> None:
        """Remembers keys that are not read.

        Raises:
            InputError: one of them tells the time of a part by another name; it is said once.
        """
        asked: dict[str, list[str]] = {}
        for key, value in row.items():
            if key in (*_NEEDED, *_TIMES) or value in (None, ""):
                continue
            self._unread.setdefault(key, where)
            times = [each for each in _times_meant(key, isinstance(value, list)) if each not in row]
            if times and key not in self._asked:
                asked[key] = times
        self._asked.update(asked)
        if asked:
            meant = dict.fromkeys(time for times in asked.values() for time in times)
            raise InputError(
                f"{where}: not read: {first_few(asked)}; did you mean {' and '.join(meant)}? Give start and end, in "
                "seconds, if the caption speaks of a part of a longer video; remove the others if video_id has the "
                "features of this part alone"
            )

    def notes(self) -> list[str]:
        """Sentences about keys that are not read, and about splits by another name."""
        notes = []
        if self._unread:
            names = [key or "(a column without a name)" for key in self._unread]
            notes.append(f"not read: {first_few(names)} (first at {next(iter(self._unread.values()))})")
        if self._other_names:
            read_as = [f"{shown(name)} as {split}" for name, split in self._other_names.items()]
            notes.append(f"splits are read {first_few(read_as)}")
        return notes


_TIME_WORDS = {
    "start": re.compile(r"(start|begin)\w*|onset"),
    "end": re.compile(r"end(s|ing|time|sec\w*)?|stop\w*|offset"),
}
_PAIR_WORDS = re.compile(r"times?|(time)?stamps?|segments?|intervals?|spans?")


@functools.cache
def _times_meant(key: str, holds_list: bool) -> list[str]:
    """The keys of times that a name such as ``startTime`` or ``t_end`` means, or a list named ``timestamps``."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", key)]
    if holds_list and any(map(_PAIR_WORDS.fullmatch, words)):
        return list(_TIMES)
    return [time for time, pattern in _TIME_WORDS.items() if any(map(pattern.fullmatch, words))]


def _video(row: dict[str, object], where: str) -> tuple[str, Segment | None]:
    """Id of the row's video, and which part of a longer one it is, if it is a part."""
    video_id = text_value(row, "video_id", where)
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
    return f"{video_id}@{start:g}-{end:g}", Segment(video_id, start, end)


def _seconds(row: dict[str, object], key: str, where: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    # JSON's true would pass as a number; neither NaN nor a number too large for a float is below the maximum.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise InputError(f"{where}: {key!r} must be a number of seconds, found {shown(value)}; correct it")


def read_json_lines(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads files of JSON objects, plain or gzip, or all ``*.jsonl`` of a folder.

    The objects stand one a line, below each other in any layout, or in an array.

    Raises:
        InputError: a file is missing or broken, or objects are not of the form above.
    """
    check_protocol("jsonl", protocol, PROTOCOLS)
    faults = Faults()
    files = find_files(paths, ["*.jsonl"])
    return annotations_of((row for path in files for row in json_rows(path, faults)), "jsonl", faults)


def read_table(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads tables (`TextTable`), plain or gzip, or all ``*.csv`` and ``*.tsv`` of a folder.

    Raises:
        InputError: a file is missing or broken, or rows are not of the form above.
    """
    check_protocol("csv", protocol, PROTOCOLS)
    faults = Faults()
    files = find_files(paths, ["*.csv", "*.tsv"])
    return annotations_of((row for path in files for row in _table_rows(path, faults)), "csv", faults)


def _table_rows(path: pathlib.Path, faults: Faults) -> Iterator[tuple[str, object]]:
    table = table_with_or_without_splits(path, _NEEDED, ["caption", *_TIMES])
    if table.is_empty:
        faults.add(f"{path}: no row below the header; write a row for each caption")
    for number, row in table.rows(faults):
        where = f"{path}, line {number}"
        with faults.gathered():
            times = {
                column: seconds_or_none(row[column], column, where) for column in _TIMES if column in row
            }
            yield where, {**row, **times}
