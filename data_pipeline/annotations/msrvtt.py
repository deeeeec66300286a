"""MSR-VTT: 10,000 clips with 20 captions each, official split or JSFusion's 1k-A.

The official files are ``*_videodatainfo.json``; protocol ``1k-A`` also needs ``MSRVTT_JSFUSION_test.csv``
(key, vid_key, video_id, sentence) and ``MSRVTT_train.9k.csv`` (video_id) in the same folder.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Annotations, Caption, make_annotations
from data_pipeline.annotations.locating import find_beside, find_files
from data_pipeline.annotations.reading import check_protocol, field, first_few, read_csv, read_json
from mcsan_jax.errors import InputError

FULL = "full"
JSFUSION = "1k-A"
PROTOCOLS = (FULL, JSFUSION)
VALIDATION_VIDEOS = 300
LICENCE = "Owner's terms (Microsoft), research use; the videos belong to their uploaders."
CITATION = (
    "Xu, Mei, Yao and Rui: MSR-VTT: A Large Video Description Dataset for Bridging Video and Language. "
    "CVPR 2016."
)
JSFUSION_CITATION = (
    "Split: Yu, Kim and Kim: A Joint Sequence Fusion Model for Video Question Answering and Retrieval. "
    "ECCV 2018."
)

_SPLIT_NAMES = {"train": TRAIN, "validate": VALIDATION, "test": TEST}


@dataclasses.dataclass
class _Corpus:
    """Contents of the JSON files: official split and source (a web address) per video, all sentences."""

    split_of: dict[str, str] = dataclasses.field(default_factory=dict)
    source_of: dict[str, str] = dataclasses.field(default_factory=dict)
    sentences: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the official files, plain or gzip, given one by one or as the folder that holds them.

    Protocol `FULL` follows the official split. Protocol `JSFUSION` tests on 1,000 videos with one caption
    each; `VALIDATION_VIDEOS` of the 9,000 training videos become the validation set, which the published
    protocol lacks.

    Raises:
        InputError: a file is missing, broken or not of the official form.
    """
    check_protocol("msrvtt", protocol, PROTOCOLS)
    corpus = _read_corpus(find_files(paths, ["*videodatainfo.json"]))
    official = protocol == FULL
    silent = corpus.split_of.keys() - {video_id for video_id, _, _ in corpus.sentences}
    return make_annotations(
        _captions(corpus, corpus.split_of) if official else _jsfusion_captions(corpus, paths),
        name="msrvtt",
        protocol=protocol,
        licence=LICENCE,
        citation=CITATION if official else f"{CITATION} {JSFUSION_CITATION}",
        notes=[f"{len(silent)} videos have no caption: {first_few(sorted(silent))}"] if silent else [],
    )


def _read_corpus(files: Sequence[pathlib.Path]) -> _Corpus:
    corpus = _Corpus()
    for path in files:
        content = read_json(path)
        for number, video in enumerate(field(content, "videos", list, str(path))):
            where = f"{path}, videos[{number}]"
            video_id = field(video, "video_id", str, where)
            split = field(video, "split", str, where)
            if split not in _SPLIT_NAMES:
                raise InputError(f"{where}: split must be one of {', '.join(_SPLIT_NAMES)}, found {split!r}")
            if video_id in corpus.split_of:
                raise InputError(f"{where}: video {video_id!r} occurs twice; give each annotation file once")
            corpus.split_of[video_id] = _SPLIT_NAMES[split]
            corpus.source_of[video_id] = field(video, "url", str, where)
        for number, sentence in enumerate(field(content, "sentences", list, str(path))):
            where = f"{path}, sentences[{number}]"
            video_id = field(sentence, "video_id", str, where)
            if video_id not in corpus.split_of:
                raise InputError(f"{where}: video {video_id!r} is not in 'videos'; use the official file")
            sentence_id = str(field(sentence, "sen_id", (int, str), where))
            corpus.sentences.append((video_id, sentence_id, field(sentence, "caption", str, where)))
    return corpus


def _captions(corpus: _Corpus, split_of: Mapping[str, str]) -> Iterator[Caption]:
    for video_id, sentence_id, text in corpus.sentences:
        if video_id in split_of:
            yield Caption(video_id, sentence_id, text, split_of[video_id])


def _jsfusion_captions(corpus: _Corpus, paths: Sequence[pathlib.Path]) -> list[Caption]:
    test_file = find_beside(paths, "MSRVTT_JSFUSION_test.csv")
    train_file = find_beside(paths, "MSRVTT_train.9k.csv")
    tests = [
        Caption(row["video_id"], row["key"], row["sentence"], TEST)
        for row in read_csv(test_file, ["key", "video_id", "sentence"])
    ]
    test_ids = {caption.video_id for caption in tests}
    if len(test_ids) != len(tests):
        raise InputError(
            f"{test_file}: {len(tests)} rows for {len(test_ids)} videos; expected one row per video"
        )
    train_ids = dict.fromkeys(row["video_id"] for row in read_csv(train_file, ["video_id"]))
    if shared := [video_id for video_id in train_ids if video_id in test_ids]:
        raise InputError(
            f"{train_file}: videos of {test_file.name} are in training: {first_few(shared)}; remove them"
        )
    if unknown := [video_id for video_id in train_ids if video_id not in corpus.split_of]:
        raise InputError(
            f"{train_file}: videos without annotation: {first_few(unknown)}; this protocol needs both "
            "train_val_videodatainfo.json and test_videodatainfo.json"
        )
    if len(train_ids) <= VALIDATION_VIDEOS:
        raise InputError(
            f"{train_file}: {len(train_ids)} videos; expected 9,000, {VALIDATION_VIDEOS} of which are for validation"
        )
    held_out = carve_validation({each: corpus.source_of[each] for each in train_ids}, VALIDATION_VIDEOS)
    split_of = {video_id: VALIDATION if video_id in held_out else TRAIN for video_id in train_ids}
    return [*_captions(corpus, split_of), *tests]


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
