import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.features.readers import open_features
from data_pipeline.features.statistics import RELATIVE_FLOOR, RunningStatistics


@given(
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any),
    shift=st.sampled_from([0.0, -3.0, 1e7]),
    seed=st.integers(0, 1000),
)
def test_parts_give_the_statistics_of_the_whole(lengths, shift, seed):
    vectors = shift + np.random.default_rng(seed).normal(size=(sum(lengths), 5)) * [1, 2, 3, 4, 5]
    statistics = RunningStatistics()
    for part in np.split(vectors, np.cumsum(lengths)[:-1]):
        statistics.update(part)
    assert statistics.count == len(vectors)
    np.testing.assert_allclose(statistics.mean, vectors.mean(0), rtol=1e-12, atol=1e-12)
    if len(vectors) > 10:
        np.testing.assert_allclose(statistics.std, vectors.std(0), rtol=1e-7)


def test_regions_count_as_vectors_and_half_precision_does_not_overflow():
    array = np.full((300, 7, 2), 60_000, np.float16)
    array[:, :, 1] = np.arange(7)
    statistics = RunningStatistics()
    statistics.update(array)
    assert statistics.count == 2100
    np.testing.assert_allclose(statistics.mean, [60_000, 3])
    assert statistics.std.dtype == np.float64
    np.testing.assert_allclose(statistics.std, [RELATIVE_FLOOR * 2 / np.sqrt(2), 2])


def test_deviation_is_one_where_nothing_varies():
    statistics = RunningStatistics()
    statistics.update(np.full((3, 2), 0.5, np.float32))
    np.testing.assert_array_equal(statistics.std, [1, 1])


def test_misuse_is_refused():
    statistics = RunningStatistics()
    with pytest.raises(ValueError, match="no vectors"):
        _ = statistics.mean
    with pytest.raises(ValueError, match="no vectors"):
        _ = statistics.std
    statistics.update(np.ones((2, 3)))
    with pytest.raises(ValueError, match="dimension 3, found 4"):
        statistics.update(np.ones((2, 4)))


def test_real_features_become_standard(shared_data):
    source = open_features(shared_data / "msrvtt_800" / "vgg16_ae128.hdf5")
    arrays = [source.read(video_id) for video_id in sorted(source.ids())[:50]]
    statistics = RunningStatistics()
    for array in arrays:
        statistics.update(array)
    frames = (np.concatenate(arrays).astype(np.float64) - statistics.mean) / statistics.std
    np.testing.assert_allclose(frames.mean(0), 0, atol=1e-9)
    assert np.all(frames.std(0) < 1 + 1e-9)
