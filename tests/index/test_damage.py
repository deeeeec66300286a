"""A file of an index that is cut, exchanged or changed in a bit is named by `verify`, and never crashes a reader."""

import json
import pathlib
import random
import shutil

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.verification import index_problems
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from tests.index.changes import build, names_of
from tests.support.command_line import run_mcsan


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, demo: Mcsan) -> pathlib.Path:
    """An index of two segments."""
    folder = tmp_path_factory.mktemp("damaged") / "index"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mcsan_jax.index.index_writer.SEGMENT_ROWS", 4)
        build(folder, names_of(0, 8), demo)
    return folder


@pytest.fixture
def folder(whole: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(whole, tmp_path / "index"))


FILES = (
    "index.json",
    "command.json",
    "segments/000001/vectors.arrow",
    "segments/000002/vectors.arrow",
    "segments/000001/videos.parquet",
    "segments/000002/videos.parquet",
    "model/model.safetensors",
    "model/config.json",
    "model/calibration.json",
    "model/manifest.json",
    "model/attributes.json",
    "model/tokenizer.model",
)


def test_a_whole_index_has_no_faults(folder: pathlib.Path) -> None:
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        *FILES,
        ".lock",
        # It may be edited, and is not checked.
        "model/README.md",
    }
    assert index_problems(folder) == []
    ended = run_mcsan("index", "verify", folder)
    assert (ended.status, ended.stdout) == (0, f"{folder}: whole, 8 videos\n")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "bit", "gone", "longer"])
def test_a_damaged_file_is_named(name: str, damage: str, folder: pathlib.Path) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "longer":
        path.write_bytes(bytes(content) + b"{}")
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    if name == "command.json" and damage == "gone":
        # Nothing depends on it once its command has ended.
        assert index_problems(folder) == []
        return
    problems = index_problems(folder)
    assert (len(problems) == 1 and name in problems[0]) or (
        name == "index.json" and "no index" in problems[0]
    )
    ended = run_mcsan("index", "verify", folder)
    assert ended.status == 2 and problems[0] in ended.stderr and "Traceback" not in ended.stderr
    if name.startswith("segments") and damage != "bit":
        with pytest.raises(InputError, match=path.parent.name):
            VideoIndex.open(folder)


def test_all_faults_are_named_at_once(folder: pathlib.Path) -> None:
    for name in ("segments/000001/vectors.arrow", "segments/000002/videos.parquet", "model/manifest.json"):
        (folder / name).write_bytes(b"")
    ended = run_mcsan("index", "verify", folder)
    assert ended.status == 2 and "3 faults" in ended.stderr and len(ended.stderr.splitlines()) == 4


@pytest.mark.parametrize(
    "swapped", [["vectors.arrow"], ["videos.parquet"], ["vectors.arrow", "videos.parquet"]]
)
def test_exchanged_files_are_noticed_at_once(swapped: list[str], folder: pathlib.Path) -> None:
    for name in swapped:
        one, other = (folder / "segments" / number / name for number in ("000001", "000002"))
        kept = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(kept)
    with pytest.raises(InputError, match=r"is the file of another segment|was written with"):
        VideoIndex.open(folder)
    assert len(index_problems(folder)) == 2 * len(swapped)


def test_any_changed_byte_is_noticed_and_none_crashes_a_reader(folder: pathlib.Path) -> None:
    draw = random.Random(0)
    paths = [folder / name for name in FILES if name.startswith("segments") or name == "index.json"]
    for _ in range(150):
        path = draw.choice(paths)
        content = path.read_bytes()
        changed = bytearray(content)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        assert index_problems(folder)
        try:
            opened = VideoIndex.open(folder)
            opened.embeddings(range(len(opened)))
            opened.table.to_pylist()
        except InputError:
            pass
        path.write_bytes(content)
    assert index_problems(folder) == []


def test_another_model_or_version_is_refused_with_both(folder: pathlib.Path, demo: Mcsan) -> None:
    # With other numbers in its weights it is another one.
    demo.save_pretrained(folder / "model", dtype="float32")
    own = json.loads((folder / "index.json").read_text())["fingerprint"]
    other = json.loads((folder / "model" / "config.json").read_text())["fingerprint"]
    for verb in ("list", "stats", "verify", "remove"):
        ended = run_mcsan("index", verb, folder, *(["video 0001"] if verb == "remove" else []))
        assert ended.status == 2 and own in ended.stderr and other in ended.stderr
    text = (folder / "index.json").read_text()
    (folder / "index.json").write_text(text.replace('"schema_version": 2', '"schema_version": 3'))
    ended = run_mcsan("index", "list", folder)
    assert ended.status == 2 and "schema version 3, and this program reads version 2: a newer" in ended.stderr
    (folder / "index.json").write_text(text.replace('"schema_version": 2', '"schema_version": 1'))
    ended = run_mcsan("index", "list", folder)
    assert ended.status == 2 and "an earlier version" in ended.stderr and "--overwrite" in ended.stderr


def test_what_is_no_index_is_said(tmp_path: pathlib.Path, folder: pathlib.Path) -> None:
    for place, said in (
        (tmp_path / "none", "is no index"),
        (folder / "model", "is no index"),
        (folder.with_name("indx"), f"did you mean {folder}?"),
    ):
        for verb in ("list", "stats", "verify"):
            ended = run_mcsan("index", verb, place)
            assert ended.status == 2 and said in ended.stderr


def test_nothing_of_an_index_is_a_pickle(whole: pathlib.Path) -> None:
    """Reading one takes Arrow, Parquet, JSON and safetensors."""
    files = [path for path in whole.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.suffix for path in files} == {".json", ".arrow", ".parquet", ".safetensors", ".model", ".md"}
    assert not [path for path in files if path.read_bytes().startswith(b"\x80")]
