"""All annotation sources by name, the sizes of their published splits, and splits of the user's own."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from data_pipeline.annotations import clip_files, hgr, moment_files, msrvtt, msvd, own, vatex
from data_pipeline.annotations.caption import SPLITS, TEST, TRAIN, VALIDATION, Annotations, split_meant
from data_pipeline.annotations.moments import LEVELS, PARAGRAPH, SENTENCE
from data_pipeline.annotations.reading import read_lines
from data_pipeline.errors import Faults, InputError, first_few, nearest_name

READERS: dict[str, Callable[[Sequence[pathlib.Path], str], Annotations]] = {
    "msrvtt": msrvtt.read,
    "vatex": vatex.read,
    "msvd": msvd.read,
    "hgr": hgr.read,
    "activitynet": moment_files.read_activitynet,
    "youcook2": moment_files.read_youcook2,
    "didemo": moment_files.read_didemo,
    "charades_sta": moment_files.read_charades_sta,
    "lsmdc": clip_files.read_lsmdc,
    "hybrid_space": clip_files.read_hybrid_space,
    "collaborative_experts": clip_files.read_collaborative_experts,
    "jsonl": own.read_json_lines,
    "csv": own.read_table,
}

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "msrvtt": msrvtt.PROTOCOLS,
    "vatex": vatex.PROTOCOLS,
    "msvd": msvd.PROTOCOLS,
    "hgr": hgr.PROTOCOLS,
    "activitynet": moment_files.ACTIVITYNET_PROTOCOLS,
    "youcook2": LEVELS,
    "didemo": LEVELS,
    "charades_sta": moment_files.CHARADES_STA_PROTOCOLS,
    "lsmdc": clip_files.LSMDC_PROTOCOLS,
    "hybrid_space": clip_files.HYBRID_SPACE_PROTOCOLS,
    "collaborative_experts": clip_files.COLLABORATIVE_EXPERTS_PROTOCOLS,
    "jsonl": own.PROTOCOLS,
    "csv": own.PROTOCOLS,
}
"""Protocols of each source; the first one is the usual choice."""


def read_annotations(source: str, paths: Sequence[pathlib.Path], protocol: str | None = None) -> Annotations:
    """Reads the annotation files of a source.

    Args:
        source: a key of `READERS`.
        paths: the files, or the folder that holds them.
        protocol: one of the source's `PROTOCOLS`; by default the first.

    Raises:
        InputError: the source or the protocol is unknown, or a file cannot be used.
    """
    if source not in READERS:
        raise InputError(f"no annotation source {source!r}; expected one of {', '.join(READERS)}")
    return READERS[source](paths, PROTOCOLS[source][0] if protocol is None else protocol)


CUSTOM = "custom"

OFFICIAL_COUNTS: dict[tuple[str, str], dict[str, int]] = {
    ("msrvtt", "full"): {TRAIN: 6513, VALIDATION: 497, TEST: 2990},
    ("msrvtt", "1k-A"): {TRAIN: 8700, VALIDATION: 300, TEST: 1000},
    ("msrvtt", "1k-A-7k"): {TRAIN: 6710, VALIDATION: 300, TEST: 1000},
    ("msrvtt", "1k-B"): {TRAIN: 6356, VALIDATION: 300, TEST: 1000},
    ("vatex", "hgr"): {TRAIN: 25991, VALIDATION: 1500, TEST: 1500},
    ("vatex", "hgr-bilingual"): {TRAIN: 25991, VALIDATION: 1500, TEST: 1500},
    ("msvd", "official"): {TRAIN: 1200, VALIDATION: 100, TEST: 670},
    ("activitynet", PARAGRAPH): {TRAIN: 9709, VALIDATION: 300, TEST: 4917},
    ("activitynet", "paragraph-val_2"): {TRAIN: 9709, VALIDATION: 300, TEST: 4885},
    ("youcook2", PARAGRAPH): {TRAIN: 1200, VALIDATION: 133, TEST: 457},
    ("didemo", PARAGRAPH): {TRAIN: 8395, VALIDATION: 1065, TEST: 1004},
    ("charades_sta", PARAGRAPH): {TRAIN: 5038, VALIDATION: 300, TEST: 1334},
    ("hybrid_space", "msrvtt10k"): {TRAIN: 6513, VALIDATION: 497, TEST: 2990},
    ("hybrid_space", "vatex"): {TRAIN: 25991, VALIDATION: 1500, TEST: 1500},
}
"""Videos per split by (source, protocol). Where a published protocol has no validation split, one is taken from
training: from 9,000, 7,010 and 6,656 videos of MSR-VTT, 10,009 of ActivityNet, 1,333 of YouCook2 and 5,338 of
Charades-STA."""

OFFICIAL_CAPTIONS: dict[tuple[str, str], dict[tuple[str, ...], int]] = {
    ("activitynet", SENTENCE): {(TRAIN, VALIDATION): 37417, (TEST,): 17505},
    ("activitynet", "sentence-val_2"): {(TRAIN, VALIDATION): 37417, (TEST,): 17031},
    ("youcook2", SENTENCE): {(TRAIN, VALIDATION): 10337, (TEST,): 3492},
    ("didemo", SENTENCE): {(TRAIN,): 33005, (VALIDATION,): 4180, (TEST,): 4021},
    ("charades_sta", SENTENCE): {(TRAIN, VALIDATION): 12408, (TEST,): 3720},
    ("lsmdc", "official"): {(TRAIN,): 101079, (VALIDATION,): 7408, (TEST,): 1000},
}
"""Captions by (source, protocol) and splits, where their number is published and that of videos, or of parts, is not. A
validation split that is taken from training is counted with it."""


def apply_split_files(annotations: Annotations, files: Mapping[str, pathlib.Path]) -> Annotations:
    """Replaces the splits by lists of video ids, one id a line; videos on no list are left out.

    Args:
        annotations: as read from the source.
        files: path of the list of each split, for some or all of `SPLITS`.

    Raises:
        InputError: no or an unknown split is named, a list is empty or unreadable, names a video that
            has no annotation, or shares a video with another list; all faults are named.
    """
    if not files:
        raise InputError(f"no split files given; name a list of video ids for some of {', '.join(SPLITS)}")
    without = annotations.videos_without_captions
    known = {caption.video_id for caption in annotations.captions} | without.keys()
    split_of: dict[str, str] = {}
    faults = Faults()
    for split, path in files.items():
        with faults.gathered():
            if split not in SPLITS:
                meant = split_meant(split)
                hint = f"did you mean {meant!r}? " if meant else nearest_name(split, SPLITS)
                raise InputError(
                    f"--split_file={split}={path}: no split {split!r}; expected one of {', '.join(SPLITS)}; "
                    f"{hint}".rstrip("; ")
                )
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
    faults.check()
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
        videos_without_captions={each: split_of[each] for each in without if each in split_of},
        official_ids={},
    )


def _check_list(path: pathlib.Path, line_of: Mapping[str, int], known: set[str], name: str) -> None:
    if not line_of:
        raise InputError(f"{path}: no video ids; expected one id a line")
    if unknown := [video_id for video_id in line_of if video_id not in known]:
        raise InputError(
            f"{path}, line {line_of[unknown[0]]}: no {name} annotation for {first_few(unknown)}; "
            "correct the ids (one a line, no header) or add the annotation files that hold them"
        )


def split_mismatches(annotations: Annotations) -> dict[str, dict[str, list[str]]]:
    """Per split, all video ids that the published protocol has beyond the annotations, and the other way round.

    Returns:
        ``{split: {"missing": [...], "unexpected": [...]}}`` for the splits whose published ids are known; both
        lists are empty where the split is the published one.
    """
    mismatches = {}
    for split, official in annotations.official_ids.items():
        expected, found = dict.fromkeys(official), dict.fromkeys(annotations.video_ids(split))
        mismatches[split] = {
            "missing": [video_id for video_id in expected if video_id not in found],
            "unexpected": [video_id for video_id in found if video_id not in expected],
        }
    return mismatches


def count_warnings(annotations: Annotations) -> list[str]:
    """One sentence for each split that is not that of the published protocol, in its size or in its ids."""
    return [*_video_warnings(annotations), *_caption_warnings(annotations)]


def _caption_warnings(annotations: Annotations) -> Iterator[str]:
    per_split = collections.Counter(caption.split for caption in annotations.captions)
    key = (annotations.name, annotations.protocol)
    for splits, count in OFFICIAL_CAPTIONS.get(key, {}).items():
        found = sum(per_split[split] for split in splits)
        if found != count:
            yield (
                f"{annotations.name}, protocol {annotations.protocol}: {found:,} {' and '.join(splits)} captions, the "
                f"published protocol has {count:,}; results are not comparable with published ones"
            )


def _video_warnings(annotations: Annotations) -> Iterator[str]:
    official_ids = annotations.official_ids
    counts = {split: len(ids) for split, ids in official_ids.items()}
    counts |= OFFICIAL_COUNTS.get((annotations.name, annotations.protocol), {})
    mismatches = split_mismatches(annotations)
    for split, count in counts.items():
        found = len(annotations.video_ids(split))
        mismatch = mismatches.get(split)
        if found == count and not (mismatch and any(mismatch.values())):
            continue
        yield (
            f"{annotations.name}, protocol {annotations.protocol}: {found:,} {split} videos, the published "
            f"protocol has {count:,} ({_differences(mismatch)}); results are not comparable with published ones"
        )


def _differences(mismatch: Mapping[str, list[str]] | None) -> str:
    if mismatch is None:
        return "its ids are not known, so those that differ cannot be named"
    named = [f"{kind}: {first_few(ids)}" for kind, ids in mismatch.items() if ids]
    return "; ".join(named) or "the list of ids itself is of another length"
