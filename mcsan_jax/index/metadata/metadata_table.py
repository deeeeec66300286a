"""This module reads the metadata of videos, a table with a column of ids and others, and links the files to play."""

import pathlib
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from data_pipeline.errors import Faults, InputError, first_few, nearest
from mcsan_jax.index.metadata.column_types import TYPES, arrow_type, in_usual_type
from mcsan_jax.index.metadata.metadata_files import read_csv_file, read_json_lines
from mcsan_jax.index.on_disk.segments import CLIP, ID

_ID_NAMES = (ID, "video_id")

PART_OF, PART_START, PART_END = "part_of", "part_start", "part_end"
"""Columns of a part of a longer video: the id of that, and where the part is in it, in seconds."""


def read_metadata(path: pathlib.Path, known: Mapping[str, str]) -> pa.Table:
    """Reads a table of metadata.

    An empty cell of a CSV file is no value. Types are inferred: whole numbers, numbers, true and false, dates, times,
    else texts. A column that the index has already is read in its type.

    Args:
        path: a ``.csv`` file with a header, or a ``.jsonl`` file with an object a line.
        known: types of the columns of the index, by name.

    Returns:
        The table; its first column is ``id``.

    Raises:
        InputError: the file cannot be read, has no ids, has one twice, or has values that no column can hold.
    """
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(f"{path}: expected metadata as .csv or .jsonl, found the ending {path.suffix!r}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the metadata as .csv or .jsonl")
    types = {name: arrow_type(kind) for name, kind in known.items()} | dict.fromkeys(_ID_NAMES, pa.string())
    for name in set(_ID_NAMES[1:]) & set(known):
        types[name] = arrow_type(known[name])
    read = read_csv_file if path.suffix.lower() == ".csv" else read_json_lines
    table = read(path, types)
    _check_names(path, table.column_names)
    id_name = next(name for name in _ID_NAMES if name in table.column_names)
    names = [ID, *(name for name in table.column_names if name != id_name)]
    table = pa.table(
        [
            in_usual_type(path, name, table[id_name if name == ID else name], known.get(name))
            for name in names
        ],
        names=names,
    )
    _check_ids(path, table[ID].to_pylist())
    return table


def _check_names(path: pathlib.Path, names: Sequence[str]) -> None:
    faults = Faults()
    if not set(_ID_NAMES) & set(names):
        near = nearest(ID, names)
        hint = f"is {near!r} meant? " if near else ""
        faults.add(
            f"{path}: no column of ids; {hint}expected a column `id` or `video_id`, found {first_few(names)}"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.add(f"{path}: columns of the same name: {first_few(twice)}; rename them")
    if CLIP in names:
        faults.add(
            f"{path}: column {CLIP!r} has the name of the column of files that --clips links; rename it"
        )
    if found := [name for name in (PART_OF, PART_START, PART_END) if name in names]:
        faults.add(
            f"{path}: columns of these names say where parts of longer videos are: {first_few(found)}; rename them"
        )
    if "" in names:
        faults.add(f"{path}: a column has no name; name it in the first line")
    faults.check()


def _check_ids(path: pathlib.Path, ids: Sequence[str | None]) -> None:
    faults = Faults()
    seen: dict[str, int] = {}
    for number, video in enumerate(ids, start=1):
        if not video:
            faults.add(f"{path}, row {number}: has no id; give one, or leave the row out")
        elif video in seen:
            faults.add(
                f"{path}, row {number}: found id {video!r} again, as in row {seen[video]}; keep one of the rows"
            )
        else:
            seen[video] = number
    faults.check()


def aligned(
    metadata: pa.Table | None,
    ids: Sequence[str],
    clips: Mapping[str, str],
    whole: Callable[[str], str] = lambda video: video,
) -> pa.Table:
    """Returns a table with a row for each video, in their order: ``id``, ``clip`` and the columns of metadata.

    Args:
        metadata: of some or all of the videos, with a column ``id``; None for no columns.
        ids: of the videos.
        clips: the file to play, by id.
        whole: returns the id of the longer video that a part belongs to, whose metadata are those of the part, too.
    """
    columns = {ID: pa.array(ids, pa.string()), CLIP: pa.array([clips.get(one) for one in ids], pa.string())}
    if metadata is not None:
        places = {video: place for place, video in enumerate(metadata[ID].to_pylist())}
        rows = pa.array([places.get(video, places.get(whole(video))) for video in ids], pa.int64())
        columns |= {name: metadata[name].take(rows) for name in metadata.column_names if name != ID}
    return pa.table(columns)


def joined_columns(known: Mapping[str, str], table: pa.Table, where: str) -> dict[str, str]:
    """Returns the types of the columns of metadata that an index has with a table of videos to be added, by name.

    Raises:
        InputError: a column has another type than in the index, or one that no column can have.
    """
    columns, faults = dict(known), Faults()
    for name in table.column_names:
        if name in (ID, CLIP):
            continue
        found = str(table[name].type)
        expected = columns.setdefault(name, found)
        if expected != found or found not in TYPES:
            wanted = f"{expected}, as the index has it" if expected != found else f"one of {', '.join(TYPES)}"
            faults.add(f"{where}, column {name!r}: found {found}, expected {wanted}")
    faults.check()
    return columns
