import json
import math
import pathlib
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data_pipeline.features.statistics import RELATIVE_FLOOR, RunningStatistics
from data_pipeline.features.streams import open_features

LARGEST, SMALLEST = 65504.0, 2.0**-24
EXTREME = st.sampled_from(
    [LARGEST, -LARGEST, SMALLEST, -SMALLEST, 3 * SMALLEST, 0.0, -0.0, 1.0, 1 + 2.0**-10]
)
FINITE = st.floats(width=16, allow_nan=False, allow_infinity=False)
VECTORS = hnp.arrays(
    np.float16,
    st.tuples(st.integers(1, 25), st.integers(1, 3)),
    elements=st.one_of(EXTREME, FINITE),
    fill=st.nothing(),
)


def counted(*arrays: np.ndarray) -> RunningStatistics:
    statistics = RunningStatistics()
    for array in arrays:
        statistics.update(array)
    return statistics


def exact_moments(vectors: np.ndarray) -> tuple[list[Fraction], list[Fraction]]:
    """Mean and variance of each column in fractions."""
    means, variances = [], []
    for column in vectors.T.tolist():
        values = [Fraction(value) for value in column]
        means.append(sum(values, Fraction()) / len(values))
        variances.append(sum(((value - means[-1]) ** 2 for value in values), Fraction()) / len(values))
    return means, variances


@given(vectors=VECTORS, data=st.data())
def test_any_split_and_order_gives_the_moments_of_fractions(vectors: np.ndarray, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(vectors))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(vectors)), max_size=5)))
    parts = np.split(vectors[order], cuts)
    merged = counted(parts[0])
    for part in parts[1:]:
        if data.draw(st.booleans()):
            merged.merge(counted(part))
        else:
            merged.update(part)
    assert merged.count == len(vectors)

    means, variances = exact_moments(vectors)
    # Sums of so few float16 values are exact in float64.
    assert merged.mean.tolist() == [float(mean) for mean in means]
    deviations = [math.sqrt(variance) for variance in variances]
    floor = RELATIVE_FLOOR * math.sqrt(math.fsum(map(float, variances)) / len(variances))
    expected = [max(deviation, floor) for deviation in deviations] if floor else [1.0] * len(deviations)
    np.testing.assert_allclose(merged.std, expected, rtol=1e-12)


@given(vectors=VECTORS)
def test_state_survives_json_and_pickle(vectors: np.ndarray) -> None:
    whole = counted(vectors)
    for copy in (
        RunningStatistics.from_json(json.loads(json.dumps(whole.to_json()))),
        pickle.loads(pickle.dumps(whole)),
    ):
        copy.update(vectors[:1])
        again = counted(vectors, vectors[:1])
        assert copy.to_json() == again.to_json()
        assert (copy.mean.tobytes(), copy.std.tobytes()) == (again.mean.tobytes(), again.std.tobytes())


def test_empty_statistics_are_neutral() -> None:
    empty = RunningStatistics.from_json(RunningStatistics().to_json())
    assert empty.to_json() == RunningStatistics().to_json() == {"count": 0, "sums": [], "squares": []}
    some = counted(np.ones((2, 3), np.float16))
    before = some.to_json()
    some.merge(empty)
    some.update(np.ones((0, 3), np.float16))
    assert some.to_json() == before
    empty.merge(some)
    assert empty.to_json() == before


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, SMALLEST, 0.1])
def test_many_equal_values_neither_overflow_nor_vary(value: float) -> None:
    statistics = counted(np.full((1001, 2), value, np.float16))
    for _ in range(30):
        statistics.merge(statistics)
    assert statistics.count == 1001 << 30
    np.testing.assert_array_equal(statistics.mean, [np.float16(value)] * 2)
    np.testing.assert_array_equal(statistics.std, [1, 1])


def test_arrays_of_another_layout_in_memory_give_the_same_bits() -> None:
    array = np.random.default_rng(0).normal(size=(3000, 5)).astype(np.float16)
    assert counted(np.asfortranarray(array)).to_json() == counted(array).to_json()


