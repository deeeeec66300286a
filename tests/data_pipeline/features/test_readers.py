import multiprocessing
import pathlib
import pickle
from collections.abc import Mapping

import h5py
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.hdf5 import Hdf5Features, Hdf5FolderFeatures
from data_pipeline.features.numpy_files import NpyFolderFeatures, NpzFileFeatures, NpzFolderFeatures
from data_pipeline.features.source import FeatureSource, check_features
from data_pipeline.features.streams import open_features

VIDEOS: dict[str, np.ndarray] = {
    "a": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b.c": np.arange(15, dtype=np.float32).reshape(5, 3),
    "-d": np.ones((2, 4, 3), np.float16),
}


def write_hdf5(path: pathlib.Path, videos: Mapping[str, np.ndarray] = VIDEOS, **attributes: object) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for video_id, array in videos.items():
            file[video_id] = array


def make(kind: str, folder: pathlib.Path) -> pathlib.Path:
    (folder / "notes.txt").touch()
    (folder / "._a.npy").touch()
    if kind == "hdf5":
        write_hdf5(folder / "features.h5")
        return folder / "features.h5"
    if kind == "hdf5 folder":
        write_hdf5(folder / "trn_ft.hdf5", {"a": VIDEOS["a"]})
        write_hdf5(folder / "tst_ft.h5", {name: VIDEOS[name] for name in ("b.c", "-d")})
    elif kind == "npy folder":
        for video_id, array in VIDEOS.items():
            np.save(folder / f"{video_id}.npy", array)
    elif kind == "npz folder":
        for video_id, array in VIDEOS.items():
            np.savez_compressed(folder / f"{video_id}.npz", features=array)
    else:
        np.savez(folder / "features.npz", allow_pickle=False, **VIDEOS)
        return folder / "features.npz"
    return folder


