"""`mcsan extract` on the command line: what it says, and what it refuses before a clip is decoded."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction

import pytest

from data_pipeline.features.streams import open_features
from mcsan_jax.extraction.extraction_report import ExtractionReport
from tests.data_pipeline.clips.numbered_clips import PLAIN, even_times, write_numbered
from tests.extraction.colour_encoder import ColourEncoder
from tests.support import ROOT
from tests.support.command_line import run_mcsan
from tests.support.written_clip import write_clip

pytestmark = pytest.mark.usefixtures("encoders")


def test_a_command_says_what_it_wrote_and_what_it_skipped(
    clips: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "f.hdf5"
    ended = run_mcsan("extract", clips, "--encoder=colours", f"--out={out}", "--processes=1")
    assert ended.status == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"{out}: 2 clips, 40 frames by colours (weights 00000000)"
    assert f"pictures: {tmp_path / 'f.pictures'}" in lines
    assert "clips/s" in ended.stdout and "frames/s" in ended.stdout and "× real time" in ended.stdout
    assert "skipped: 2 clips" in lines and any("letter.mp4" in line for line in lines)
    # The rates are said once.
    assert "extracting: 4 clips in" in ended.stderr and "frames/s" not in ended.stderr
    again = run_mcsan("extract", clips, "--encoder=colours", f"--out={out}", "--processes=1")
    assert again.status == 0 and again.stdout.startswith("done already")
    strict = run_mcsan("extract", clips, "--encoder=colours", f"--out={out}", "--processes=1", "--strict")
    assert strict.status == 2 and "empty.mp4" in strict.stderr and "letter.mp4" in strict.stderr


def test_a_long_clip_says_into_how_many_parts_it_was_cut(
    encoders: dict[str, ColourEncoder], tmp_path: pathlib.Path
) -> None:
    film = write_numbered(tmp_path / "film.mp4", PLAIN, even_times(61 * 2, Fraction(2)))
    write_clip(tmp_path / "short.mp4", 50)
    for flag in ("--fps=2", "--frames=6"):
        flags = [f"--out={tmp_path / flag}.hdf5", flag, "--no-pictures", "--processes=1"]
        ended = run_mcsan("extract", tmp_path, "--encoder=colours", *flags)
        assert ended.status == 0, ended.stderr
        [said] = [line for line in ended.stdout.splitlines() if line.startswith("long: ")]
        report = json.loads((tmp_path / f"{flag}.report.json").read_text())
        clip = open_features(tmp_path / f"{flag}.hdf5").clip("film")
        assert clip is not None and report["parts"] == {"film": len(clip.parts)}
        assert (len(clip.parts) > 1) == (flag == "--fps=2")
        done = (
            f"cut into parts: film into {len(clip.parts)}" if clip.parts else "left whole: film; --fps=2 cuts"
        )
        assert said.startswith(f"long: 1 clip of more than a minute, {done}")
    alone = run_mcsan("extract", film, "--encoder=colours", f"--out={tmp_path / 'f.hdf5'}", "--processes=1")
    assert f"{tmp_path / 'f.hdf5'}: 1 clip, 20 frames by colours" in alone.stdout


def test_what_was_cut_short_is_said_without_a_gap() -> None:
    report = ExtractionReport({}, None, 1, 9, 2.0, {}, {"cut": "the file breaks off"}, {}, (0, 0), 0.0, 1.0)
    assert report.lines() == ["cut short: 1 clip", "  cut: the file breaks off"]


def test_several_encoders_regions_and_a_rate(clips: pathlib.Path, tmp_path: pathlib.Path) -> None:
    outs = [tmp_path / "a.hdf5", tmp_path / "b.h5"]
    ended = run_mcsan(
        "extract",
        clips / "first.mp4",
        "--encoder=colours",
        "--encoder=small",
        *(f"--out={out}" for out in outs),
        "--fps=5",
        "--regions=2x3",
        "--no-pictures",
        "--processes=1",
    )
    assert ended.status == 0, ended.stderr
    assert open_features(outs[1]).read("first").shape == (12, 3)
    assert open_features(tmp_path / "b_regions.h5").read("first").shape == (12, 6, 3)
    assert not (tmp_path / "a.pictures").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fps=0"], "--fps: frames per second: expected a number above 0"),
        (["--fps=-2"], "--fps: frames per second: expected a number above 0"),
        (["--fps=nan"], "--fps: frames per second: expected a number above 0"),
        (["--frames=0"], "--frames: frames: expected a number from 1"),
        (["--fps=2", "--frames=3"], "--fps=2 and --frames=3: give one of them"),
        (["--regions=0x4"], "--regions=0x4: expected ROWSxCOLUMNS, such as 4x4"),
        (["--regions=4"], "--regions=4: expected ROWSxCOLUMNS"),
        (["--regions=99x4"], "--regions=99x4: colours sees a grid of 12x24"),
        (["--prepared=somewhere"], "--prepared: there is nothing to prepare without --captions"),
        (["--out=again.hdf5"], "--out: expected a file for each encoder, 1 in all, found 2"),
        (["--encoder=color", "--out=more.hdf5"], "'color': expected one of"),
        (["--captions=c.pdf"], "--captions=c.pdf: expected a table (.csv, .tsv) or JSON"),
        (["--captions=c.csv"], "c.csv"),
        (["--processes=0"], "Input should be greater than or equal to 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_are_refused_before_a_clip_is_decoded(
    clips: pathlib.Path,
    encoders: dict[str, ColourEncoder],
    tmp_path: pathlib.Path,
    flags: Sequence[str],
    message: str,
) -> None:
    ended = run_mcsan("extract", clips, "--encoder=colours", f"--out={tmp_path / 'f.hdf5'}", *flags)
    assert ended.status == 2 and message in ended.stderr
    assert not list(tmp_path.iterdir()) and not encoders["colours"].seen


def test_a_wrong_flag_is_named_before_the_libraries_of_networks_are_loaded() -> None:
    """In a process of its own, for tests have loaded everything here."""
    program = (
        "import sys\nfrom mcsan_jax import cli\n"
        "try:\n    cli.main()\n"
        "finally:\n    print(*sorted({'jax', 'flax', 'tensorflow', 'spacy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, "extract", "clips", "--fps=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2 and "--fps: frames per second" in done.stderr
    assert done.stdout == "\n"


def test_each_encoder_needs_a_file_and_a_folder_needs_clips(
    clips: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    ended = run_mcsan("extract", clips, "--encoder=colours", "--encoder=small")
    assert ended.status == 2 and "2 in all, found 0; such as --out=colours.hdf5" in ended.stderr
    (tmp_path / "empty").mkdir()
    ended = run_mcsan("extract", tmp_path / "empty", "--encoder=colours", f"--out={tmp_path / 'f.hdf5'}")
    assert ended.status == 2 and "expected a folder with clips" in ended.stderr
    ended = run_mcsan("extract", tmp_path / "none", "--encoder=colours", f"--out={tmp_path / 'f.hdf5'}")
    assert ended.status == 2 and "none" in ended.stderr


def captions(path: pathlib.Path, rows: Sequence[str]) -> pathlib.Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def test_captions_of_no_clip_are_named_before_a_clip_is_decoded(
    clips: pathlib.Path, encoders: dict[str, ColourEncoder], tmp_path: pathlib.Path
) -> None:
    rows = ["first.mp4,a grey square,train", "secnod,a dog,train", "thrid,a cat,train"]
    file = captions(tmp_path / "c.csv", ["video_id,caption,split", *rows])
    flags = ["extract", clips, "--encoder=colours", f"--out={tmp_path / 'f.hdf5'}", f"--captions={file}"]
    ended = run_mcsan(*flags)
    assert ended.status == 2
    assert "2 of 3 video ids are of no clip: 'secnod', 'thrid'" in ended.stderr
    assert "--allow_missing" in ended.stderr
    assert "secnod and thrid: no clip of this name; correct it in the captions" in ended.stderr
    assert not encoders["colours"].seen and list(tmp_path.iterdir()) == [file]
    strict = run_mcsan(*flags, "--allow_missing", "--strict")
    assert strict.status == 2 and "'secnod', 'thrid'" in strict.stderr


def test_prepared_data_of_another_kind_are_kept(clips: pathlib.Path, tmp_path: pathlib.Path) -> None:
    file = captions(tmp_path / "c.csv", ["video_id,caption", "first,a grey square"])
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "thesis.txt").write_text("for years")
    ended = run_mcsan(
        "extract", clips, "--encoder=colours", f"--out={tmp_path / 'f.hdf5'}", f"--captions={file}"
    )
    assert ended.status == 2 and "choose another --prepared" in ended.stderr


def test_data_prepared_from_other_captions_are_not_taken_for_these(
    clips: pathlib.Path, encoders: dict[str, ColourEncoder], tmp_path: pathlib.Path
) -> None:
    file = captions(tmp_path / "c.csv", ["video_id,caption,split", "first,a grey square,train"])
    flags = [
        "extract",
        clips,
        "--encoder=colours",
        f"--captions={file}",
        f"--prepared={tmp_path / 'data'}",
        "--no-pictures",
        "--processes=1",
    ]
    first = [*flags, f"--out={tmp_path / 'f.hdf5'}"]
    ended = run_mcsan(*first)
    assert ended.status == 0 and "written to" in ended.stdout, ended.stderr
    # The time of the file says nothing.
    file.touch()
    again = run_mcsan(*first)
    assert again.status == 0 and f"{tmp_path / 'data'}: prepared already" in again.stdout
    seen = len(encoders["colours"].seen)
    other_features = run_mcsan(*flags, f"--out={tmp_path / 'g.hdf5'}")
    captions(file, ["video_id,caption,split", "first,a white square,train"])
    other_captions = run_mcsan(*first)
    for ended in (other_features, other_captions):
        assert ended.status == 2
        assert "data exists already; choose another --prepared, or give --overwrite" in ended.stderr
    assert len(encoders["colours"].seen) == seen and not (tmp_path / "g.hdf5").exists()
