from pathlib import Path

import numpy as np
import pytest

from data_pipeline.feature_streams import StreamReader, stream_names
from data_pipeline.manifest import FRAMES, REGIONS
from mcsan_jax.errors import InputError


class _Arrays:
    description = "arrays of a test"

    def __init__(self, **arrays: np.ndarray) -> None:
        self._arrays = arrays

    def ids(self) -> set[str]:
        return set(self._arrays)

    def read(self, video_id: str) -> np.ndarray:
        return self._arrays[video_id]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(5, 2, shape)


def test_names_of_streams() -> None:
    given = ["a/vgg16.v2.h5", "motion=b/i3d", "runs/lr=0.1/feats"]
    assert stream_names(given) == {
        "vgg16_v2": Path("a/vgg16.v2.h5"),
        "motion": Path("b/i3d"),
        "feats": Path("runs/lr=0.1/feats"),
    }


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_only_counted_videos_enter_the_statistics(dtype: type) -> None:
    arrays: dict[str, np.ndarray] = {
        name: _random(count, 4).astype(dtype) for name, count in (("a", 3), ("b", 7), ("c", 5))
    }
    reader = StreamReader("s", _Arrays(**arrays), "a")
    assert (reader.describe().mean, reader.describe().std) == ((0.0,) * 4, (1.0,) * 4)
    for name in "abc":
        read = reader.read(name, count=name != "c")
        assert read.dtype == np.float16
        np.testing.assert_array_equal(read, arrays[name].astype(np.float16))
    counted = np.concatenate([arrays[name].astype(np.float16) for name in "ab"]).astype(np.float64)
    stream = reader.describe()
    np.testing.assert_allclose(stream.mean, counted.mean(axis=0))
    np.testing.assert_allclose(stream.std, counted.std(axis=0))
    assert (stream.name, stream.kind, stream.dim, stream.regions) == ("s", FRAMES, 4, 0)
    assert stream.source == "arrays of a test"


def test_regions_share_the_statistics_of_a_dimension() -> None:
    array = _random(6, 3, 4).astype(np.float32)
    reader = StreamReader("s", _Arrays(a=array), "a")
    assert reader.has_regions
    reader.read("a", count=True)
    stream = reader.describe()
    assert (stream.kind, stream.dim, stream.regions) == (REGIONS, 4, 3)
    np.testing.assert_allclose(stream.mean, array.astype(np.float16).astype(float).mean(axis=(0, 1)))


def test_first_video_sets_the_shape_of_a_frame() -> None:
    arrays = _Arrays(a=_random(3, 4), b=_random(3, 5), c=_random(3, 2, 4), d=_random(0, 4))
    reader = StreamReader("s", arrays, "a")
    for video_id, message in (
        ("b", "dimension 5, but 4 in video 'a'"),
        ("c", "dimension 2 × 4"),
        ("d", "no frames"),
    ):
        with pytest.raises(InputError, match=f"arrays of a test, video '{video_id}'.*{message}"):
            reader.read(video_id, count=True)
    assert reader.describe().mean == (0.0,) * 4
    with pytest.raises(InputError, match="no frames"):
        StreamReader("s", arrays, "d")