KINDS: dict[str, type] = {
    "hdf5": Hdf5Features,
    "hdf5 folder": Hdf5FolderFeatures,
    "npy folder": NpyFolderFeatures,
    "npz": NpzFileFeatures,
    "npz folder": NpzFolderFeatures,
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def path(kind: str, tmp_path: pathlib.Path) -> pathlib.Path:
    return make(kind, tmp_path)


def assert_reads_all(source: FeatureSource) -> None:
    assert source.ids() == VIDEOS.keys()
    for video_id, array in VIDEOS.items():
        read = source.read(video_id)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


def test_every_kind_reads_what_was_stored(kind: str, path: pathlib.Path) -> None:
    source = open_features(path)
    assert type(source) is KINDS[kind]
    assert_reads_all(source)
    assert path.name in source.description


def test_every_kind_names_an_absent_video(path: pathlib.Path) -> None:
    source = open_features(path, frame_rate=2.0)
    for read in (source.read, lambda video_id: source.times(video_id, 4)):
        with pytest.raises(InputError, match=r"no features of video '\.\./x'") as error:
            read("../x")
        assert str(path) in str(error.value)


def test_every_kind_takes_a_frame_rate(path: pathlib.Path) -> None:
    assert open_features(path).times("a", len(VIDEOS["a"])) is None
    source = open_features(path, frame_rate=2.5)
    for video_id, array in VIDEOS.items():
        times = source.times(video_id, len(array))
        assert times is not None and times.dtype == np.float32
        np.testing.assert_allclose(times, [(i + 0.5) / 2.5 for i in range(len(array))], rtol=1e-6)
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(InputError, match=r"'?a.*the given frame rate: expected a positive number"):
            open_features(path, frame_rate=wrong).times("a", len(VIDEOS["a"]))


def test_every_kind_can_be_sent_to_another_process(path: pathlib.Path) -> None:
    source = open_features(path, frame_rate=2.0)
    source.read("a")
    source.times("a", len(VIDEOS["a"]))
    sent = pickle.loads(pickle.dumps(source))
    assert sent.description == source.description
    assert_reads_all(sent)
    np.testing.assert_array_equal(sent.times("b.c", 5), source.times("b.c", 5))
    assert_reads_all(source)


def test_another_process_opens_the_file_anew(tmp_path: pathlib.Path) -> None:
    source = open_features(make("hdf5", tmp_path))
    source.read("a")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (read,) = pool.map(source.read, ["b.c"])
    np.testing.assert_array_equal(read, VIDEOS["b.c"])


@pytest.mark.parametrize("kind", ["hdf5", "npz"])
def test_a_file_gone_since_is_named_in_another_process(kind: str, tmp_path: pathlib.Path) -> None:
    path = make(kind, tmp_path)
    sent = pickle.dumps(open_features(path))
    path.unlink()
    with pytest.raises(InputError, match=r"features\.\w+: cannot be opened"):
        pickle.loads(sent).read("a")


def test_unusable_paths_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        open_features(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no \.npy, \.npz, \.h5, \.hdf5 files.*found nothing"):
        open_features(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"found notes\.txt"):
        open_features(tmp_path)
    np.save(tmp_path / "a.npy", VIDEOS["a"])
    with pytest.raises(InputError, match=r"a\.npy: .*one array \[2, 3\] without ids; give the folder of the"):
        open_features(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", features=VIDEOS["a"])
    with pytest.raises(InputError, match=r"several kinds, such as a\.npy and b\.npz"):
        open_features(tmp_path)


@pytest.mark.parametrize("reader", [NpyFolderFeatures, NpzFolderFeatures, Hdf5FolderFeatures])
def test_readers_of_folders_refuse_an_empty_one(
    reader: type[NpyFolderFeatures] | type[NpzFolderFeatures] | type[Hdf5FolderFeatures],
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(InputError, match=r"no .* in this folder; check the path"):
        reader(tmp_path)


def test_video_in_two_files_is_named(tmp_path: pathlib.Path) -> None:
    write_hdf5(tmp_path / "trn.hdf5")
    write_hdf5(tmp_path / "tst.hdf5", {"a": VIDEOS["a"], "z": VIDEOS["a"]})
    with pytest.raises(InputError, match=r"video 'a' is in trn\.hdf5 and in tst\.hdf5; keep it in one"):
        open_features(tmp_path)


def test_file_of_another_kind_is_named(tmp_path: pathlib.Path) -> None:
    for name in ("a.h5", "a.npz"):
        (tmp_path / name).write_text("a text, long enough to hold a signature, but it is none")
        with pytest.raises(InputError, match=f"{name}: expected HDF5 or .npz.*found a text file that begins"):
            open_features(tmp_path / name)


def test_files_cut_short_are_named(tmp_path: pathlib.Path) -> None:
    write_hdf5(tmp_path / "a.h5")
    np.savez(tmp_path / "a.npz", allow_pickle=False, **VIDEOS)
    for name, message in (("a.h5", "cannot be opened as HDF5"), ("a.npz", "cannot be opened as an archive")):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match=f"{name}: {message}.*; download or copy it again"):
            open_features(tmp_path / name)


def test_hdf5_entries_that_are_no_arrays_are_named(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["video2"] = np.dtype(np.float32)
    source = open_features(tmp_path / "a.h5")
    for read in (source.read, lambda video_id: source.times(video_id, 4)):
        with pytest.raises(InputError, match=r"'video2'.*found a datatype; store each"):
            read("video2")


def test_hdf5_groups_of_videos_are_read(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["-d"] = VIDEOS["-d"]
        for video_id, group in (("a", "train"), ("b.c", "test")):
            file[f"{group}/{video_id}"] = VIDEOS[video_id]
        file["test"].attrs["fps"] = 2.0
    source = open_features(tmp_path / "a.h5")
    assert_reads_all(source)
    assert_reads_all(pickle.loads(pickle.dumps(source)))
    assert source.times("a", 2) is None
    np.testing.assert_allclose(source.times("b.c", 5), (np.arange(5) + 0.5) / 2)


def test_hdf5_groups_that_are_videos_are_read(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for video_id, array in VIDEOS.items():
            file[f"{video_id}/features"] = array
        file["a/times"] = [1.0, 3.0]
        file["b.c/fps"] = 4.0
    source = open_features(tmp_path / "a.h5")
    assert_reads_all(source)
    np.testing.assert_allclose(source.times("a", 2), [1, 3])
    np.testing.assert_allclose(source.times("b.c", 5), (np.arange(5) + 0.5) / 4)
    with pytest.raises(
        InputError, match=r"'times' of the group's data sets: expected the seconds of 5 frames"
    ):
        source.times("a", 5)


def test_hdf5_groups_that_cannot_be_read_are_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for number in range(9):
            file[f"train/part{number}/video"] = VIDEOS["a"]
    with pytest.raises(InputError, match=r"group 'train' holds groups \(part0.*9 in all\)\); expected"):
        open_features(path)
    with h5py.File(path, "w") as file:
        file["train/a"] = file["test/a"] = VIDEOS["a"]
    with pytest.raises(InputError, match=r"the id 'a' occurs twice, at 'test/a' and at 'train/a'; keep one"):
        open_features(path)


def test_hdf5_of_matlab_is_not_read_with_its_axes_in_reverse_order(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["clip0"] = VIDEOS["a"].T
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + path.read_bytes()[512:])
    with pytest.raises(
        InputError, match=r"a MATLAB 7\.3 file; the axes of its arrays are in reverse"
    ) as error:
        open_features(path)
    exec("\n".join(line.strip() for line in str(error.value).split("convert with\n")[1].splitlines()), {})
    np.testing.assert_array_equal(open_features(tmp_path / "a_by_id.npz").read("clip0"), VIDEOS["a"])


def test_a_folder_of_many_files_has_a_short_description(tmp_path: pathlib.Path) -> None:
    for number in range(40):
        write_hdf5(tmp_path / f"part{number:02}.h5", {f"clip{number}": VIDEOS["a"]})
    assert open_features(tmp_path).description.endswith("part03.h5, part04.h5, … (40 in all)")


def test_hdf5_with_damaged_data_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        array = np.arange(300, dtype=np.float32).reshape(100, 3)
        dataset = file.create_dataset("video1", data=array, chunks=(100, 3), compression="gzip")
        offset = dataset.id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(InputError, match="'video1': broken data"):
        open_features(path).read("video1")


def test_hdf5_with_a_damaged_table_of_contents_is_named(tmp_path: pathlib.Path) -> None:
    write_hdf5(tmp_path / "a.h5")
    data = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data.replace(b"SNOD", b"XXXX"))
    with pytest.raises(InputError, match=r"a\.h5: broken data"):
        open_features(tmp_path / "a.h5")


def test_hdf5_ragged_array_reads_as_objects_which_the_check_refuses(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("video1", (2,), h5py.vlen_dtype(np.float32))
        dataset[0], dataset[1] = [1.0], [1.0, 2.0]
    array = open_features(tmp_path / "a.h5").read("video1")
    with pytest.raises(InputError, match="found dtype object"):
        check_features(array, "video1", "a.h5", None)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x09\x00{'descr':"]
)
def test_damaged_npy_is_named(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "video1.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"video1\.npy: cannot be read"):
        open_features(tmp_path).read("video1")


def test_npy_cut_short_or_of_objects_or_an_archive_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "video1.npy"
    np.save(path, VIDEOS["b.c"])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="cannot be read"):
        open_features(tmp_path).read("video1")
    np.save(path, np.array([[1.0], [1.0, 2.0]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        open_features(tmp_path).read("video1")
    with path.open("wb") as file:
        np.savez(file, frames=VIDEOS["a"])
    with pytest.raises(InputError, match="archive of arrays"):
        open_features(tmp_path).read("video1")


def test_broken_or_foreign_members_of_npz_are_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, video1=VIDEOS["b.c"], video2=np.array([None]))
    path.write_bytes(path.read_bytes().replace(VIDEOS["b.c"].tobytes(), bytes(VIDEOS["b.c"].nbytes)))
    source = open_features(path)
    for video_id in ("video1", "video2"):
        with pytest.raises(InputError, match=rf"a\.npz, '{video_id}': cannot be read as a plain array"):
            source.read(video_id)
    with pytest.raises(InputError, match=r"a\.npz: expected an array 'features', found video1, video2"):
        open_features(tmp_path).read("a")
    np.savez(path, fps=25.0)
    with pytest.raises(InputError, match="no arrays in this archive"):
        open_features(path)


def test_real_features(shared_data: pathlib.Path) -> None:
    source = open_features(shared_data / "msrvtt_800" / "vgg16_ae128.hdf5")
    assert len(source.ids()) == 800
    expected = None
    for video_id in sorted(source.ids())[:20]:
        expected = check_features(source.read(video_id), video_id, source.description, expected)
    assert expected is not None and expected.shape == (128,)
