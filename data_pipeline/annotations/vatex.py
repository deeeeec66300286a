"""VATEX: clips with ten English captions each, in HGR's split.

The files are the official JSON lists of ``{"videoID", "enCap", "chCap"}`` and, in the same folder, HGR's
``train_list.txt``, ``val_list.txt`` and ``test_list.txt`` (one video id a line). The Chinese captions are
not read.
"""

import pathlib
from collections.abc import Sequence

from data_pipeline.annotations.caption import SPLITS, Annotations, Caption, make_annotations
from data_pipeline.annotations.locating import find_beside, find_files
from data_pipeline.annotations.reading import check_protocol, field, first_few, read_json, read_lines
from mcsan_jax.errors import InputError

PROTOCOLS = ("hgr",)
LICENCE = "Annotations CC BY 4.0; the videos belong to their uploaders."
CITATION = (
    "Wang, Wu, Chen, Li, Wang and Wang: VATEX: A Large-Scale, High-Quality Multilingual Dataset for "
    "Video-and-Language Research. ICCV 2019. Split: Chen, Zhao, Jin and Wu: Fine-grained Video-Text Retrieval "
    "with Hierarchical Graph Reasoning. CVPR 2020."
)


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the official files, plain or gzip, given one by one or as the folder that holds them.

    Raises:
        InputError: a file is missing, broken or not of the official form.
    """
    check_protocol("vatex", protocol, PROTOCOLS)
    captions_of = _read_captions(find_files(paths, ["vatex*.json"]))
    split_of = _read_split(paths)
    notes = []
    if unlisted := [video_id for video_id in captions_of if video_id not in split_of]:
        notes.append(f"{len(unlisted)} videos are in no split list and were left out: {first_few(unlisted)}")
    if silent := [video_id for video_id in split_of if video_id not in captions_of]:
        notes.append(f"{len(silent)} listed videos have no captions in the files given: {first_few(silent)}")
    return make_annotations(
        (
            Caption(video_id, f"{video_id}#{number}", text, split_of[video_id])
            for video_id, texts in captions_of.items()
            if video_id in split_of
            for number, text in enumerate(texts)
        ),
        name="vatex",
        protocol=protocol,
        licence=LICENCE,
        citation=CITATION,
        notes=notes,
    )


def _read_captions(files: Sequence[pathlib.Path]) -> dict[str, list[str]]:
    captions_of: dict[str, list[str]] = {}
    for path in files:
        content = read_json(path)
        if not isinstance(content, list):
            raise InputError(
                f"{path}: expected a list of videos, found {type(content).__name__}; use the official file"
            )
        for number, record in enumerate(content):
            where = f"{path}, record {number}"
            video_id = field(record, "videoID", str, where)
            texts = field(record, "enCap", list, f"{where} ({video_id})")
            if not all(isinstance(text, str) for text in texts):
                raise InputError(f"{where} ({video_id}): 'enCap' must be a list of sentences; correct it")
            if video_id in captions_of:
                raise InputError(f"{where}: video {video_id!r} occurs twice; give each annotation file once")
            captions_of[video_id] = texts
    return captions_of


def _read_split(paths: Sequence[pathlib.Path]) -> dict[str, str]:
    split_of: dict[str, str] = {}
    for split in SPLITS:
        path = find_beside(paths, f"{split}_list.txt")
        for number, video_id in read_lines(path):
            if split_of.setdefault(video_id, split) != split:
                raise InputError(
                    f"{path}, line {number}: video {video_id!r} is also in split {split_of[video_id]!r}; "
                    "remove it from one list"
                )
    return split_of
