"""`mcsan index` from features, metadata and clips to an index, and back to tables, as a person uses it."""

import json
import pathlib

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from tests.support.command_line import Ended, run_mcsan


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Features of six videos, one stream in HDF5 with the times of frames, the other as files; metadata and clips."""
    folder, clips = tmp_path_factory.mktemp("given"), embedded_clips(6)
    with h5py.File(folder / "pixels.h5", "w") as file:
        file.attrs["fps"] = 2.0
        for video, array in clips.features["pixels"].items():
            file[video] = array
    (folder / "objects").mkdir()
    (folder / "clips").mkdir()
    for video, array in clips.features["objects"].items():
        np.save(folder / "objects" / f"{video}.npy", array)
    (folder / "clips" / "test_00001.mp4").touch()
    rows = [f"test_{number:05d},{'north' if number % 2 else 'south'},{2018 + number}" for number in range(5)]
    (folder / "videos.csv").write_text("\n".join(["id,camera,year", *rows, ""]))
    return folder


def streams(files: pathlib.Path) -> list[str]:
    return [f"pixels={files / 'pixels.h5'}", f"objects={files / 'objects'}"]


@pytest.fixture(scope="module")
def built(files: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, pathlib.Path]:
    out = tmp_path_factory.mktemp("built") / "an index"
    more = [f"--metadata={files / 'videos.csv'}", f"--clips={files / 'clips'}", f"--out={out}"]
    return run_mcsan("index", "demo", *streams(files), *more), out


def refused(*arguments: object) -> str:
    """What a command that is refused says."""
    ended = run_mcsan("index", *arguments)
    assert ended.status == 2 and "Traceback" not in ended.stderr, ended
    return ended.stderr


def test_features_become_an_index(
    built: tuple[Ended, pathlib.Path], files: pathlib.Path, demo: Mcsan
) -> None:
    ended, out = built
    assert ended.status == 0, ended.stderr
    assert ended.stdout.splitlines()[:2] == [
        "1 of 6 videos have no metadata: test_00005",
        "5 of 6 videos have no clip: test_00000, test_00002, test_00003, test_00004, test_00005",
    ]
    assert f"{out}: added 6 videos, 6 in all (float16, model " in ended.stdout
    index = VideoIndex.open(out)
    assert index.columns == ("camera", "year")
    assert index.metadata_of(index.row_of("test_00003")) == {"camera": "north", "year": 2021}
    assert index.metadata_of(index.row_of("test_00005")) == {"camera": None, "year": None}
    assert [index.clip_of(row) for row in (0, 1)] == [None, str(files / "clips" / "test_00001.mp4")]
    # Two frames a second, seen in their middle.
    np.testing.assert_allclose(index.embeddings([2]).times_of(0), np.arange(12) / 2 + 0.25)
    given = demo.encode_document(dict(one.split("=") for one in streams(files)))
    assert index.ids == given.ids
    np.testing.assert_allclose(index.embeddings(range(6)).pooled, given.pooled, rtol=0, atol=5e-4)
    assert index.calibration == demo.calibration is not None


def test_the_same_command_again_has_nothing_to_do(
    built: tuple[Ended, pathlib.Path], files: pathlib.Path
) -> None:
    _, out = built
    more = [f"--metadata={files / 'videos.csv'}", f"--clips={files / 'clips'}", f"--out={out}"]
    for overwrite in ([], ["--overwrite"]):
        ended = run_mcsan("index", "demo", *streams(files), *more, *overwrite)
        assert (ended.status, ended.stdout) == (
            0,
            f"{out}: this very command has done its work already; the index stays as it is\n",
        )
    said = refused("demo", *streams(files), *more, "--dtype=int8")
    assert "is an index already, with 6 videos; add to it with `mcsan index add`" in said


def test_videos_come_and_go(files: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "index"
    ended = run_mcsan("index", "build", "demo", "moving_shapes", "--count=3", f"--out={out}", "--dtype=int8")
    assert ended.status == 0, ended.stderr
    index = VideoIndex.open(out)
    assert index.columns == ("captions",) and len(index.metadata_of(0)["captions"]) == 5
    assert index.embeddings([0]).times_of(0)[:2].tolist() == [0.125, 0.375]
    assert "3 of the 6 videos are in the index already: test_00000" in refused("add", out, *streams(files))
    assert run_mcsan("index", "remove", out, "test_00000", "test_00001").status == 0
    assert run_mcsan("index", "remove", out, "--where", 'id = "test_00002"').status == 0
    table = tmp_path / "more.jsonl"
    table.write_text('{"id": "test_00004", "captions": ["x"], "year": 3}\n{"id": "other", "year": 4}\n')
    said = refused("add", out, *streams(files), f"--metadata={table}")
    assert "1 of 2 videos have no features: other" in said and "--skip_unknown" in said
    ended = run_mcsan("index", "add", out, *streams(files), f"--metadata={table}", "--skip_unknown")
    assert ended.status == 0 and "left out the metadata of 1 video without features: other" in ended.stdout
    assert index.refresh() and len(index) == 6 and index.columns == ("captions", "year")
    assert index.metadata_of(index.row_of("test_00004")) == {"captions": ["x"], "year": 3}
    assert run_mcsan("index", "verify", out).status == 0
    table.write_text('{"id": "test_00004", "captions": "a text"}\n')
    assert "another one than in the index" in refused("add", out, *streams(files), f"--metadata={table}")


def test_clips_of_moving_shapes_are_rendered_into_the_index(tmp_path: pathlib.Path) -> None:
    out, moved = tmp_path / "index", tmp_path / "moved"
    ended = run_mcsan("index", "demo", "moving_shapes", "--count=2", "--render_clips", f"--out={out}")
    assert ended.status == 0, ended.stderr
    out.rename(moved)
    clip = VideoIndex.open(moved).clip_of(1)
    assert clip == str(moved / "clips" / "test_00001.mp4") and b"ftyp" in pathlib.Path(clip).read_bytes()[:12]


def test_an_index_is_shown_and_written_as_a_table(
    built: tuple[Ended, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    _, out = built
    listed = run_mcsan("index", "list", out, "--where=camera = 'north'")
    assert listed.stdout.splitlines()[0] == "id\tclip\tcamera\tyear"
    assert listed.stdout.splitlines()[2] == "test_00003\t\tnorth\t2021"
    assert [row["id"] for row in json.loads(run_mcsan("index", "list", out, "--json").stdout)] == [
        f"test_{number:05d}" for number in range(6)
    ]
    stats = json.loads(run_mcsan("index", "stats", out, "--json").stdout)
    assert stats["videos"] == 6 and stats["removed"] == 0 and stats["segments"] == 1 and stats["clips"] == 1
    assert stats["files"]["vectors"] == (out / "segments" / "000001" / "vectors.arrow").stat().st_size
    assert sum(stats["files"].values()) == sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert stats["widths"]["stage_one"] <= 1024 and stats["calibration"]["threshold"] > 0
    said = run_mcsan("index", "stats", out).stdout
    assert (
        "6 in 1 segment;" in said and stats["fingerprint"] in said and "camera (string), year (int64)" in said
    )
    for ending in ("parquet", "csv", "jsonl"):
        assert run_mcsan("index", "export", out, f"--out={tmp_path / f'table.{ending}'}").status == 0
    parquet = pq.read_table(tmp_path / "table.parquet")
    assert parquet.column_names == ["id", "clip", "camera", "year", "stage_one"]
    np.testing.assert_array_equal(np.stack(parquet["stage_one"].to_pylist()), VideoIndex.open(out).stage_one)
    rows = [json.loads(line) for line in (tmp_path / "table.jsonl").read_text().splitlines()]
    assert rows == parquet.drop_columns("stage_one").to_pylist()
    assert csv.read_csv(tmp_path / "table.csv")["year"].to_pylist() == parquet["year"].to_pylist()
    assert "this file exists already" in refused("export", out, f"--out={tmp_path / 'table.csv'}")
    assert "expected a file that ends in .parquet, .csv, .jsonl" in refused("export", out, "--out=table.txt")


def test_a_terminal_obeys_no_value(tmp_path: pathlib.Path) -> None:
    table = tmp_path / "videos.jsonl"
    table.write_text(json.dumps({"id": "test_00000", "note": "<script>\x1b[2J\tx\ny"}) + "\n")
    out = tmp_path / "index"
    arguments = ["demo", "moving_shapes", "--count=1", f"--metadata={table}", f"--out={out}"]
    assert run_mcsan("index", *arguments).status == 0
    shown = run_mcsan("index", "list", out).stdout
    assert shown.splitlines() == ["id\tnote", r'test_00000	"<script>\u001b[2J\tx\ny"']


def test_what_cannot_be_is_refused_before_anything_is_written(
    files: pathlib.Path, built: tuple[Ended, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "index"
    to = f"--out={out}"
    _, index = built
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").touch()
    cases = [
        (["demo", "moving_shapes"], "give --out with its folder"),
        (["lst", str(index)], "did you mean 'list'?"),
        (["demo", "none.h5", to], "(on a command line, pixels=PATH for each)"),
        (["demo", streams(files)[0], to], "there are no features of stream 'objects'"),
        (["demo", *streams(files), f"pixels={files}", to], "stream 'pixels' is given twice"),
        (["none", "moving_shapes", to], "there is no model 'none'"),
        (["demo", "moving_shapes", "--count=0", to], "expected a count from 1 to 500, found 0"),
        (["demo", "moving_shapes", "--split=tset", to], "no split 'tset'"),
        (["demo", *streams(files), "--count=3", to], "--count and --split choose clips of moving_shapes"),
        (["demo", "moving_shapes", "--batch_size=0", to], "batch_size must be at least 1, found 0"),
        (["demo", "moving_shapes", f"--metadata={tmp_path / 'none.csv'}", to], "no such file"),
        (["demo", "moving_shapes", f"--clips={files / 'objects'}", to], "no file of 500 videos"),
        (["demo", "moving_shapes", f"--out={foreign}"], "is not empty and holds no index (letter.txt)"),
        (
            ["add", index, "moving_shapes", "--count=2"],
            "2 of the 2 videos are in the index already: test_00000, test_00001; remove them first",
        ),
        (["remove", index], "give the ids of the videos to be removed, or --where"),
        (
            ["remove", index, "test_00001", "--where=year > 3"],
            "ids and --where are both given: choose one of the two",
        ),
        (["remove", index, "test_0001", "x"], "did you mean 'test_00001'?"),
        (["remove", index, "--where=year > 3000"], "no video passes the filter"),
        (["list", index, "--where=yaer > 3"], "did you mean 'year'?"),
        (["list", tmp_path], "is no index"),
    ]
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    for arguments, said in cases:
        assert said in refused(*arguments), arguments
    assert not out.exists()
    assert before == {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
