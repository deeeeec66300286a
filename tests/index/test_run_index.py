"""The index that `mcsan serve RUN` makes beside a run or a model, and keeps up to date."""

import pathlib
import shutil

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.feature_files import FeatureFile, write_feature_files
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.run_index import SOURCE_NAME, Moved, index_to_serve
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.find_model import find_model
from tests.index.extracted_shapes import FILM, as_streams, write_extracted_shapes
from tests.support.command_line import run_mcsan

CLIPS = [*(f"test_{number:05d}" for number in range(6))]
PARTS = [f"{FILM}#01", f"{FILM}#02"]


@pytest.fixture
def files(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    return write_extracted_shapes(tmp_path / "extracted")


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the model that comes with the package."""
    return shutil.copytree(find_model("demo"), tmp_path / "a model")


def test_the_videos_of_a_model_are_indexed_with_clips_parts_and_pictures(
    model: pathlib.Path, files: dict[str, pathlib.Path]
) -> None:
    folder, lines = index_to_serve(model, Moved(features=as_streams(files)))
    assert folder == model / "index" and "added 8 videos" in lines[-1]
    index = VideoIndex.open(folder)
    assert sorted(index.ids) == sorted([*CLIPS, *PARTS])
    assert index.columns == ("part_of", "part_start", "part_end")
    second = index.row_of(PARTS[1])
    assert index.metadata_of(second) == {"part_of": FILM, "part_start": 0.75, "part_end": 2.0}
    assert (index.part_of(second), index.part_of(index.row_of(CLIPS[0]))) == ((0.75, 2.0), None)
    # Times are those of the whole file, which is what is played.
    times = index.embeddings([second]).times_of(0)
    np.testing.assert_allclose(times[[0, 1, -1]], np.array([9.5, 10.5, 23.5]) / 12, rtol=1e-6)
    clip = files["pixels"].parent / "clips" / f"{FILM}.mp4"
    assert index.clip_of(second) == index.clip_of(index.row_of(PARTS[0])) == str(clip)
    kept = index.kept_picture(index.row_of(CLIPS[0]), "poster")
    assert kept is not None and kept.read_bytes() == b"\xff\xd8poster"
    assert index.kept_picture(index.row_of(CLIPS[1]), "poster") is None


def test_an_index_that_is_as_it_should_be_stays(
    model: pathlib.Path, files: dict[str, pathlib.Path], finished_run: pathlib.Path
) -> None:
    moved = Moved(features=as_streams(files))
    folder, _ = index_to_serve(model, moved)
    assert run_mcsan("index", "remove", folder, CLIPS[0]).status == 0
    before = (folder / "index.json").read_bytes()
    assert index_to_serve(model, moved) == (folder, [])
    # What a person changed by hand stays, too.
    assert (folder / "index.json").read_bytes() == before
    files["objects"].touch()
    _, lines = index_to_serve(model, moved)
    assert lines[0].endswith("its features, clips or captions have changed, so that it is made anew")
    assert CLIPS[0] in VideoIndex.open(folder).ids
    for name in find_model(finished_run).iterdir():
        shutil.copy(name, model)
    _, lines = index_to_serve(model, moved)
    assert lines[0].endswith("the model has changed, so that it is made anew")
    assert index_to_serve(model, moved) == (folder, [])


def test_an_index_whose_making_was_interrupted_is_finished(
    model: pathlib.Path, files: dict[str, pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Moved(features=as_streams(files))
    with monkeypatch.context() as patch:
        patch.setattr(IndexWriter, "_commit", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            index_to_serve(model, moved)
    assert (model / SOURCE_NAME).is_file() and not (model / "index" / "index.json").exists()
    folder, lines = index_to_serve(model, moved)
    assert len(VideoIndex.open(folder)) == 8 and "made anew" not in "".join(lines)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_index_that_was_made_by_hand_is_not_replaced(
    model: pathlib.Path, files: dict[str, pathlib.Path], finished_run: pathlib.Path
) -> None:
    out = model / "index"
    assert run_mcsan("index", model, *as_streams(files), f"--out={out}", "--whole_videos").status == 0
    folder, lines = index_to_serve(model, Moved(features=as_streams(files)))
    assert VideoIndex.open(folder).ids == tuple(sorted([*CLIPS, FILM]))
    assert lines == [f"{out} was made by hand, and is served as it is"]
    for name in find_model(finished_run).iterdir():
        shutil.copy(name, model)
    with pytest.raises(InputError, match="is an index of another model than that of"):
        index_to_serve(model, Moved(features=as_streams(files)))


def test_a_run_finds_features_and_captions_by_its_data(
    finished_run: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The features have the ids of its test clips, which have captions."""
    files = write_extracted_shapes(tmp_path / "extracted")
    data = shutil.copytree(shapes, tmp_path / "data")
    write_feature_files(data, {name: FeatureFile(str(path)) for name, path in files.items()})
    run = shutil.copytree(finished_run, tmp_path / "run")
    folder, lines = index_to_serve(run, Moved(data=data))
    index = VideoIndex.open(folder)
    assert index.columns == ("captions", "part_of", "part_start", "part_end")
    captions = index.metadata_of(index.row_of(CLIPS[0]))["captions"]
    assert len(captions) == 5 and all(len(text.split()) > 3 for text in captions)
    assert not [line for line in lines if "captions" in line]
    assert index_to_serve(run, Moved(data=data)) == (folder, [])


def test_what_is_not_where_it_was_is_named(
    model: pathlib.Path,
    files: dict[str, pathlib.Path],
    finished_run: pathlib.Path,
    shapes: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    run, data = shutil.copytree(finished_run, tmp_path / "run"), shutil.copytree(shapes, tmp_path / "data")
    write_feature_files(data, {name: FeatureFile(str(path)) for name, path in files.items()})
    gone = files["objects"].rename(tmp_path / "elsewhere.hdf5")
    with pytest.raises(
        InputError, match=r"objects.hdf5: the features of stream 'objects' .* --features=objects=PATH"
    ):
        index_to_serve(run, Moved(data=data))
    folder, _ = index_to_serve(run, Moved([f"objects={gone}"], data=data))
    assert len(VideoIndex.open(folder)) == 8
    (tmp_path / "extracted" / "clips" / f"{FILM}.mp4").unlink()
    _, lines = index_to_serve(model, Moved([f"objects={gone}", f"pixels={files['pixels']}"]))
    assert "1 of the clips that the features name are gone" in lines[0] and "--clips=FOLDER" in lines[0]
    with pytest.raises(InputError, match="is an index already; --features, --clips and --data are for"):
        index_to_serve(folder, Moved(["a.hdf5"]))
    with pytest.raises(InputError, match="the model reads pixels, objects; give --features=pixels=PATH"):
        index_to_serve(model, Moved(["a.hdf5"]))
    with pytest.raises(InputError, match="there is no such folder"):
        index_to_serve(tmp_path / "none")
    with pytest.raises(InputError, match="holds neither a model"):
        index_to_serve(tmp_path / "extracted")
