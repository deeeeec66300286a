"""Captions without a split get one that is drawn by video, always the same."""

import json
import pathlib
from collections import Counter
from collections.abc import Sequence

import pytest

from data_pipeline.annotations.sources import read_annotations
from data_pipeline.errors import InputError

ROWS = [{"video_id": f"v{n // 2}", "caption": f"a dog {n}"} for n in range(60)]


def write(folder: pathlib.Path, source: str, rows: Sequence[dict]) -> pathlib.Path:
    path = folder / f"own.{source}"
    if source == "csv":
        columns = list(dict.fromkeys(key for row in rows for key in row))
        lines = [",".join(str(row.get(key, "")) for key in columns) for row in rows]
        path.write_text("\n".join([",".join(columns), *lines]) + "\n")
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return path


def split_of(source: str, path: pathlib.Path) -> dict[str, str]:
    return {one.video_id: one.split for one in read_annotations(source, [path]).captions}


@pytest.mark.parametrize("source", ["csv", "jsonl"])
def test_a_tenth_of_the_videos_is_drawn_for_each(tmp_path: pathlib.Path, source: str) -> None:
    drawn = split_of(source, write(tmp_path, source, ROWS))
    assert Counter(drawn.values()) == {"train": 24, "val": 3, "test": 3}
    assert split_of(source, write(tmp_path, source, ROWS[::-1])) == drawn
    [note] = read_annotations(source, [write(tmp_path, source, ROWS)]).notes
    assert note.startswith(
        "no caption names its split: of 30 videos, 3 were drawn for validation and 3 for the test"
    )


def test_parts_of_one_video_have_one_split(tmp_path: pathlib.Path) -> None:
    rows = [
        {"video_id": f"v{n}", "caption": f"a dog {n}", "start": start, "end": start + 1}
        for n in range(20)
        for start in range(3)
    ]
    drawn = split_of("jsonl", write(tmp_path, "jsonl", rows))
    assert len(drawn) == 60 and set(drawn.values()) == {"train", "val", "test"}
    assert len({(part.partition("@")[0], split) for part, split in drawn.items()}) == 20


@pytest.mark.parametrize(("videos", "splits"), [(1, {"train": 1}), (3, {"train": 1, "val": 1, "test": 1})])
def test_few_videos(tmp_path: pathlib.Path, videos: int, splits: dict[str, int]) -> None:
    drawn = split_of("csv", write(tmp_path, "csv", ROWS[: 2 * videos]))
    assert Counter(drawn.values()) == splits


@pytest.mark.parametrize("source", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "rows",
    [
        [*ROWS, {"video_id": "x", "caption": "a cat", "split": "train"}],
        [{**row, "Split": "train"} for row in ROWS],
    ],
    ids=["some have one", "another name"],
)
def test_a_split_that_is_there_is_not_drawn(
    tmp_path: pathlib.Path, source: str, rows: Sequence[dict]
) -> None:
    with pytest.raises(InputError, match="split"):
        read_annotations(source, [write(tmp_path, source, rows)])


def test_split_lists_decide_it_otherwise(tmp_path: pathlib.Path) -> None:
    from data_pipeline.annotations.sources import apply_split_files

    (tmp_path / "train.txt").write_text("v0\nv1\n")
    annotations = read_annotations("csv", [write(tmp_path, "csv", ROWS)])
    chosen = apply_split_files(annotations, {"train": tmp_path / "train.txt"})
    assert {one.split for one in chosen.captions} == {"train"} and len(chosen.captions) == 4
