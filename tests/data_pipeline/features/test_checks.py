from typing import Any

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.source import FrameShape, check_features

GOOD = np.ones((4, 3), np.float32)


def changed(index: Any, value: float) -> np.ndarray:
    array = GOOD.copy()
    array[index] = value
    return array


def test_first_video_sets_what_the_others_must_have() -> None:
    expected = check_features(GOOD, "first", "file", None)
    assert expected == FrameShape((3,), "first")
    assert check_features(np.ones((9, 3), np.float16), "second", "file", expected) is expected
    assert check_features(np.ones((9, 2, 3), np.float64), "third", "file", None).shape == (2, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 5), np.float32), "dimension 5, but 3 in video 'first'"),
        (np.ones((4, 2, 3), np.float32), "dimension 2 × 3, but 3 in video 'first'"),
        (changed((2, 1), np.nan), "1 values are NaN or infinite, the first in frame 2"),
        (changed(slice(1, 3), -np.inf), "6 values are NaN or infinite, the first in frame 1"),
        (changed((3, 0), -1e6), "1 values are larger than 65504.*frame 3"),
        (np.ones((0, 3), np.float32), "no frames"),
        (np.ones((4, 0), np.float32), r"no frames \(shape \[4, 0\]\)"),
        (np.ones(3, np.float32), r"found shape \[3\]"),
        (np.ones((1, 1, 1, 3), np.float32), r"found shape \[1, 1, 1, 3\]"),
        (np.asarray(np.float32(1)), r"found shape \[\]"),
        (np.ones((4, 3), np.uint8), "dtype uint8"),
        (np.ones((4, 3), complex), "dtype complex128"),
        (np.array([["a"]]), "dtype <U1"),
        (np.array([[None]]), "dtype object"),
    ],
)
def test_unusable_features_are_named(array: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        check_features(array, "bad", "vgg.h5", FrameShape((3,), "first"))
    assert "vgg.h5, video 'bad'" in str(error.value)


def test_a_batch_axis_that_was_kept_is_recognised() -> None:
    first = check_features(np.ones((1, 32, 8), np.float32), "first", "i3d", None)
    with pytest.raises(InputError, match=r"store arrays \[1, frames, dim\] as \[frames, dim\]"):
        check_features(np.ones((1, 30, 8), np.float32), "second", "i3d", first)
