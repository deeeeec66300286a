"""MSR-VTT's protocols with 1,000 test videos: lists of ids beside the official files choose the videos.

None of them has a validation set: `VALIDATION_VIDEOS` of the training videos become one.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Caption
from data_pipeline.annotations.locating import find_beside
from data_pipeline.annotations.msrvtt_corpus import OFFICIAL_IDS, Corpus
from data_pipeline.annotations.reading import first_few, read_csv, read_lines
from mcsan_jax.errors import InputError

VALIDATION_VIDEOS = 300
TEST_VIDEOS = 1000

_YU = (
    "Split: Yu, Kim and Kim: A Joint Sequence Fusion Model for Video Question Answering and Retrieval. "
    "ECCV 2018."
)
_MIECH = (
    "Split: Miech, Laptev and Sivic: Learning a Text-Video Embedding from Incomplete and Heterogeneous Data. "
    "arXiv:1804.02516, 2018."
)
_DEVELOPMENT = (*OFFICIAL_IDS[TRAIN], *OFFICIAL_IDS[VALIDATION])


@dataclasses.dataclass(frozen=True)
class ListProtocol:
    """Where a protocol's lists are and what is known of them.

    Attributes:
        train_files, test_files: names under which the lists are looked for.
        test_columns: columns that the test list must have, if it is comma-separated.
        train_ids: all videos that may be in training, where the published list is known: those of them that
            are not in the test list are the training list.
        train_videos: size of the training list, with the videos for validation.
        citation: of the split.
    """

    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    test_columns: tuple[str, ...]
    train_ids: tuple[str, ...]
    train_videos: int
    citation: str


_JSFUSION_TEST = ("MSRVTT_JSFUSION_test.csv",)
_JSFUSION_COLUMNS = ("key", "video_id", "sentence")

LIST_PROTOCOLS = {
    "1k-A": ListProtocol(
        train_files=("MSRVTT_train.9k.csv",),
        test_files=_JSFUSION_TEST,
        test_columns=_JSFUSION_COLUMNS,
        train_ids=(*_DEVELOPMENT, *OFFICIAL_IDS[TEST]),
        train_videos=9000,
        citation=_YU,
    ),
    "1k-A-7k": ListProtocol(
        train_files=("MSRVTT_train.7k.csv",),
        test_files=_JSFUSION_TEST,
        test_columns=_JSFUSION_COLUMNS,
        train_ids=_DEVELOPMENT,
        train_videos=7010,
        citation=_YU,
    ),
    "1k-B": ListProtocol(
        train_files=("MSRVTT_1kB_train.csv", "MSRVTT_1kB_train.txt"),
        test_files=("MSRVTT_1kB_test.csv", "MSRVTT_1kB_test.txt"),
        test_columns=("video_id",),
        train_ids=(),
        train_videos=6656,
        citation=_MIECH,
    ),
}


@dataclasses.dataclass(frozen=True)
class Selection:
    """What a list protocol takes from the corpus: captions, notes and, where known, the published ids."""

    captions: list[Caption]
    notes: list[str]
    official_ids: Mapping[str, Sequence[str]]


def select(corpus: Corpus, paths: Sequence[pathlib.Path], protocol: ListProtocol) -> Selection:
    """Takes the videos of the lists: one caption per test video where the list gives it, else all of them.

    Raises:
        InputError: a list is missing, broken, too short, names a video twice or without annotation, or both
            lists share a video.
    """
    test_file = find_beside(paths, *protocol.test_files)
    train_file = find_beside(paths, *protocol.train_files)
    test_rows = _read_list(test_file, protocol.test_columns, corpus)
    train_ids = _read_list(train_file, ["video_id"], corpus)
    if shared := [video_id for video_id in train_ids if video_id in test_rows]:
        raise InputError(
            f"{train_file}: videos of {test_file.name} are in training: {first_few(shared)}; remove them"
        )
    if len(train_ids) <= VALIDATION_VIDEOS:
        raise InputError(
            f"{train_file}: {len(train_ids)} videos; expected {protocol.train_videos:,}, {VALIDATION_VIDEOS} of "
            "which are for validation"
        )
    held_out = carve_validation({each: corpus.source_of[each] for each in train_ids}, VALIDATION_VIDEOS)
    split_of = {video_id: VALIDATION if video_id in held_out else TRAIN for video_id in train_ids}
    tests, notes = _test_captions(test_file, test_rows), []
    if not tests:
        split_of |= dict.fromkeys(test_rows, TEST)
        notes.append(
            f"{test_file.name} has no sentences: test videos keep all their captions, the published protocol takes "
            "one of each"
        )
    official_ids: dict[str, list[str]] = {}
    # The published training list is known only where the test list is whole.
    if protocol.train_ids and len(test_rows) == TEST_VIDEOS:
        train = [each for each in protocol.train_ids if each not in test_rows and each not in held_out]
        official_ids = {TRAIN: train, VALIDATION: sorted(held_out), TEST: list(test_rows)}
    return Selection([*corpus.captions(split_of), *tests], notes, official_ids)


def _read_list(path: pathlib.Path, columns: Sequence[str], corpus: Corpus) -> dict[str, dict[str, str]]:
    """Rows of a list by video id; a text file has the video id alone."""
    if path.name.removesuffix(".gz").endswith(".txt"):
        rows = [(number, {"video_id": line}) for number, line in read_lines(path)]
    else:
        rows = list(read_csv(path, columns, [each for each in ("key", "sentence") if each not in columns]))
    found: dict[str, dict[str, str]] = {}
    for number, row in rows:
        video_id = row["video_id"]
        if video_id in found:
            raise InputError(
                f"{path}, line {number}: video {video_id!r} occurs twice; expected one row per video"
            )
        found[video_id] = row
    if not found:
        raise InputError(f"{path}: no video ids; expected one row per video")
    if unknown := [video_id for video_id in found if video_id not in corpus.split_of]:
        raise InputError(
            f"{path}: videos without annotation: {first_few(unknown)}; this protocol needs both "
            "train_val_videodatainfo.json and test_videodatainfo.json"
        )
    return found


def _test_captions(path: pathlib.Path, rows: Mapping[str, Mapping[str, str]]) -> list[Caption]:
    """The one caption of each test video; empty where the list has no sentences at all."""
    without = [video_id for video_id, row in rows.items() if not row.get("sentence")]
    if len(without) == len(rows):
        return []
    if without:
        raise InputError(
            f"{path}: no value for 'sentence' at {first_few(without)}; give every video one or leave out the column"
        )
    return [
        Caption(video_id, row["key"] or f"{video_id}#test", row["sentence"], TEST)
        for video_id, row in rows.items()
    ]


def carve_validation(source_of: Mapping[str, str], count: int) -> set[str]:
    """Chooses ``count`` videos by a hash of the source from which they were cut, the same ones every time.

    All clips of a source go together: a clip whose neighbour is in training is no fair validation. They are
    fewer than ``count`` only where no source is left that is small enough.
    """
    clips: dict[str, list[str]] = {}
    for video_id, source in source_of.items():
        clips.setdefault(source, []).append(video_id)
    chosen: set[str] = set()
    for source in sorted(clips, key=lambda source: hashlib.sha256(source.encode()).hexdigest()):
        if len(chosen) + len(clips[source]) <= count:
            chosen.update(clips[source])
    return chosen
