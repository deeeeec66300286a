"""Files of other formats are named by their content, and the advice on converting them works."""

import gzip
import io
import json
import pathlib
import pickle
import tarfile
import zipfile
from collections.abc import Callable

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io

from data_pipeline.errors import InputError
from data_pipeline.features.profile import profile_streams
from data_pipeline.features.streams import open_features

VIDEOS = {f"clip{number}": np.arange(8.0).reshape(4, 2) + number for number in range(30)}


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[pathlib.Path], None], tuple[pathlib.Path]]:
        return pathlib.Path.touch, (self._path,)


def zipped(**members: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def tarred() -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("clip0.npy"), io.BytesIO())
    return memory.getvalue()


def saved(array: np.ndarray) -> bytes:
    memory = io.BytesIO()
    np.save(memory, array, allow_pickle=True)
    return memory.getvalue()


def parquet() -> bytes:
    memory = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"video_id": ["clip0"], "features": [[[1.0]]]}), memory)
    return memory.getvalue()


def matlab() -> bytes:
    memory = io.BytesIO()
    scipy.io.savemat(memory, VIDEOS)
    return memory.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    **{
        f"pickle of protocol {protocol}": (pickle.dumps(VIDEOS, protocol), "a Python pickle.*pickle.loads")
        for protocol in range(6)
    },
    "PyTorch": (zipped(**{"x/data.pkl": b"\x80"}), "a PyTorch file.*weights_only=True"),
    "old PyTorch": (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1), "a PyTorch file"),
    "MATLAB": (matlab(), "a MATLAB file.*scipy.io.loadmat"),
    "tar": (tarred(), "a tar archive; unpack it"),
    "tar.gz": (gzip.compress(tarred()), "a tar archive; unpack it"),
    "gzip": (gzip.compress(b"anything"), "a gzip archive; unpack it"),
    "zip": (
        zipped(**{f"{number}.txt": b"" for number in range(9)}),
        "a zip archive of 0.txt.*9 in all.*; unpack",
    ),
    "parquet": (parquet(), "a Parquet file.*pandas.read_parquet"),
    "array of all videos": (saved(np.zeros((30, 4, 2))), r"one array \[30, 4, 2\] without ids.*ids\.txt"),
    "array of objects": (saved(np.array([VIDEOS])), "a .npy file of Python objects.*allow_pickle=True"),
    "table": (b"video_id,a,b\nclip0,1,2\n", "a text file that begins with 'video_id,a,b'.*pandas.read_csv"),
    "JSON": (json.dumps({"clip0": [[1.0]]}).encode(), "a JSON file.*json.loads"),
    "web page": (b"<!DOCTYPE html><html>Sign in", "a web page; download the file itself"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS; fetch"),
    "empty": (b"", "an empty file; copy or download it again"),
    "unknown": (bytes(4000), r"a file of an unknown kind that begins with b'\\x00"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["features.h5", "features.pkl", "features"])
def test_a_file_is_named_by_its_content(kind: str, name: str, tmp_path: pathlib.Path) -> None:
    content, message = FOREIGN[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"(?s){name}: expected HDF5 or .npz.*found {message}") as error:
        open_features(tmp_path / name)
    assert len(str(error.value)) < 1500


def test_nothing_is_unpickled(tmp_path: pathlib.Path) -> None:
    trap = Trap(tmp_path / "sprung")
    for content in (pickle.dumps(trap), pickle.dumps(trap, 0), saved(np.array([trap], dtype=object))):
        (tmp_path / "features").write_bytes(content)
        with pytest.raises(InputError, match="not read, because loading one runs code"):
            open_features(tmp_path / "features")
    assert not (tmp_path / "sprung").exists()


def run_advice(error: InputError, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the Python code of a message."""
    monkeypatch.chdir(folder)
    exec("\n".join(line.strip() for line in str(error).split("convert with\n")[1].splitlines()), {})


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(VIDEOS),
        matlab(),
        json.dumps({name: array.tolist() for name, array in VIDEOS.items()}).encode(),
        saved(np.stack(list(VIDEOS.values()))),
        saved(np.array(VIDEOS, dtype=object)),
    ],
    ids=["pickle", "MATLAB", "JSON", "array of all videos", "array of objects"],
)
@pytest.mark.parametrize("name", ["features.any", "features.npz"])
def test_the_advice_converts_a_file(
    content: bytes, name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "ids.txt").write_text("\n".join(VIDEOS))
    with pytest.raises(InputError) as error:
        open_features(tmp_path / name)
    run_advice(error.value, tmp_path, monkeypatch)
    assert (tmp_path / name).read_bytes() == content
    source = open_features(tmp_path / "features_by_id.npz")
    assert source.ids() == VIDEOS.keys()
    for video_id, array in VIDEOS.items():
        np.testing.assert_array_equal(source.read(video_id), array)


def test_the_advice_converts_a_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").write_text("A note, which is no video.")
    for video_id, array in VIDEOS.items():
        (tmp_path / f"{video_id}.pkl").write_bytes(pickle.dumps(array))
    with pytest.raises(InputError, match=r"found clip0\.pkl, a Python pickle") as error:
        open_features(tmp_path)
    run_advice(error.value, tmp_path, monkeypatch)
    source = open_features(tmp_path)
    assert source.ids() == VIDEOS.keys()
    np.testing.assert_array_equal(source.read("clip7"), VIDEOS["clip7"])


def test_folders_in_a_folder_are_named(tmp_path: pathlib.Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        np.save(tmp_path / split / "clip0.npy", VIDEOS["clip0"])
    with pytest.raises(InputError, match=r"found the folders train, val; give one of them"):
        open_features(tmp_path)


def test_an_archive_of_arrays_is_read_whatever_it_is_called(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "features.zip").open("wb") as file:
        np.savez(file, allow_pickle=False, **VIDEOS)
    source = open_features(tmp_path / "features.zip")
    assert source.ids() == VIDEOS.keys()
    np.testing.assert_array_equal(source.read("clip7"), VIDEOS["clip7"])


def test_what_lies_in_a_folder_of_hdf5_files_is_named_too(tmp_path: pathlib.Path) -> None:
    (tmp_path / "train.h5").write_bytes(pickle.dumps(VIDEOS))
    with pytest.raises(InputError, match=r"train\.h5: expected HDF5 or \.npz.*found a Python pickle"):
        open_features(tmp_path)


def rows(array: np.ndarray) -> np.ndarray:
    """The array as an array of objects, each of which is a row."""
    made = np.empty(len(array), dtype=object)
    made[:] = list(array)
    return made


@pytest.mark.parametrize("kind", ["npz", "folder of npz", "folder of npy", "folder of pickles called npy"])
def test_the_advice_converts_arrays_of_objects(
    kind: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "features"
    path.mkdir()
    for video_id, array in VIDEOS.items():
        if kind == "folder of npz":
            np.savez(path / f"{video_id}.npz", features=rows(array), fps=2.0)
        elif kind == "folder of npy":
            np.save(path / f"{video_id}.npy", rows(array))
        else:
            (path / f"{video_id}.npy").write_bytes(pickle.dumps(array))
    if kind == "npz":
        path = tmp_path / "features.npz"
        np.savez(path, **{video_id: rows(array) for video_id, array in VIDEOS.items()})
    with pytest.raises(InputError, match=r"clip7.*found Python objects; pickles are not read") as error:
        open_features(path).read("clip7")
    run_advice(error.value, tmp_path, monkeypatch)
    source = open_features(path.with_name(f"features_arrays{path.suffix}"))
    assert source.ids() == VIDEOS.keys()
    for video_id, array in VIDEOS.items():
        np.testing.assert_array_equal(source.read(video_id), array)
    if kind == "folder of npz":
        np.testing.assert_allclose(source.times("clip7", len(VIDEOS["clip7"]))[:2], [0.25, 0.75])


def test_arrays_of_objects_are_named_once_and_nothing_is_unpickled(tmp_path: pathlib.Path) -> None:
    trap = Trap(tmp_path / "sprung")
    for number in range(12):
        np.save(tmp_path / f"clip{number}.npy", np.array([trap], dtype=object))
    with pytest.raises(InputError) as error:
        profile_streams({"x": open_features(tmp_path)}, [f"clip{number}" for number in range(12)])
    assert "and 9 more: cannot be read as a plain array" in str(error.value)
    assert str(error.value).count("import numpy") == 1
    assert not (tmp_path / "sprung").exists()


def test_an_empty_hdf5_file_is_said_to_be_empty(tmp_path: pathlib.Path) -> None:
    for group in (None, "train"):
        with h5py.File(tmp_path / "features.h5", "w") as file:
            if group:
                file.create_group(group)
        for path in (tmp_path / "features.h5", tmp_path):
            with pytest.raises(
                InputError, match=r"features\.h5: this HDF5 file is empty; expected an array per video"
            ):
                open_features(path)