def test_a_small_spread_about_a_large_mean_is_not_lost() -> None:
    vectors = np.full((1000, 1), 60_000, np.float16)
    vectors[::2] += np.float16(32)
    np.testing.assert_array_equal(counted(vectors).std, [16])
    np.testing.assert_allclose(
        counted(*np.split(vectors, 40), vectors[:9], vectors[1:10]).std, [16], rtol=1e-12
    )


def test_regions_count_as_vectors_and_half_precision_does_not_overflow() -> None:
    array = np.full((300, 7, 2), 60_000, np.float16)
    array[:, :, 1] = np.arange(7)
    statistics = counted(array)
    assert statistics.count == 2100
    np.testing.assert_allclose(statistics.mean, [60_000, 3])
    assert statistics.std.dtype == np.float64
    np.testing.assert_allclose(statistics.std, [RELATIVE_FLOOR * 2 / np.sqrt(2), 2])


def test_deviation_is_one_where_nothing_varies() -> None:
    np.testing.assert_array_equal(counted(np.full((3, 2), 0.1, np.float16)).std, [1, 1])


def test_misuse_is_refused_and_changes_nothing() -> None:
    statistics = RunningStatistics()
    for read in (lambda: statistics.mean, lambda: statistics.std):
        with pytest.raises(ValueError, match="no vectors"):
            read()
    statistics.update(np.ones((2, 3), np.float16))
    before = statistics.to_json()
    with pytest.raises(ValueError, match="dimension 3, found 4"):
        statistics.update(np.ones((2, 4), np.float16))
    with pytest.raises(ValueError, match="dimension 3, found 4"):
        statistics.merge(counted(np.ones((2, 4), np.float16)))
    for dtype in (np.float32, np.float64, np.uint16):
        with pytest.raises(ValueError, match="expected float16 vectors"):
            statistics.update(np.ones((2, 3), dtype))
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="expected finite vectors"):
            statistics.update(np.array([[1, value, 1]], np.float16))
    assert statistics.to_json() == before


@pytest.fixture(scope="module")
def real_arrays(shared_data: pathlib.Path) -> list[np.ndarray]:
    source = open_features(shared_data / "msrvtt_800" / "vgg16_ae128.hdf5")
    return [source.read(video_id).astype(np.float16) for video_id in sorted(source.ids())]


def test_moments_of_real_features_are_those_of_whole_numbers(real_arrays: list[np.ndarray]) -> None:
    """A float16 is a multiple of 2**-24: sums of such and of their squares are exact in Python's integers."""
    statistics = RunningStatistics()
    for start in range(0, len(real_arrays), 100):
        statistics.merge(counted(*real_arrays[start : start + 100]))
    dim = real_arrays[0].shape[-1]
    sums, squares = np.zeros(dim, object), np.zeros(dim, object)
    for array in real_arrays:
        units = (array.astype(np.float64) * 2.0**24).astype(np.int64).astype(object)
        sums += units.sum(axis=0)
        squares += (units * units).sum(axis=0)
    count = sum(map(len, real_arrays))
    assert statistics.count == count == 40_000
    mean = np.array([total / (count << 24) for total in sums])
    variance = np.array(
        [(count * two - one**2) / (count**2 << 48) for one, two in zip(sums, squares, strict=True)]
    )
    std = np.maximum(np.sqrt(variance), RELATIVE_FLOOR * math.sqrt(math.fsum(variance) / dim))
    assert statistics.mean.tobytes() == mean.tobytes()
    np.testing.assert_allclose(statistics.std, std, rtol=1e-15)
    np.testing.assert_array_equal(statistics.std.astype(np.float32), std.astype(np.float32))


def test_real_features_become_standard(real_arrays: list[np.ndarray]) -> None:
    arrays = real_arrays[:50]
    statistics = counted(*arrays)
    frames = (np.concatenate(arrays).astype(np.float64) - statistics.mean) / statistics.std
    np.testing.assert_allclose(frames.mean(0), 0, atol=1e-9)
    assert np.all(frames.std(0) < 1 + 1e-9)
