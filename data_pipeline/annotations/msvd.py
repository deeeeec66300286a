"""MSVD: 1,970 clips with about 40 captions each, as ``train.txt``, ``val.txt`` and ``test.txt``.

A line is a clip id, a space and a caption. Clips vid1 to vid1200 are for training, to vid1300 for validation,
to vid1970 for test; ``youtube_mapping.txt`` in the same folder (a clip id, a space and its ``vid`` number a
line) tells which clips these are, where the captions do not name them so.
"""

import pathlib
import re
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.caption import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Annotations,
    Caption,
    make_annotations,
)
from data_pipeline.annotations.reading import check_protocol, find_files, look_beside, read_lines
from data_pipeline.errors import InputError, first_few

PROTOCOLS = ("official",)
HOMEPAGE = "https://www.cs.utexas.edu/~ml/clamp/videoDescription/"
LICENCE = "Owner's terms (Microsoft Research Video Description Corpus), research use."
CITATION = "Chen and Dolan: Collecting Highly Parallel Data for Paraphrase Evaluation. ACL 2011."
OFFICIAL_NUMBERS = {TRAIN: range(1, 1201), VALIDATION: range(1201, 1301), TEST: range(1301, 1971)}

_MAPPING = "youtube_mapping.txt"


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the three files, plain or gzip, given one by one or as the folder that holds them.

    Raises:
        InputError: a file is missing or broken, has another name, or a line has no caption.
    """
    check_protocol("msvd", protocol, PROTOCOLS)
    files = find_files(paths, [f"{split}.txt" for split in SPLITS])
    captions = [caption for path in files for caption in _read_file(path)]
    return make_annotations(
        captions,
        name="msvd",
        protocol=protocol,
        licence=LICENCE,
        citation=CITATION,
        homepage=HOMEPAGE,
        official_ids=_official_ids(captions, look_beside(paths, _MAPPING)),
    )


def _read_file(path: pathlib.Path) -> Iterator[Caption]:
    split = path.name.removesuffix(".gz").removesuffix(".txt")
    if split not in SPLITS:
        raise InputError(
            f"{path}: the name tells the split; expected {', '.join(f'{each}.txt' for each in SPLITS)}"
        )
    counts: dict[str, int] = {}
    for number, line in read_lines(path):
        video_id, *texts = line.split(maxsplit=1)
        if not texts:
            raise InputError(
                f"{path}, line {number}: expected a clip id, a space and a caption, found {line!r}"
            )
        index = counts.get(video_id, 0)
        counts[video_id] = index + 1
        yield Caption(video_id, f"{video_id}#{index}", texts[0], split)


def _official_ids(captions: Sequence[Caption], mapping: pathlib.Path | None) -> dict[str, list[str]]:
    """Clips of each split as the captions name them; empty where that is not known."""
    names = {f"vid{number}": f"vid{number}" for numbers in OFFICIAL_NUMBERS.values() for number in numbers}
    if not all(re.fullmatch(r"vid\d+", caption.video_id) for caption in captions):
        if mapping is None:
            return {}
        names = _read_mapping(mapping, names)
    return {
        split: [names[f"vid{number}"] for number in numbers] for split, numbers in OFFICIAL_NUMBERS.items()
    }


def _read_mapping(path: pathlib.Path, numbers: dict[str, str]) -> dict[str, str]:
    names = {}
    for number, line in read_lines(path):
        words = line.split()
        if len(words) != 2:
            raise InputError(
                f"{path}, line {number}: expected a clip id, a space and its number such as vid7, found {line!r}"
            )
        names[words[1]] = words[0]
    if missing := [each for each in numbers if each not in names]:
        raise InputError(
            f"{path}: no clip is numbered {first_few(missing)}; use the official file, or remove it to do without "
            "a check of the split"
        )
    return names
