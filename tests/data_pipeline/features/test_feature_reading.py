import dataclasses
import pathlib
import pickle

import h5py
import numpy as np
import pytest

from data_pipeline.annotations.caption import Segment
from data_pipeline.errors import InputError
from data_pipeline.features.frames import FrameOptions
from data_pipeline.features.source import FeatureSource
from data_pipeline.features.streams import FeatureReader, VideoFrames, open_features
from data_pipeline.manifest import FRAMES, REGIONS
from data_pipeline.records.schema import VideoRecord, flatten_record


@dataclasses.dataclass
class Arrays(FeatureSource):
    """Features in memory; frames at a rate, at given times, or at unknown ones."""

    arrays: dict[str, np.ndarray]
    rate: float = 0.0
    seconds: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    description: str = "arrays of a test"

    def ids(self) -> set[str]:
        return set(self.arrays)

    def read(self, video_id: str) -> np.ndarray:
        return self.arrays[video_id]

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        if video_id in self.seconds:
            return self.seconds[video_id]
        if not self.rate:
            return None
        return ((np.arange(len(self.arrays[video_id])) + 0.5) / self.rate).astype(np.float32)


def numbered(frames: int, *shape: int) -> np.ndarray:
    """Every value of frame ``i`` is ``i``."""
    return np.broadcast_to(
        np.arange(frames, dtype=np.float32).reshape(-1, *(1 for _ in shape)), (frames, *shape)
    )


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(5, 2, shape)


def kept(array: np.ndarray) -> list[int]:
    return array.reshape(len(array), -1)[:, 0].astype(int).tolist()


def two_streams(
    slow: int, fast: int, options: FrameOptions, slow_rate: float = 1.0, fast_rate: float = 3.0
) -> FeatureReader:
    sources: dict[str, FeatureSource] = {
        "slow": Arrays({"v": numbered(slow, 4)}, slow_rate),
        "fast": Arrays({"v": numbered(fast, 2, 3)}, fast_rate),
    }
    return FeatureReader(sources, "v", options)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_only_counted_videos_enter_the_statistics(dtype: type) -> None:
    arrays: dict[str, np.ndarray] = {
        name: random(count, 4).astype(dtype) for name, count in (("a", 3), ("b", 7), ("c", 5))
    }
    reader = FeatureReader({"s": Arrays(arrays)}, "a")
    statistics = reader.new_statistics()
    (empty,) = reader.describe(statistics)
    assert (empty.mean, empty.std) == ((0.0,) * 4, (1.0,) * 4)
    for name in "abc":
        read = reader.read(name)
        assert read.regions == {} and read.times.shape == (0,) and read.times.dtype == np.float32
        assert read.frames["s"].dtype == np.float16
        np.testing.assert_array_equal(read.frames["s"], arrays[name].astype(np.float16))
        if name != "c":
            statistics["s"].update(read.frames["s"])
    counted = np.concatenate([arrays[name].astype(np.float16) for name in "ab"]).astype(np.float64)
    (stream,) = reader.describe(statistics)
    np.testing.assert_allclose(stream.mean, counted.mean(axis=0))
    np.testing.assert_allclose(stream.std, counted.std(axis=0))
    assert (stream.name, stream.kind, stream.dim, stream.regions) == ("s", FRAMES, 4, 0)
    assert stream.source == "arrays of a test"


def test_regions_share_the_statistics_of_a_dimension() -> None:
    array = random(6, 3, 4).astype(np.float32)
    reader = FeatureReader({"f": Arrays({"a": random(6, 2)}), "r": Arrays({"a": array})}, "a")
    statistics = reader.new_statistics()
    read = reader.read("a")
    assert (list(read.frames), list(read.regions)) == (["f"], ["r"])
    statistics["r"].update(read.regions["r"])
    first, second = reader.describe(statistics)
    assert (first.name, second.name) == ("f", "r")
    assert (second.kind, second.dim, second.regions) == (REGIONS, 4, 3)
    np.testing.assert_allclose(second.mean, array.astype(np.float16).astype(float).mean(axis=(0, 1)))


def test_first_video_sets_the_shape_of_a_frame() -> None:
    arrays = Arrays({"a": random(3, 4), "b": random(3, 5), "c": random(3, 2, 4), "d": random(0, 4)})
    reader = FeatureReader({"s": arrays}, "a")
    for video_id, message in (
        ("b", "dimension 5, but 4 in video 'a'"),
        ("c", "dimension 2 × 4"),
        ("d", "no frames"),
    ):
        with pytest.raises(InputError, match=f"arrays of a test, video '{video_id}'.*{message}"):
            reader.read(video_id)
    with pytest.raises(InputError, match="no frames"):
        FeatureReader({"s": arrays}, "d")


def test_streams_keep_their_own_lengths_unless_they_are_aligned() -> None:
    read = two_streams(4, 10, FrameOptions()).read("v")
    assert kept(read.frames["slow"]) == list(range(4))
    assert kept(read.regions["fast"]) == list(range(10))
    np.testing.assert_allclose(read.times, (np.arange(10) + 0.5) / 3, rtol=1e-6)

    read = two_streams(4, 10, FrameOptions(count=5)).read("v")
    assert kept(read.frames["slow"]) == list(range(4))
    assert kept(read.regions["fast"]) == [0, 2, 4, 7, 9]
    np.testing.assert_allclose(read.times, [(i + 0.5) / 3 for i in (0, 2, 4, 7, 9)], rtol=1e-6)


