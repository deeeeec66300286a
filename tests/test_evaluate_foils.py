"""Files of true and false captions, asked of a run by the real command."""

import json
import pathlib
import shutil
from typing import Any

import pytest

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.prepared_data import Manifest, SplitReader
from tests.support.command_line import run_mcsan

LIMITS = BatchLimits(4, 8, max_actions=1, max_entities=1, max_relationships=1, max_modifiers=1)


def questions_of(data: pathlib.Path, split: str) -> list[dict[str, str]]:
    """The foils that the records hold, as a file has them."""
    reader = SplitReader(data, Manifest.load(data), split, LIMITS)
    ids = [name for names, _ in reader.video_batches(16) for name in names]
    captions = [
        (text, ids[video])
        for info, _ in reader.caption_batches(16)
        for text, video in zip(info.texts, info.videos, strict=True)
    ]
    return [
        {
            "video_id": f"{captions[caption][1]}.mp4",
            "caption": captions[caption][0],
            "foil": text,
            "kind": kind,
        }
        for info, _ in reader.foil_batches(16)
        for kind, text, caption in zip(info.kinds, info.texts, info.captions, strict=True)
    ]


def lines(rows: list[dict[str, str]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def asked(run: pathlib.Path, split: str = "test") -> list[dict[str, Any]]:
    return json.loads((run / "eval" / f"{split}.json").read_text())["foil_tests"]


def accuracies(test: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        kind["kind"]: {name: found["accuracy"] for name, found in kind["scores"].items()}
        for kind in test["kinds"]
    }


def test_foils_of_a_file_are_judged_as_those_of_the_records(
    finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run = pathlib.Path(shutil.copytree(finished_run, tmp_path / "run"))
    rows = questions_of(shapes, "test")
    own, choices = tmp_path / "own.jsonl", tmp_path / "choices.tsv"
    own.write_text(lines([*rows, {**rows[0], "video_id": "clip_of_another_split"}]))
    first, second = rows[0]["caption"], rows[-1]["caption"]
    video = rows[0]["video_id"].removesuffix(".mp4")
    choices.write_text(
        f"clip\tending0\tending1\tending2\tlabel\n{video}\t{second}\t{first}\t{rows[0]['foil']}\t1\n"
    )
    ended = run_mcsan("eval", run, "--split=test", f"--foils={own}", f"--foils={choices}")
    assert ended.status == 0, ended.stderr

    of_records, of_file, of_choices = asked(run)
    assert of_records["source"] == "prepared data" and of_file["source"] == "own.jsonl"
    assert of_file["questions"] == of_records["questions"] == len(rows)
    assert of_file["absent"] == {"questions": 1, "videos": 1, "examples": ["clip_of_another_split"]}
    assert of_choices["kinds"][0]["chance"] == pytest.approx(100 / 3)
    expected = accuracies(of_records)
    for kind, found in accuracies(of_file).items():
        assert found == pytest.approx(expected[kind], abs=1e-9)
    record = json.loads((run / "eval" / "test.json").read_text())
    for kind, found in expected.items():
        for score, of_kinds in record["compositional"].items():
            assert found[score] == pytest.approx(of_kinds[kind])

    assert "not asked: 1 question about 1 video that the split lacks (clip_of_another_split)" in ended.stdout
    assert "True captions against foils of choices.tsv (1 question about 1 video)" in ended.stdout
    page = (run / "eval" / "test_report.html").read_text(encoding="utf-8")
    assert "Foils of own.jsonl" in page and "clip_of_another_split" in page
    assert run_mcsan("card", run).status == 0
    card = (run / "model_card.md").read_text(encoding="utf-8")
    assert "**Foils of choices.tsv**" in card and "| multiple choice | 1 " in card


def test_what_cannot_be_asked_is_said_before_anything_is_encoded(
    finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    elsewhere.write_text(lines([{"video_id": "video7", "caption": "a dog runs", "foil": "a dog sits"}]))
    ended = run_mcsan("eval", finished_run, "--split=test", f"--foils={elsewhere}")
    assert ended.status == 2 and "Rsum" not in ended.stdout
    assert "none of the videos that it asks about (1) is in split test; it asks about video7" in ended.stderr
    assert "give a file about these videos" in ended.stderr

    validation = tmp_path / "val.jsonl"
    (known, *_), _ = next(SplitReader(shapes, Manifest.load(shapes), "val", LIMITS).video_batches(16))
    validation.write_text(lines([{"video_id": known, "caption": "a dog runs", "foil": "a dog sits"}]))
    ended = run_mcsan("eval", finished_run, "--split=test", f"--foils={validation}")
    assert ended.status == 2 and "give --split=val, which has some" in ended.stderr

    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"video_id": "a"}\n{"video_id": "b"}\n')
    ended = run_mcsan("eval", finished_run, f"--foils={bad}")
    assert ended.status == 2 and f"{bad}, lines 1 and 2: key 'caption' is missing" in ended.stderr
    assert "Traceback" not in ended.stderr
