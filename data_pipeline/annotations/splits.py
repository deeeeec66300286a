"""Splits of the user's own choice, and the sizes that published splits have."""

import dataclasses
import pathlib
from collections.abc import Mapping

from data_pipeline.annotations.caption import SPLITS, TEST, TRAIN, VALIDATION, Annotations
from data_pipeline.annotations.reading import first_few, read_lines
from mcsan_jax.errors import InputError

CUSTOM = "custom"

OFFICIAL_COUNTS: dict[tuple[str, str], dict[str, int]] = {
    ("msrvtt", "full"): {TRAIN: 6513, VALIDATION: 497, TEST: 2990},
    ("msrvtt", "1k-A"): {TRAIN: 8700, VALIDATION: 300, TEST: 1000},
    ("vatex", "hgr"): {TRAIN: 25991, VALIDATION: 1500, TEST: 1500},
    ("msvd", "official"): {TRAIN: 1200, VALIDATION: 100, TEST: 670},
}
"""Videos per split by (source, protocol). The 8,700 + 300 of 1k-A are its published 9,000 for training."""


def apply_split_files(annotations: Annotations, files: Mapping[str, pathlib.Path]) -> Annotations:
    """Replaces the splits by lists of video ids, one id a line; videos on no list are left out.

    Args:
        annotations: as read from the source.
        files: path of the list of each split, for some or all of `SPLITS`.

    Raises:
        InputError: no or an unknown split is named, a list is empty or unreadable, names a video that
            has no annotation, or shares a video with another list.
    """
    if not files:
        raise InputError(f"no split files given; name a list of video ids for some of {', '.join(SPLITS)}")
    known = {caption.video_id for caption in annotations.captions}
    split_of: dict[str, str] = {}
    for split, path in files.items():
        if split not in SPLITS:
            raise InputError(f"{path}: no split {split!r}; expected one of {', '.join(SPLITS)}")
        line_of: dict[str, int] = {}
        for number, video_id in read_lines(path):
            line_of.setdefault(video_id, number)
        _check_list(path, line_of, known, annotations.name)
        if shared := [video_id for video_id in line_of if video_id in split_of]:
            raise InputError(
                f"{path}, line {line_of[shared[0]]}: already in {files[split_of[shared[0]]]}: "
                f"{first_few(shared)}; a video belongs to one split, remove it from one list"
            )
        split_of.update(dict.fromkeys(line_of, split))
    left_out = len(known) - len(split_of)
    notes = [f"{left_out} videos on no split list were left out"] if left_out else []
    return dataclasses.replace(
        annotations,
        protocol=CUSTOM,
        captions=tuple(
            dataclasses.replace(caption, split=split_of[caption.video_id])
            for caption in annotations.captions
            if caption.video_id in split_of
        ),
        notes=(*annotations.notes, *notes),
    )


def _check_list(path: pathlib.Path, line_of: Mapping[str, int], known: set[str], name: str) -> None:
    if not line_of:
        raise InputError(f"{path}: no video ids; expected one id a line")
    if unknown := [video_id for video_id in line_of if video_id not in known]:
        raise InputError(
            f"{path}, line {line_of[unknown[0]]}: no {name} annotation for {first_few(unknown)}; "
            "correct the ids (one a line, no header) or add the annotation files that hold them"
        )


def count_warnings(annotations: Annotations) -> list[str]:
    """One sentence for each split whose number of videos is not that of the published protocol."""
    expected = OFFICIAL_COUNTS.get((annotations.name, annotations.protocol), {})
    found = {split: len(annotations.video_ids(split)) for split in expected}
    return [
        f"{annotations.name}, protocol {annotations.protocol}: {found[split]:,} {split} videos, the "
        f"published protocol has {count:,}; results are not comparable with published ones"
        for split, count in expected.items()
        if found[split] != count
    ]
