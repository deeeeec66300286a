import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_pipeline.graphs.graph import COLOUR, MODIFIER_KINDS
from data_pipeline.manifest import MANIFEST_NAME, Manifest
from tests.data_pipeline.inspection.inspecting import (
    change_record,
    read_values,
    record_file,
    save_manifest,
)
from tests.support import ROOT
from tests.support.command_line import run_inspect
from tests.support.prepared_data import corrupt_record, record_starts


def problems(captured: str) -> list[str]:
    return [line.removeprefix("wrong: ") for line in captured.splitlines() if line.startswith("wrong: ")]


def row(captured: str, first: str) -> list[str]:
    line = next(line for line in captured.splitlines() if line.strip().startswith(first))
    return line.strip().removeprefix(first).split()


def test_a_sound_data_set_passes_and_is_counted(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_inspect(str(shapes)) == 0
    printed = capsys.readouterr().out
    assert problems(printed) == []
    assert "All checks passed; 76 records read" in printed
    records = read_values(shapes, "test")
    foils = sum(len(values["foils/ids"].bytes_list.value) for values in records)
    assert row(printed, "test ")[:5] == ["10", "50", "50", str(foils), "0.00%"]
    tokens = sorted(count for values in records for count in values["captions/token_counts"].int64_list.value)
    assert row(printed, "tokens per caption")[-5:] == [
        str(tokens[0]),
        "/",
        str(tokens[24]),
        "/",
        str(tokens[-1]),
    ]
    colours = [
        kind
        for values in records
        for kind in values["captions/modifiers"].int64_list.value[1::4]
        if kind == MODIFIER_KINDS.index(COLOUR)
    ]
    assert len(colours) > 10 and row(printed, "colour ")[-1] == str(len(colours))
    assert row(printed, "frames per video, objects")[-5:] == ["12", "/", "12", "/", "12"]
    assert row(printed, "pixels")[:2] == ["frames", "192"]
    assert row(printed, "objects")[:4] == ["regions", "2", "×", "90"]
    vocabulary = json.loads((shapes / "attributes.json").read_text())
    for level, pairs in vocabulary.items():
        name, count = pairs[0]
        share = f"{count / 60:.2%}"
        assert f"Most frequent: {level}" in printed
        assert row(printed, f"{name} ")[:2] == [str(count), share]


def test_one_split_is_read_alone(shapes_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record_file(shapes_copy, "train").unlink()
    assert run_inspect(str(shapes_copy), "--split=val") == 0
    assert "All checks passed; 6 records read" in capsys.readouterr().out
    assert run_inspect(str(shapes_copy)) == 1


def test_the_command_as_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "data_pipeline.inspect", str(tmp_path / "nowhere"), "--split=val"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No prepared data set in")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "--split=dev"], "has no split 'dev'; it has train, val, test"),
        (["{folder}", "--record=nobody"], "has no video 'nobody'"),
        (["{folder}", "--record=77"], "a number from 1 to 76"),
        (["{folder}", "--html={folder}/none/page.html"], "does not exist; make it first"),
        (["{folder}", "--html={folder}"], "is a folder"),
    ],
)
def test_what_does_not_exist_is_refused(
    shapes: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_inspect(*(argument.format(folder=shapes) for argument in arguments)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error


def test_the_folder_has_to_be_given(shapes: Path) -> None:
    assert run_inspect() == 2
    assert run_inspect(str(shapes), str(shapes)) == 2


def test_a_flipped_bit_is_named(shapes_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record_file(shapes_copy, "train")
    corrupt_record(path, 5)
    assert run_inspect(str(shapes_copy)) == 1
    found = problems(capsys.readouterr().out)
    assert len(found) == 2
    assert found[0].startswith(f"{path}: was changed after it was written; its SHA-256 is")
    assert f"Record 5 of 60 in {path} is corrupt" in found[1]


def test_a_cut_off_file_does_not_hide_the_others(
    shapes_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = record_file(shapes_copy, "train")
    content = path.read_bytes()
    path.write_bytes(content[: record_starts(content)[20] + 50])
    assert run_inspect(str(shapes_copy)) == 1
    captured = capsys.readouterr().out
    found = problems(captured)
    assert len(found) == 2 and path.name in found[1] and "Record 21 of 60 in" in found[1]
    assert row(captured, "test ")[0] == "10"


def test_missing_and_surplus_files_are_named(shapes_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record_file(shapes_copy, "val")
    path.rename(path.with_name("video_text-val.tfrecord-00000-of-00002"))
    (shapes_copy / "tokenizer.model").unlink()
    assert run_inspect(str(shapes_copy), "--split=val") == 1
    found = "\n".join(problems(capsys.readouterr().out))
    assert f"{path}: cannot be read (No such file or directory)" in found
    assert "tfrecord-00000-of-00002: the manifest names no such file" in found
    assert f"The record file {path} is missing" in found
    assert f"{shapes_copy / 'tokenizer.model'}: cannot be read" in found


def test_an_edited_attribute_file_is_found(shapes_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shapes_copy / "attributes.json"
    vocabulary = json.loads(path.read_text())
    name, count = vocabulary["entity"][0]
    vocabulary["entity"][0][1] = count + 1
    path.write_text(json.dumps(vocabulary))
    assert run_inspect(str(shapes_copy)) == 1
    found = problems(capsys.readouterr().out)
    assert found[0].startswith(f"{path}: was changed after it was written")
    assert found[1:] == [
        f"entity attribute {name!r}: {count} training videos have it; the attribute file counts {count + 1}"
    ]


@pytest.mark.parametrize("content", ["{", '{"entity": [], "action": [], "relationship": []}'])
def test_an_unusable_attribute_file_does_not_hide_the_rest(
    shapes_copy: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (shapes_copy / "attributes.json").write_text(content)
    assert run_inspect(str(shapes_copy), "--record=1") == 1
    printed = capsys.readouterr().out
    assert all("attributes.json" in problem for problem in problems(printed))
    assert re.search(r"entity attributes: \d+", printed)


def test_a_tokenizer_of_other_data_is_found(
    shapes_copy: Path, odd_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shapes_copy / "tokenizer.model").write_bytes((odd_corpus / "tokenizer.model").read_bytes())
    assert run_inspect(str(shapes_copy), "--split=val", "--record=1") == 1
    printed = capsys.readouterr().out
    (problem,) = problems(printed)
    assert "tokenizer.model: was changed" in problem
    assert re.search(r"agent: tokens \d+–\d+", printed)


def test_an_edited_manifest_is_refused(shapes_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shapes_copy / MANIFEST_NAME
    content = json.loads(path.read_text())
    content["splits"]["test"]["captions"] += 1
    path.write_text(json.dumps(content))
    assert run_inspect(str(shapes_copy)) == 2
    assert "was changed after it was written: its fingerprint is" in capsys.readouterr().err


def test_wrong_counts_and_statistics_of_a_valid_manifest_are_found(
    shapes_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = Manifest.load(shapes_copy)
    splits = manifest.splits | {"test": dataclasses.replace(manifest.splits["test"], captions=51)}
    pixels, grid = manifest.streams
    pixels = dataclasses.replace(pixels, std=(pixels.std[0] * 1.1, *pixels.std[1:]))
    of_val = manifest.caption_sizes["val"]
    sizes = manifest.caption_sizes | {"val": dataclasses.replace(of_val, entities=of_val.entities[:-1])}
    save_manifest(shapes_copy, splits=splits, streams=(pixels, grid), caption_sizes=sizes)
    assert run_inspect(str(shapes_copy)) == 1
    statistics, lengths, counts = problems(capsys.readouterr().out)
    assert lengths == "split 'val': the captions have other numbers of entities than the manifest says"
    assert statistics.startswith("stream 'pixels': the std of dimension 0 over training frames is")
    assert counts == "split 'test': 50 captions; the manifest counts 51"


def test_every_wrong_record_is_named(shapes_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def drop_stream(values: dict) -> None:
        values.pop("frames/pixels")

    train_id = read_values(shapes_copy, "train")[0]["video_id"].bytes_list.value[0]

    def repeat_video(values: dict) -> None:
        values["video_id"].bytes_list.value[0] = train_id

    def leave_tokens(values: dict) -> None:
        values["captions/node_spans"].int64_list.value[1] = 99

    change_record(shapes_copy, "train", 3, drop_stream)
    change_record(shapes_copy, "val", 2, repeat_video)
    change_record(shapes_copy, "test", 10, leave_tokens)
    assert run_inspect(str(shapes_copy)) == 1
    first, second, third = problems(capsys.readouterr().out)
    assert first == f"{record_file(shapes_copy, 'train')}, record 3: frames/pixels: missing"
    assert second.startswith(f"{record_file(shapes_copy, 'val')}, record 2 ('train_")
    assert second.endswith("video_id: the video is in split 'train', too")
    assert third.startswith(f"{record_file(shapes_copy, 'test')}, record 10 ('test_")
    assert "captions/node_spans, number 0 (" in third and "to before 99, of" in third


def test_a_record_is_shown_by_its_id_and_by_its_number(
    shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number, values = next(
        (number, values)
        for number, values in enumerate(read_values(shapes, "test"), start=1)
        if values["foils/ids"].bytes_list.value
    )
    video_id = values["video_id"].bytes_list.value[0].decode()
    assert run_inspect(str(shapes), "--split=test", f"--record={video_id}") == 0
    by_id = capsys.readouterr().out
    assert run_inspect(str(shapes), "--split=test", f"--record={number}") == 0
    by_number = capsys.readouterr().out
    assert by_id.splitlines()[:-1] == by_number.splitlines()[:-1]
    assert f"Video {video_id}" in by_id and "12 × 192" in by_id and "12 × 2 × 90" in by_id
    assert "frame times: unknown" in by_id
    for key in ("captions/texts", "foils/texts"):
        assert all(text.decode() in by_id for text in values[key].bytes_list.value)
    assert "agent: " in by_id and "foil (" in by_id and "  colour: " in by_id


def test_captions_that_look_like_markup_are_shown_as_they_are(
    odd_corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_inspect(str(odd_corpus), "--record=train0") == 0
    printed = capsys.readouterr().out
    assert "[bold]a dog[/bold] & a $x$ ^cat" in printed
    assert "a man kicks <script>alert(1)</script> on a bed in the park near a car with a dog" in printed
