"""Any data set as JSON lines: ``{"video_id": "clip7", "caption": "a dog runs", "split": "train"}``.

A caption of a part of a longer video has ``"start"`` and ``"end"`` too, in seconds (`rows`).
"""

import pathlib
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.caption import Annotations
from data_pipeline.annotations.locating import find_files
from data_pipeline.annotations.reading import check_protocol, parse_json, read_lines
from data_pipeline.annotations.rows import PROTOCOLS, annotations_of


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads files of JSON lines, plain or gzip, or all ``*.jsonl`` of a folder; blank lines are allowed.

    Raises:
        InputError: a file is missing or broken, or a line is not of the form above.
    """
    check_protocol("jsonl", protocol, PROTOCOLS)
    return annotations_of(_read_files(find_files(paths, ["*.jsonl"])), "jsonl")


def _read_files(files: Sequence[pathlib.Path]) -> Iterator[tuple[str, object]]:
    for path in files:
        for number, line in read_lines(path):
            where = f"{path}, line {number}"
            yield where, parse_json(line, where)
