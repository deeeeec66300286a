"""VATEX: clips with ten English and ten Chinese captions each, in HGR's split.

The files are the official JSON lists of ``{"videoID", "enCap", "chCap"}`` and, in the same folder, HGR's
``train_list.txt``, ``val_list.txt`` and ``test_list.txt`` (one video id a line). Protocol ``hgr`` reads the
English captions alone, ``hgr-bilingual`` those of both languages.
"""

import pathlib
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.caption import ENGLISH, SPLITS, Annotations, Caption, make_annotations
from data_pipeline.annotations.reading import (
    check_protocol,
    field,
    find_beside,
    find_files,
    read_json_list,
    read_lines,
    texts_field,
)
from data_pipeline.errors import InputError, first_few

BILINGUAL = "hgr-bilingual"
PROTOCOLS = ("hgr", BILINGUAL)
HOMEPAGE = "https://eric-xw.github.io/vatex-website/"
LICENCE = "Annotations CC BY 4.0; the videos belong to their uploaders."
CITATION = (
    "Wang, Wu, Chen, Li, Wang and Wang: VATEX: A Large-Scale, High-Quality Multilingual Dataset for "
    "Video-and-Language Research. ICCV 2019. Split: Chen, Zhao, Jin and Wu: Fine-grained Video-Text Retrieval "
    "with Hierarchical Graph Reasoning. CVPR 2020."
)
CHINESE = "zh"

_KEY_OF_LANGUAGE = {ENGLISH: "enCap", CHINESE: "chCap"}


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the official files, plain or gzip, given one by one or as the folder that holds them.

    Raises:
        InputError: a file is missing, broken or not of the official form.
    """
    check_protocol("vatex", protocol, PROTOCOLS)
    languages = (ENGLISH, CHINESE) if protocol == BILINGUAL else (ENGLISH,)
    texts_of = _read_texts(find_files(paths, ["vatex*.json"]), languages)
    lists = _read_lists(paths)
    split_of = {video_id: split for split, ids in lists.items() for video_id in ids}
    unlisted = [video_id for video_id in texts_of if video_id not in split_of]
    return make_annotations(
        (
            caption
            for video_id, texts in texts_of.items()
            if video_id in split_of
            for caption in _captions(video_id, texts, split_of[video_id])
        ),
        name="vatex",
        protocol=protocol,
        licence=LICENCE,
        citation=CITATION,
        homepage=HOMEPAGE,
        notes=[f"{len(unlisted)} videos are in no split list and were left out: {first_few(unlisted)}"]
        if unlisted
        else [],
        official_ids=lists,
    )


def _captions(video_id: str, texts: dict[str, list[str]], split: str) -> Iterator[Caption]:
    for language, sentences in texts.items():
        prefix = "" if language == ENGLISH else language
        for number, text in enumerate(sentences):
            yield Caption(video_id, f"{video_id}#{prefix}{number}", text, split, language)


def _read_texts(files: Sequence[pathlib.Path], languages: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Sentences by video and language."""
    texts_of: dict[str, dict[str, list[str]]] = {}
    for path in files:
        for number, record in enumerate(read_json_list(path, "videos")):
            where = f"{path}, record {number}"
            video_id = field(record, "videoID", str, where)
            if video_id in texts_of:
                raise InputError(f"{where}: video {video_id!r} occurs twice; give each annotation file once")
            texts_of[video_id] = {
                language: texts_field(record, _KEY_OF_LANGUAGE[language], f"{where} ({video_id})")
                for language in languages
            }
    return texts_of


def _read_lists(paths: Sequence[pathlib.Path]) -> dict[str, list[str]]:
    """Video ids of each split, each once."""
    split_of: dict[str, str] = {}
    for split in SPLITS:
        path = find_beside(paths, f"{split}_list.txt")
        for number, video_id in read_lines(path):
            if split_of.setdefault(video_id, split) != split:
                raise InputError(
                    f"{path}, line {number}: video {video_id!r} is also in split {split_of[video_id]!r}; "
                    "remove it from one list"
                )
    return {split: [each for each, its in split_of.items() if its == split] for split in SPLITS}
