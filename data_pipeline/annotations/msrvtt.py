"""MSR-VTT: 10,000 clips with 20 captions each, under its official split or one with 1,000 test videos.

The folder holds the official files ``*_videodatainfo.json`` and, but for protocol ``full``, two lists:

========  =======================================  ================================================
protocol  training list                            test list
========  =======================================  ================================================
full      (none: the official split)               (none)
1k-A      MSRVTT_train.9k.csv: video_id            MSRVTT_JSFUSION_test.csv: key, video_id, sentence
1k-A-7k   MSRVTT_train.7k.csv: video_id            the same
1k-B      MSRVTT_1kB_train.csv or .txt             MSRVTT_1kB_test.csv or .txt
========  =======================================  ================================================

The lists of 1k-B are the user's: a ``.csv`` has a header with ``video_id``, a ``.txt`` one id a line. If its
test list has a column ``sentence``, that is the one caption of each test video, named by a column ``key`` if
there is one; if not, test videos keep all their captions and a note says so.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Annotations, Caption, make_annotations
from data_pipeline.annotations.reading import (
    check_protocol,
    field,
    find_beside,
    find_files,
    read_json,
    read_lines,
)
from data_pipeline.annotations.text_tables import read_table_rows
from data_pipeline.errors import InputError, first_few

OFFICIAL_IDS = {
    TRAIN: tuple(f"video{number}" for number in range(6513)),
    VALIDATION: tuple(f"video{number}" for number in range(6513, 7010)),
    TEST: tuple(f"video{number}" for number in range(7010, 10_000)),
}
"""Videos of the official split."""

_SPLIT_NAMES = {"train": TRAIN, "validate": VALIDATION, "test": TEST}


@dataclasses.dataclass
class Corpus:
    """All videos and sentences of the files.

    Attributes:
        split_of: official split of each video.
        source_of: web address of the longer video from which each video was cut.
        sentences: video id, sentence id and text of each sentence.
    """

    split_of: dict[str, str] = dataclasses.field(default_factory=dict)
    source_of: dict[str, str] = dataclasses.field(default_factory=dict)
    sentences: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def captions(self, split_of: Mapping[str, str]) -> Iterator[Caption]:
        """All captions of the videos that have a split."""
        for video_id, sentence_id, text in self.sentences:
            if video_id in split_of:
                yield Caption(video_id, sentence_id, text, split_of[video_id])


def read_corpus(files: Sequence[pathlib.Path]) -> Corpus:
    """Reads the official files, plain or gzip.

    Raises:
        InputError: a file is missing, broken or not of the official form.
    """
    corpus = Corpus()
    for path in files:
        content = read_json(path)
        for number, video in enumerate(field(content, "videos", list, str(path))):
            _add_video(corpus, video, f"{path}, videos[{number}]")
        for number, sentence in enumerate(field(content, "sentences", list, str(path))):
            where = f"{path}, sentences[{number}]"
            video_id = field(sentence, "video_id", str, where)
            if video_id not in corpus.split_of:
                raise InputError(f"{where}: video {video_id!r} is not in 'videos'; use the official file")
            sentence_id = str(field(sentence, "sen_id", (int, str), where))
            corpus.sentences.append((video_id, sentence_id, field(sentence, "caption", str, where)))
    return corpus


def _add_video(corpus: Corpus, video: object, where: str) -> None:
    video_id = field(video, "video_id", str, where)
    split = field(video, "split", str, where)
    if split not in _SPLIT_NAMES:
        raise InputError(f"{where}: split must be one of {', '.join(_SPLIT_NAMES)}, found {split!r}")
    if video_id in corpus.split_of:
        raise InputError(f"{where}: video {video_id!r} occurs twice; give each annotation file once")
    corpus.split_of[video_id] = _SPLIT_NAMES[split]
    corpus.source_of[video_id] = field(video, "url", str, where)


VALIDATION_VIDEOS = 300
TEST_VIDEOS = 1000

_YU = "Split: Yu, Kim and Kim: A Joint Sequence Fusion Model for Video Question Answering and Retrieval. ECCV 2018."
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
        rows = read_table_rows(path, columns, [each for each in ("key", "sentence") if each not in columns])
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


FULL = "full"
PROTOCOLS = (FULL, *LIST_PROTOCOLS)
HOMEPAGE = (
    "https://www.microsoft.com/en-us/research/publication/"
    "msr-vtt-a-large-video-description-dataset-for-bridging-video-and-language/"
)
LICENCE = "Owner's terms (Microsoft), research use; the videos belong to their uploaders."
CITATION = "Xu, Mei, Yao, Rui: MSR-VTT: A Large Video Description Dataset for Bridging Video and Language. CVPR 2016."


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the official files, plain or gzip, given one by one or as the folder that holds them.

    Protocol `FULL` follows the official split, the others follow lists of ids (`LIST_PROTOCOLS`).

    Raises:
        InputError: a file is missing, broken or not of the form above.
    """
    check_protocol("msrvtt", protocol, PROTOCOLS)
    corpus = read_corpus(find_files(paths, ["*videodatainfo.json"]))
    if protocol == FULL:
        selection, citation = Selection(list(corpus.captions(corpus.split_of)), [], OFFICIAL_IDS), CITATION
    else:
        selection = select(corpus, paths, LIST_PROTOCOLS[protocol])
        citation = f"{CITATION} {LIST_PROTOCOLS[protocol].citation}"
    silent = corpus.split_of.keys() - {video_id for video_id, _, _ in corpus.sentences}
    notes = [f"{len(silent)} videos have no caption: {first_few(sorted(silent))}"] if silent else []
    return make_annotations(
        selection.captions,
        name="msrvtt",
        protocol=protocol,
        licence=LICENCE,
        citation=citation,
        homepage=HOMEPAGE,
        notes=[*notes, *selection.notes],
        official_ids=selection.official_ids,
    )
