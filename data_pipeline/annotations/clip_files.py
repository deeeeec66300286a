"""Readers of captions of whole clips: LSMDC, hybrid_space's caption files, and the lists of Collaborative Experts."""

import collections
import pathlib
from collections.abc import Sequence

from data_pipeline.annotations.caption import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Annotations,
    Caption,
    make_annotations,
)
from data_pipeline.annotations.moments import hold_out, split_files
from data_pipeline.annotations.reading import (
    check_given,
    check_protocol,
    field,
    find_beside,
    find_files,
    look_beside,
    read_json,
    read_lines,
)
from data_pipeline.errors import Faults, InputError, first_few, shown

LSMDC_PROTOCOLS = ("official",)
_LSMDC_FILES = {"*annos_training*.csv": TRAIN, "*annos_val*.csv": VALIDATION, "*challenge_1000*.csv": TEST}
_LSMDC_COLUMNS = ("clip id", "start aligned", "end aligned", "start extracted", "end extracted", "sentence")


def read_lsmdc(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads tab-separated lines without a header, plain or gzip; clips are whole videos, their times are not read.

    Raises:
        InputError: a file is missing or broken, has another name, or a line has other columns.
    """
    check_protocol("lsmdc", protocol, LSMDC_PROTOCOLS)
    faults = Faults()
    captions: list[Caption] = []
    counts: collections.Counter[str] = collections.Counter()
    for path, split in split_files(paths, _LSMDC_FILES):
        for number, line in read_lines(path):
            with faults.gathered():
                columns = [column.strip() for column in line.split("\t")]
                if len(columns) != len(_LSMDC_COLUMNS) or not columns[0]:
                    raise InputError(
                        f"{path}, line {number}: expected {len(_LSMDC_COLUMNS)} columns between tabs "
                        f"({', '.join(_LSMDC_COLUMNS)}), found {len(columns)} in {shown(line)}; use the official file"
                    )
                clip = columns[0]
                captions.append(Caption(clip, f"{clip}#{counts[clip]}", columns[-1], split))
                counts[clip] += 1
    faults.check()
    return make_annotations(
        captions,
        name="lsmdc",
        protocol=protocol,
        licence="Owner's terms (LSMDC, Max Planck Institute for Informatics), research use.",
        citation=(
            "Rohrbach, Torabi, Rohrbach, Tandon, Pal, Larochelle, Courville and Schiele: Movie Description. "
            "IJCV 2017."
        ),
        homepage="https://sites.google.com/site/describingmovies/",
    )


HYBRID_SPACE_PROTOCOLS = ("custom", "msrvtt10k", "vatex")
"""The last two are collections whose published sizes are known; all are read alike."""
_CAPTION_FILES = {f"*{split}.caption.txt": split for split in SPLITS}


def read_hybrid_space(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads lines ``VIDEO#enc#N TEXT`` or ``VIDEO#N TEXT`` of ``*train.caption.txt`` and so on, plain or gzip.

    Args:
        paths: the files, or the folder that holds them, or has a folder ``TextData`` that holds them.
        protocol: one of `HYBRID_SPACE_PROTOCOLS`.

    Raises:
        InputError: a file is missing or broken, has another name, or a line has no caption id.
    """
    check_protocol("hybrid_space", protocol, HYBRID_SPACE_PROTOCOLS)
    folders = [path / "TextData" if (path / "TextData").is_dir() else path for path in paths]
    faults = Faults()
    captions: list[Caption] = []
    for path, split in split_files(folders, _CAPTION_FILES):
        for number, line in read_lines(path):
            with faults.gathered():
                caption_id, *texts = line.split(maxsplit=1)
                video_id, mark, _ = caption_id.partition("#")
                if not mark or not video_id:
                    raise InputError(
                        f"{path}, line {number}: expected VIDEO#enc#N, a space and a caption, found {shown(line)}; "
                        "correct it"
                    )
                captions.append(Caption(video_id, caption_id, texts[0] if texts else "", split))
    faults.check()
    return make_annotations(
        captions,
        name="hybrid_space",
        protocol=protocol,
        licence="As stated by the owner of the videos and captions.",
        citation=(
            "As asked for by the owner of the data. Form: Dong, Li, Xu, Yang, Yang, Wang and Wang: Dual Encoding for "
            "Video Retrieval by Text. TPAMI 2021."
        ),
        homepage="https://github.com/danieljf24/hybrid_space",
    )


_EXPERT_LISTS = {
    "lists": ("train_list.txt", "val_list.txt", "test_list.txt"),
    "full": ("train_list_full.txt", "val_list_full.txt", "test_list_full.txt"),
    "jsfusion": ("train_list_jsfusion.txt", "val_list_jsfusion.txt"),
    "miech": ("train_list_miech.txt", "test_list_miech.txt"),
    "val_1": ("train_list.txt", "val_1_list.txt"),
    "val_2": ("train_list.txt", "val_2_list.txt"),
}
"""Names of the lists of each protocol; where there is one beside that for training, it is the test split."""
COLLABORATIVE_EXPERTS_PROTOCOLS = tuple(_EXPERT_LISTS)
_ONE_CAPTION = {"jsfusion": "1k-A", "miech": "1k-B"}
"""Protocols of MSR-VTT that publish one caption of each test video, by the source `msrvtt`'s name."""
_RAW_CAPTIONS = "raw-captions*.json"


def read_collaborative_experts(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads ``raw-captions*.json``, plain or gzip, and the lists of video ids in the same folder.

    The captions are ``{video id: [caption, ...]}``, a caption being a text or a list of words. The project itself
    stores them as a pickle, which can run any program and is not opened; a message says how to convert it.

    Raises:
        InputError: a file is missing, broken or not of that form, or a video is on two lists.
    """
    check_protocol("collaborative_experts", protocol, COLLABORATIVE_EXPERTS_PROTOCOLS)
    check_given(paths)
    for path in paths:
        _refuse_pickle(path)
    # The lists may be given, too; they are found by their names.
    captions = [path for path in paths if not path.name.removesuffix(".gz").endswith(".txt")]
    texts_of = _raw_captions(find_files(captions, [_RAW_CAPTIONS]))
    split_of = _read_expert_lists(paths, protocol, texts_of)
    split_of, notes = hold_out(split_of)
    if protocol in _ONE_CAPTION:
        notes.append(
            "test videos keep all their captions, the published protocol takes one of each: use --dataset=msrvtt "
            f"--protocol={_ONE_CAPTION[protocol]} for comparable results"
        )
    unlisted = [video_id for video_id in texts_of if video_id not in split_of]
    if unlisted:
        notes.append(f"{len(unlisted)} videos are on no list and were left out: {first_few(unlisted)}")
    return make_annotations(
        (
            Caption(video_id, f"{video_id}#{number}", text, split_of[video_id])
            for video_id, texts in texts_of.items()
            if video_id in split_of
            for number, text in enumerate(texts)
        ),
        name="collaborative_experts",
        protocol=protocol,
        licence="As stated by the owner of the videos and captions.",
        citation=(
            "As asked for by the owner of the data. Lists: Liu, Albanie, Nagrani and Zisserman: Use What You Have: "
            "Video Retrieval Using Representations From Collaborative Experts. BMVC 2019."
        ),
        homepage="https://github.com/albanie/collaborative-experts",
        notes=notes,
        official_ids={split: [each for each, its in split_of.items() if its == split] for split in SPLITS},
    )


def _refuse_pickle(path: pathlib.Path) -> None:
    pickles = [path] if path.suffix == ".pkl" else sorted(path.glob("raw-captions*.pkl"))
    if pickles and not any([*path.glob(_RAW_CAPTIONS), *path.glob(f"{_RAW_CAPTIONS}.gz")]):
        converted = pickles[0].with_suffix(".json")
        raise InputError(
            f"{pickles[0]}: a pickle can run any program and is not opened; if you trust it, convert it: python -c "
            f"\"import json, pickle; json.dump(pickle.load(open('{pickles[0]}', 'rb')), open('{converted}', 'w'))\""
        )


def _raw_captions(files: Sequence[pathlib.Path]) -> dict[str, list[str]]:
    """Captions by video; a video may be in two files if they say the same of it."""
    faults = Faults()
    texts_of: dict[str, list[str]] = {}
    for path in files:
        content = read_json(path)
        if not isinstance(content, dict):
            raise InputError(
                f"{path}: expected an object {{video id: [caption, ...]}}, found {type(content).__name__}; convert it"
            )
        for video_id in content:
            where = f"{path}, {shown(video_id)}"
            with faults.gathered():
                captions = field(content, video_id, list, str(path))
                texts = [
                    _text(caption, f"{where}, caption {number}") for number, caption in enumerate(captions)
                ]
                if texts_of.setdefault(video_id, texts) != texts:
                    raise InputError(
                        f"{where}: another file has other captions of this video; give one of them"
                    )
    faults.check()
    return texts_of


def _text(caption: object, where: str) -> str:
    words = caption if isinstance(caption, list) else [caption]
    texts = [word for word in words if isinstance(word, str)]
    if len(texts) != len(words):
        raise InputError(f"{where}: expected a text or a list of words, found {shown(caption)}; correct it")
    return " ".join(texts)


def _read_expert_lists(
    paths: Sequence[pathlib.Path], protocol: str, texts_of: dict[str, list[str]]
) -> dict[str, str]:
    """Split of each video."""
    names = _EXPERT_LISTS[protocol]
    find_beside(paths, names[0])
    found = [path for name in names if (path := look_beside(paths, name)) is not None]
    if len(found) < 2:
        find_beside(paths, *names[1:])
    splits = SPLITS if len(found) == len(SPLITS) else (TRAIN, TEST)
    faults = Faults()
    split_of: dict[str, str] = {}
    for path, split in zip(found, splits, strict=True):
        for number, listed in read_lines(path):
            # The lists of some collections name the videos' files.
            stem = listed.partition(".")[0]
            video_id = stem if listed not in texts_of and stem in texts_of else listed
            with faults.gathered():
                if split_of.setdefault(video_id, split) != split:
                    raise InputError(
                        f"{path}, line {number}: video {shown(video_id)} is also in split {split_of[video_id]!r}; "
                        "remove it from one list"
                    )
    faults.check()
    return split_of
