"""Features that are written are read as they were, however many frames and parts a clip has."""

import dataclasses
import pathlib

import numpy as np
import pytest

from data_pipeline.features.provenance import Provenance, SourceClip
from data_pipeline.features.streams import open_features
from data_pipeline.features.write_hdf5 import StoredClip, command_of, stored_clips, write_features

MADE = Provenance(encoder="e", sha256="0", preprocessing="none", opened_as="e", width=2, frames=3)


def clip(frames: int, regions: int = 0, parts: int = 0) -> StoredClip:
    shape = (frames, regions, 2) if regions else (frames, 2)
    features = np.random.default_rng(frames).normal(size=shape).astype(np.float16)
    times = tuple((float(n), float(n + 1)) for n in range(parts))
    return StoredClip(
        features, np.arange(frames) / 7, SourceClip("/clips/x.mp4", times), frames / 7, "cut", "key"
    )


@pytest.mark.parametrize("frames", [1, 3000, 30_000])
@pytest.mark.parametrize("regions", [0, 3])
@pytest.mark.parametrize("parts", [0, 5, 5000])
def test_what_is_written_is_read(tmp_path: pathlib.Path, frames: int, regions: int, parts: int) -> None:
    one, path = clip(frames, regions, parts), tmp_path / "f.hdf5"
    write_features(path, MADE, "all of it", [("a 犬", one)])
    source = open_features(path)
    assert source.ids() == {"a 犬"} and source.provenance() == MADE
    assert np.array_equal(source.read("a 犬"), one.features)
    assert np.array_equal(source.times("a 犬", frames), one.seconds.astype(np.float32))
    assert source.clip("a 犬") == one.clip
    [(video_id, again)] = stored_clips(path)
    assert video_id == "a 犬" and np.array_equal(again.features, one.features)
    for field in ("clip", "length", "cut_short", "key"):
        assert getattr(again, field) == getattr(one, field)
    assert np.array_equal(again.seconds, one.seconds)
    assert command_of(path) == "all of it"
    assert [each.name for each in tmp_path.iterdir()] == ["f.hdf5"]


def test_equal_features_give_equal_bytes(tmp_path: pathlib.Path) -> None:
    clips = [("a", clip(3)), ("b", clip(30_000, parts=9)), ("c", clip(5))]
    for name in ("one", "two"):
        write_features(tmp_path / name, MADE, "x", clips)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_appears_when_all_is_written(tmp_path: pathlib.Path) -> None:
    def broken():
        yield "a", clip(3)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_features(tmp_path / "f.hdf5", MADE, "x", broken())
    assert not list(tmp_path.iterdir())


def test_files_of_others_are_not_taken_for_ours(tmp_path: pathlib.Path) -> None:
    other = dataclasses.replace(clip(3), key="")
    (tmp_path / "text").write_text("no HDF5")
    write_features(tmp_path / "f.hdf5", MADE, "x", [("a", other)])
    import h5py

    with h5py.File(tmp_path / "f.hdf5", "a") as file:
        del file.attrs["command"], file["a"].attrs["key"]
    for name in ("text", "f.hdf5", "absent"):
        assert command_of(tmp_path / name) is None
        assert list(stored_clips(tmp_path / name)) == []
