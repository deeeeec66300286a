"""Readers of data sets of moments: ActivityNet Captions, YouCook2, DiDeMo and Charades-STA.

Their protocols say the level (`data_pipeline.annotations.moments`). Where the literature reports results on what it
calls validation, that is the test split here, and a validation split is taken from training.
"""

import collections
import pathlib
import re
from collections.abc import Sequence

from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION, Annotations
from data_pipeline.annotations.moments import (
    LEVELS,
    PARAGRAPH,
    SENTENCE,
    Collection,
    Moment,
    MomentReader,
    pair_of_seconds,
    split_files,
)
from data_pipeline.annotations.reading import (
    check_protocol,
    field,
    find_files,
    read_json,
    read_json_list,
    read_lines,
    texts_field,
)
from data_pipeline.errors import InputError, shown

ACTIVITYNET = Collection(
    name="activitynet",
    licence="Owner's terms (ActivityNet Captions), research use; the videos belong to their uploaders.",
    citation="Krishna, Hata, Ren, Fei-Fei and Niebles: Dense-Captioning Events in Videos. ICCV 2017.",
    homepage="https://cs.stanford.edu/people/ranjaykrishna/densevid/",
)
_OWN = {"train.json": TRAIN, "val.json": VALIDATION, "test.json": TEST}
_ACTIVITYNET_FILES = {
    PARAGRAPH: {"train.json": TRAIN, "val_1.json": TEST},
    SENTENCE: {"train.json": TRAIN, "val_1.json": TEST},
    "paragraph-val_2": {"train.json": TRAIN, "val_2.json": TEST},
    "sentence-val_2": {"train.json": TRAIN, "val_2.json": TEST},
    "paragraph-custom": _OWN,
    "sentence-custom": _OWN,
}
ACTIVITYNET_PROTOCOLS = tuple(_ACTIVITYNET_FILES)
"""``val_1`` and ``val_2`` are two descriptions of the same videos, so that a protocol takes one of them; ``custom`` are
other collections in the same form."""


