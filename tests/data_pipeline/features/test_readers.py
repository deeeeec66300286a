import h5py
import numpy as np
import pytest

from data_pipeline.features.checks import check_features
from data_pipeline.features.readers import Hdf5Features, NpyFolderFeatures, open_features
from mcsan_jax.errors import InputError

VIDEOS = {
    "a": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b.c": np.arange(15, dtype=np.float32).reshape(5, 3),
    "d": np.ones((2, 4, 3), np.float16),
}


@pytest.fixture(params=["hdf5", "npy"])
def path(request, tmp_path):
    if request.param == "npy":
        for video_id, array in VIDEOS.items():
            np.save(tmp_path / f"{video_id}.npy", array)
        (tmp_path / "notes.txt").touch()
        return tmp_path
    with h5py.File(tmp_path / "features.h5", "w") as file:
        for video_id, array in VIDEOS.items():
            file[video_id] = array
    return tmp_path / "features.h5"


def test_every_kind_reads_what_was_stored(path):
    source = open_features(path)
    assert source.ids() == VIDEOS.keys()
    for video_id, array in VIDEOS.items():
        read = source.read(video_id)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
    assert path.name in source.description


def test_every_kind_names_an_absent_video(path):
    with pytest.raises(InputError, match=r"no features of video '\.\./x'"):
        open_features(path).read("../x")


def test_kinds_are_chosen_by_the_path(tmp_path, path):
    assert isinstance(open_features(path), NpyFolderFeatures if path.is_dir() else Hdf5Features)
    with pytest.raises(InputError, match="no such file or folder"):
        open_features(tmp_path / "nowhere")


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no \.npy files"):
        open_features(tmp_path)


def test_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "a.h5").write_text("a text, long enough to hold a signature, but it is none")
    with pytest.raises(InputError, match=r"a\.h5: cannot be opened as HDF5"):
        open_features(tmp_path / "a.h5")


def test_hdf5_group_in_place_of_an_array_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["video1/frames"] = VIDEOS["a"]
    with pytest.raises(InputError, match=r"'video1'.*found a group that holds frames"):
        open_features(tmp_path / "a.h5").read("video1")


def test_hdf5_with_damaged_data_is_named(tmp_path):
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


def test_hdf5_ragged_array_reads_as_objects_which_the_check_refuses(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("video1", (2,), h5py.vlen_dtype(np.float32))
        dataset[0], dataset[1] = [1.0], [1.0, 2.0]
    array = open_features(tmp_path / "a.h5").read("video1")
    with pytest.raises(InputError, match="found dtype object"):
        check_features(array, "video1", "a.h5", None)


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00"])
def test_damaged_npy_is_named(tmp_path, content):
    (tmp_path / "video1.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"video1\.npy: cannot be read"):
        open_features(tmp_path).read("video1")


def test_npy_cut_short_or_of_objects_or_an_archive_is_named(tmp_path):
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


def test_real_features(shared_data):
    source = open_features(shared_data / "msrvtt_800" / "vgg16_ae128.hdf5")
    assert len(source.ids()) == 800
    expected = None
    for video_id in sorted(source.ids())[:20]:
        expected = check_features(source.read(video_id), video_id, source.description, expected)
    assert expected is not None and expected.shape == (128,)
