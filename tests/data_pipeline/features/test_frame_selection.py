from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.annotations.caption import Segment
from data_pipeline.errors import InputError
from data_pipeline.features.frames import FrameOptions, frames_within, nearest_frames

# Quarters of a second are exact in float32, so that two frames can be equally near.
SECONDS = st.lists(st.integers(0, 60), min_size=1, max_size=15, unique=True).map(
    lambda quarters: np.array(sorted(quarters), np.float32) / 4
)


@given(frames=st.integers(1, 300), count=st.integers(1, 300))
def test_long_videos_are_sampled_uniformly_and_short_ones_kept(frames: int, count: int) -> None:
    kept = FrameOptions(count=count).sample(frames).tolist()
    if frames > count:
        assert kept == np.round(np.linspace(0, frames - 1, count)).astype(int).tolist()
        assert len(set(kept)) == count
    else:
        assert kept == list(range(frames))


def test_all_frames_are_kept_by_default() -> None:
    assert FrameOptions().sample(1000).tolist() == list(range(1000))
    assert FrameOptions(count=1).sample(9).tolist() == [0]
    assert FrameOptions(count=3).sample(6).tolist() == [0, 2, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alignment": "frame"}, "alignment of frames: expected index or time, found 'frame'"),
        ({"count": -1}, "expected 0 \\(all\\) or more, found -1"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FrameOptions(**options)


@given(clock=SECONDS, times=SECONDS)
def test_the_nearest_frame_is_the_one_that_a_plain_search_finds(clock: np.ndarray, times: np.ndarray) -> None:
    expected = []
    for now in clock.tolist():
        best = 0
        for index, time in enumerate(times.tolist()):
            if abs(time - now) < abs(times.tolist()[best] - now):
                best = index
        expected.append(best)
    assert nearest_frames(clock, times).tolist() == expected


def test_of_two_frames_equally_near_the_earlier_is_taken() -> None:
    clock, times = np.array([0.0, 1.5, 9.0], np.float32), np.array([1.0, 2.0], np.float32)
    assert nearest_frames(clock, times).tolist() == [0, 0, 1]


@given(times=SECONDS, start=st.integers(0, 60), length=st.integers(1, 30))
def test_a_segment_holds_its_start_and_not_its_end(times: np.ndarray, start: int, length: int) -> None:
    segment = Segment("v", start / 4, (start + length) / 4)
    expected = [i for i, time in enumerate(times.tolist()) if segment.start <= time < segment.end]
    assert frames_within(times, segment).tolist() == expected


def test_bounds_are_rounded_as_times_are() -> None:
    times = np.array([0.3, 0.7, 1.1], np.float32)
    assert frames_within(times, Segment("v", 0.7, 1.1)).tolist() == [1]
    assert frames_within(times, Segment("v", 0.3, 0.7)).tolist() == [0]
