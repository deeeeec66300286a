"""Any data set as JSON lines: ``{"video_id": "clip7", "caption": "a dog runs", "split": "train"}``."""

import pathlib
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.caption import SPLITS, Annotations, Caption, make_annotations
from data_pipeline.annotations.locating import find_files
from data_pipeline.annotations.reading import check_protocol, field, parse_json, read_lines
from mcsan_jax.errors import InputError

PROTOCOLS = ("custom",)


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads files of JSON lines, plain or gzip, or all ``*.jsonl`` of a folder; blank lines are allowed.

    Raises:
        InputError: a file is missing or broken, or a line is not of the form above.
    """
    check_protocol("jsonl", protocol, PROTOCOLS)
    return make_annotations(
        _read_files(find_files(paths, ["*.jsonl"])),
        name="jsonl",
        protocol=protocol,
        licence="As stated by the owner of the data.",
        citation="",
    )


def _read_files(files: Sequence[pathlib.Path]) -> Iterator[Caption]:
    counts: dict[str, int] = {}
    for path in files:
        for number, line in read_lines(path):
            where = f"{path}, line {number}"
            record = parse_json(line, where)
            video_id = field(record, "video_id", str, where)
            split = field(record, "split", str, where)
            if not video_id.strip():
                raise InputError(f"{where}: 'video_id' is blank; give the video's id")
            if split not in SPLITS:
                raise InputError(f"{where}: 'split' must be one of {', '.join(SPLITS)}, found {split!r}")
            index = counts.get(video_id, 0)
            counts[video_id] = index + 1
            yield Caption(video_id, f"{video_id}#{index}", field(record, "caption", str, where), split)
