"""Any data set as comma-separated values with the header ``video_id,caption,split`` or, for captions of parts
of longer videos, ``video_id,caption,split,start,end`` (`rows`): seconds, left empty for a whole video.
"""

import pathlib
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.caption import Annotations
from data_pipeline.annotations.locating import find_files
from data_pipeline.annotations.reading import check_protocol, read_csv
from data_pipeline.annotations.rows import PROTOCOLS, annotations_of
from mcsan_jax.errors import InputError

_TIMES = ("start", "end")


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads comma-separated files, plain or gzip, or all ``*.csv`` of a folder; further columns are not read.

    Raises:
        InputError: a file is missing or broken, or a row is not of the form above.
    """
    check_protocol("csv", protocol, PROTOCOLS)
    return annotations_of(_read_files(find_files(paths, ["*.csv"])), "csv")


def _read_files(files: Sequence[pathlib.Path]) -> Iterator[tuple[str, object]]:
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