def read_activitynet(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads files of ``{video id: {"timestamps": [[start, end], ...], "sentences": [text, ...]}}``, plain or gzip.

    Raises:
        InputError: a file is missing, broken or not of that form, or a video is in two of them.
    """
    check_protocol("activitynet", protocol, ACTIVITYNET_PROTOCOLS)
    reader = MomentReader(protocol.partition("-")[0])
    seen: dict[str, pathlib.Path] = {}
    for path, split in split_files(paths, _ACTIVITYNET_FILES[protocol]):
        for video_id, record in _object(read_json(path), path, "{video id: {timestamps, sentences}}").items():
            with reader.faults.gathered():
                if seen.setdefault(video_id, path) != path:
                    raise InputError(
                        f"{path}, {shown(video_id)}: the video is also in {seen[video_id]}; remove it from one"
                    )
                _add_activitynet(reader, video_id, split, record, f"{path}, {shown(video_id)}")
    return reader.annotations(ACTIVITYNET, protocol)


def _add_activitynet(reader: MomentReader, video_id: str, split: str, record: object, where: str) -> None:
    reader.note_unread(record, ("timestamps", "sentences", "duration"))
    texts = texts_field(record, "sentences", where)
    times = [(0.0, 0.0)] * len(texts)
    if reader.needs_times:
        pairs = field(record, "timestamps", list, where)
        if len(pairs) != len(texts):
            raise InputError(
                f"{where}: {len(texts)} sentences and {len(pairs)} timestamps; expected one [start, end] a sentence"
            )
        times = [pair_of_seconds(pair, f"{where}, timestamps[{n}]") for n, pair in enumerate(pairs)]
    if not texts:
        reader.note_silent(video_id)
    for text, (start, end) in zip(texts, times, strict=True):
        reader.add(Moment(video_id, split, text, start, end), where)


def _object(content: object, path: pathlib.Path, form: str) -> dict[str, object]:
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected an object {form}, found {type(content).__name__}; use the official file"
        )
    return content


YOUCOOK2 = Collection(
    name="youcook2",
    licence="Owner's terms (YouCook2), research use; the videos belong to their uploaders.",
    citation="Zhou, Xu and Corso: Towards Automatic Learning of Procedures from Web Instructional Videos. AAAI 2018.",
    homepage="https://youcook2.eecs.umich.edu/",
)
_SUBSETS = {"training": TRAIN, "validation": VALIDATION, "testing": TEST}


def read_youcook2(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads a file of ``{"database": {video id: {"subset": ..., "annotations": [{"segment", "sentence"}, ...]}}}``.

    The sentences of the testing videos are not published: where there are none, the validation videos are the test
    split.

    Raises:
        InputError: a file is missing, broken or not of that form, or a video is in two of them.
    """
    check_protocol("youcook2", protocol, LEVELS)
    reader = MomentReader(protocol)
    found: list[tuple[str, str, object, str]] = []
    seen: set[str] = set()
    for path in find_files(paths, ["*trainval*.json"]):
        database = field(read_json(path), "database", dict, str(path))
        for video_id, record in database.items():
            where = f"{path}, {shown(video_id)}"
            with reader.faults.gathered():
                if video_id in seen:
                    raise InputError(f"{where}: the video occurs twice; give each annotation file once")
                seen.add(video_id)
                subset = field(record, "subset", str, where)
                if subset not in _SUBSETS:
                    raise InputError(
                        f"{where}: 'subset' must be one of {', '.join(_SUBSETS)}, found {shown(subset)}"
                    )
                found.append((video_id, _SUBSETS[subset], record, where))
    is_tested = any(split == TEST and _has_sentences(record) for _, split, record, _ in found)
    notes = [] if is_tested else ["no testing video has sentences: the validation videos are the test split"]
    for video_id, split, record, where in found:
        if is_tested or split != TEST:
            its_split = TEST if split == VALIDATION and not is_tested else split
            with reader.faults.gathered():
                _add_youcook2(reader, video_id, its_split, record, where)
    return reader.annotations(YOUCOOK2, protocol, notes)


def _has_sentences(record: object) -> bool:
    steps = record.get("annotations") if isinstance(record, dict) else None
    return isinstance(steps, list) and any(isinstance(step, dict) and "sentence" in step for step in steps)


def _add_youcook2(reader: MomentReader, video_id: str, split: str, record: object, where: str) -> None:
    reader.note_unread(record, ("subset", "annotations", "duration", "recipe_type", "video_url"))
    steps = field(record, "annotations", list, where)
    if not steps:
        reader.note_silent(video_id)
    for number, step in enumerate(steps):
        place = f"{where}, annotations[{number}]"
        with reader.faults.gathered():
            reader.note_unread(step, ("segment", "sentence", "id"))
            text = field(step, "sentence", str, place)
            times = (
                pair_of_seconds(field(step, "segment", list, place), place) if reader.needs_times else (0, 0)
            )
            reader.add(Moment(video_id, split, text, *times), place)


DIDEMO = Collection(
    name="didemo",
    licence="Annotations under the BSD 2-Clause licence; the videos belong to their uploaders.",
    citation=(
        "Hendricks, Wang, Shechtman, Sivic, Darrell and Russell: Localizing Moments in Video with Natural Language. "
        "ICCV 2017."
    ),
    homepage="https://github.com/LisaAnne/LocalizingMoments",
)
CHUNK_SECONDS = 5
_DIDEMO_FILES = {"train_data.json": TRAIN, "val_data.json": VALIDATION, "test_data.json": TEST}
_DIDEMO_UNREAD = ("annotation_id", "dl_link", "download_link", "num_segments")


def read_didemo(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads lists of ``{"video": ..., "description": ..., "times": [[first, last], ...]}``, plain or gzip.

    Times count chunks of `CHUNK_SECONDS`, one pair an annotator; of several pairs the most frequent holds, the first of
    equals.

    Raises:
        InputError: a file is missing, broken or not of that form.
    """
    check_protocol("didemo", protocol, LEVELS)
    reader = MomentReader(protocol)
    for path, split in split_files(paths, _DIDEMO_FILES):
        for number, record in enumerate(read_json_list(path, "moments")):
            where = f"{path}, record {number}"
            with reader.faults.gathered():
                reader.note_unread(record, ("video", "description", "times", *_DIDEMO_UNREAD))
                video_id = field(record, "video", str, where)
                text = field(record, "description", str, where)
                times = (
                    _agreed_chunks(field(record, "times", list, where), where)
                    if reader.needs_times
                    else (0, 0)
                )
                reader.add(Moment(video_id, split, text, *times), where)
    return reader.annotations(DIDEMO, protocol)


def _agreed_chunks(times: list[object], where: str) -> tuple[float, float]:
    """Start and end in seconds of the pair of chunks that most annotators gave."""
    pairs = [tuple(pair) for pair in times if isinstance(pair, list) and len(pair) == 2]
    is_whole = all(type(chunk) is int and chunk >= 0 for pair in pairs for chunk in pair)
    if not pairs or len(pairs) != len(times) or not is_whole:
        raise InputError(
            f"{where}: 'times' must be pairs [first, last] of chunks of {CHUNK_SECONDS} s counted from 0, found "
            f"{shown(times)}; use the official file or correct it"
        )
    [((first, last), _)] = collections.Counter(pairs).most_common(1)
    return float(first * CHUNK_SECONDS), float((last + 1) * CHUNK_SECONDS)


CHARADES_STA = Collection(
    name="charades_sta",
    licence="Owner's terms (Charades, Allen Institute for AI), non-commercial research use.",
    citation="Gao, Sun, Yang and Nevatia: TALL: Temporal Activity Localization via Language Query. ICCV 2017.",
    homepage="https://github.com/jiyanggao/TALL",
)
CHARADES_STA_PROTOCOLS = (SENTENCE, PARAGRAPH)
_CHARADES_STA_FILES = {f"charades_sta_{split}.txt": split for split in (TRAIN, VALIDATION, TEST)}
_LINE = re.compile(r"(?P<video_id>\S+)\s+(?P<start>\S+)\s+(?P<end>[^\s#]+)\s*##(?P<text>.*)")


def read_charades_sta(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads lines ``ID START END##SENTENCE`` (seconds), plain or gzip.

    Raises:
        InputError: a file is missing, broken or has another line.
    """
    check_protocol("charades_sta", protocol, CHARADES_STA_PROTOCOLS)
    reader = MomentReader(protocol)
    for path, split in split_files(paths, _CHARADES_STA_FILES):
        for number, line in read_lines(path):
            where = f"{path}, line {number}"
            with reader.faults.gathered():
                parts = _LINE.fullmatch(line)
                if parts is None:
                    raise InputError(
                        f"{where}: expected ID START END##SENTENCE, found {shown(line)}; correct it"
                    )
                times = pair_of_seconds([_number(parts["start"]), _number(parts["end"])], where)
                reader.add(Moment(parts["video_id"], split, parts["text"], *times), where)
    return reader.annotations(CHARADES_STA, protocol)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