@pytest.mark.parametrize(("slow", "fast"), [(4, 12), (4, 20), (9, 10), (1, 7), (5, 5), (12, 3)])
@pytest.mark.parametrize("count", [0, 3, 100])
def test_aligned_streams_agree_with_a_plain_search(slow: int, fast: int, count: int) -> None:
    options = FrameOptions(alignment="time", count=count)
    reader = two_streams(slow, fast, options, slow_rate=1.0, fast_rate=4.0)
    read = reader.read("v")
    seconds = {
        "slow": [(i + 0.5) / 1.0 for i in range(slow)],
        "fast": [(i + 0.5) / 4.0 for i in range(fast)],
    }
    clock = "slow" if slow >= fast else "fast"
    chosen = list(range(len(seconds[clock])))
    if count and len(chosen) > count:
        chosen = np.round(np.linspace(0, len(chosen) - 1, count)).astype(int).tolist()
    for name, array in (("slow", read.frames["slow"]), ("fast", read.regions["fast"])):
        expected = []
        for index in chosen:
            distances = [abs(time - seconds[clock][index]) for time in seconds[name]]
            expected.append(distances.index(min(distances)))
        assert kept(array) == expected
    assert read.times.tolist() == [seconds[clock][index] for index in chosen]


def test_times_are_those_of_a_longest_stream_that_knows_them() -> None:
    sources: dict[str, FeatureSource] = {
        "unknown": Arrays({"v": numbered(4, 2), "w": numbered(5, 2)}),
        "known": Arrays({"v": numbered(4, 2), "w": numbered(4, 2)}, rate=2.0),
    }
    reader = FeatureReader(sources, "v")
    assert reader.read("v").times.tolist() == [0.25, 0.75, 1.25, 1.75]
    assert reader.read("w").times.shape == (0,)


def test_segments_are_cut_before_alignment_and_sampling() -> None:
    options = FrameOptions(alignment="time", count=3)
    read = two_streams(10, 30, options).read("clip", Segment("v", 2.0, 4.0))
    assert kept(read.regions["fast"]) == [6, 8, 11]
    assert kept(read.frames["slow"]) == [2, 2, 3]
    np.testing.assert_allclose(read.times, [6.5 / 3, 8.5 / 3, 11.5 / 3], rtol=1e-6)
    read = two_streams(10, 30, FrameOptions()).read("clip", Segment("v", 2.0, 4.0))
    assert (kept(read.frames["slow"]), kept(read.regions["fast"])) == ([2, 3], list(range(6, 12)))


def test_a_segment_outside_the_frames_is_named() -> None:
    reader = two_streams(10, 30, FrameOptions())
    message = (
        r"video 'clip': no frame in its segment of 'v', 8\.6 s to 9\.4 s; "
        r"frames of stream 'slow' range from 0\.5 s to 9\.5 s"
    )
    with pytest.raises(InputError, match=message):
        reader.read("clip", Segment("v", 8.6, 9.4))


def test_unknown_times_are_named_where_they_are_needed() -> None:
    sources: dict[str, FeatureSource] = {
        "known": Arrays({"v": numbered(4, 2)}, rate=2.0),
        "other": Arrays({"v": numbered(3, 2)}, description="HDF5 file b.h5"),
    }
    with pytest.raises(InputError, match=r"b\.h5, video 'v': cutting out 'clip'.*give --frame_rate=other="):
        FeatureReader(sources, "v").read("clip", Segment("v", 0, 1))
    with pytest.raises(InputError, match=r"b\.h5, video 'v': alignment by time.*give --frame_rate=other="):
        FeatureReader(sources, "v", FrameOptions(alignment="time")).read("v")


def test_times_of_another_number_of_frames_are_named() -> None:
    source = Arrays({"v": numbered(4, 2)}, seconds={"v": np.arange(3, dtype=np.float32)})
    with pytest.raises(InputError, match="arrays of a test, video 'v': expected the seconds of 4 frames"):
        FeatureReader({"s": source}, "v").read("v")


def assert_equal(first: VideoFrames, second: VideoFrames) -> None:
    for field in ("frames", "regions"):
        one, other = getattr(first, field), getattr(second, field)
        assert one.keys() == other.keys()
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert first.times.tobytes() == second.times.tobytes()


def test_a_reader_of_files_gives_the_same_in_another_process_and_fits_a_record(
    tmp_path: pathlib.Path,
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = random(7, 3)
        file["v"].attrs["fps"] = 2.0
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "b" / "v.npy", random(20, 2, 5))
    sources: dict[str, FeatureSource] = {
        "a": open_features(tmp_path / "a.h5"),
        "b": open_features(tmp_path / "b", frame_rate=6.0),
    }
    reader = FeatureReader(sources, "v", FrameOptions(alignment="time", count=11))
    read = reader.read("v", Segment("v", 0.5, 3.0))
    assert_equal(read, reader.read("v", Segment("v", 0.5, 3.0)))
    assert_equal(read, pickle.loads(pickle.dumps(reader)).read("v", Segment("v", 0.5, 3.0)))
    record = VideoRecord("v", read.frames, read.regions, read.times, [], [], {})
    flat = flatten_record(record, reader.describe(reader.new_statistics()))
    assert (len(flat["frames"]["a"]), len(flat["regions"]["b"]), len(flat["frame_times"])) == (11, 11, 11)
