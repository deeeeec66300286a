"""MSVD: 1,970 clips with about 40 captions each, as ``train.txt``, ``val.txt`` and ``test.txt``.

A line is a clip id, a space and a caption.
"""

import pathlib
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.caption import SPLITS, Annotations, Caption, make_annotations
from data_pipeline.annotations.locating import find_files
from data_pipeline.annotations.reading import check_protocol, read_lines
from mcsan_jax.errors import InputError

PROTOCOLS = ("official",)
LICENCE = "Owner's terms (Microsoft Research Video Description Corpus), research use."
CITATION = "Chen and Dolan: Collecting Highly Parallel Data for Paraphrase Evaluation. ACL 2011."


def read(paths: Sequence[pathlib.Path], protocol: str) -> Annotations:
    """Reads the three files, plain or gzip, given one by one or as the folder that holds them.

    Raises:
        InputError: a file is missing or broken, has another name, or a line has no caption.
    """
    check_protocol("msvd", protocol, PROTOCOLS)
    files = find_files(paths, [f"{split}.txt" for split in SPLITS])
    return make_annotations(
        (caption for path in files for caption in _read_file(path)),
        name="msvd",
        protocol=protocol,
        licence=LICENCE,
        citation=CITATION,
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
