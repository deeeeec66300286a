"""Sampled frames against clips whose frames carry their number: which frame comes, and when."""

import dataclasses
import pathlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from data_pipeline.clips.packet_times import NeededPackets
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import ClipFrames, Sampling, sampled_frames
from data_pipeline.errors import InputError
from tests.data_pipeline.clips.numbered_clips import (
    COLUMNS,
    KINDS,
    PLAIN,
    ROWS,
    even_times,
    numbers_of,
    uneven_times,
    write_numbered,
)

WHOLE = PictureView((ROWS // 2, COLUMNS // 2))


def taken(path: pathlib.Path, sampling: Sampling, view: PictureView = WHOLE, chunk: int = 32) -> ClipFrames:
    """All chunks in one."""
    chunks = list(sampled_frames(path, sampling, view, chunk))
    assert [one.cut_short for one in chunks[:-1]] == [None] * (len(chunks) - 1)
    return ClipFrames(
        np.concatenate([one.seconds for one in chunks]),
        np.concatenate([one.pictures for one in chunks]),
        chunks[-1].cut_short,
    )


def on_screen(times: Sequence[Fraction], seconds: np.ndarray) -> list[int]:
    """The numbers of the frames that are on the screen at each second, counted from the first frame."""
    starts = np.array([float(time - times[0]) for time in times])
    return (np.searchsorted(starts, seconds + 0.0025, side="right") - 1).tolist()


SAMPLINGS = (Sampling(8.0), Sampling(0.7), Sampling(50.0), Sampling(frames=1), Sampling(frames=7))
START = {"mp4_b_frames": Fraction(7), "mkv_b_frames": Fraction(3, 2), "ts_b_frames": Fraction(100)}
"""Clips that do not begin at zero; their times count from the first frame."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uneven", [False, True])
def test_the_frame_on_the_screen_is_taken(tmp_path: pathlib.Path, kind: str, uneven: bool) -> None:
    """Whatever the container and the order of its frames; AVI has one rate for all of them."""
    times = uneven_times(70) if uneven and KINDS[kind].ending != ".avi" else even_times(70)
    times = [time + START.get(kind, Fraction(0)) for time in times]
    path = write_numbered(tmp_path / f"a{KINDS[kind].ending}", KINDS[kind], times)
    length = float(times[-1] - times[0])
    for sampling in SAMPLINGS:
        found = taken(path, sampling)
        assert found.cut_short is None
        assert numbers_of(found.pictures) == on_screen(times, found.seconds)
        if sampling.frames is None:
            rate = sampling.frames_per_second
            np.testing.assert_allclose(found.seconds, np.arange(len(found.seconds)) / rate)
            assert found.seconds[-1] <= length + 0.2 < found.seconds[-1] + 1 / rate + 0.2
        else:
            share = found.seconds[-1] * 2 / (2 * sampling.frames - 1)
            np.testing.assert_allclose(found.seconds, (np.arange(sampling.frames) + 0.5) * share)
            assert length < share * sampling.frames < length + 0.25


def test_of_a_short_clip_all_frames_are_taken_once(tmp_path: pathlib.Path) -> None:
    times = uneven_times(6)
    found = taken(write_numbered(tmp_path / "a.mp4", PLAIN, times), Sampling(frames=20))
    assert numbers_of(found.pictures) == list(range(6))
    np.testing.assert_allclose(found.seconds, [float(time) for time in times], atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 4, 5, 10, 11])
def test_frames_come_in_chunks(tmp_path: pathlib.Path, chunk: int) -> None:
    path = write_numbered(tmp_path / "a.mp4", PLAIN, even_times(10))
    chunks = list(sampled_frames(path, Sampling(25.0), WHOLE, chunk))
    assert [len(one.seconds) for one in chunks] == [min(chunk, 10 - at) for at in range(0, 10, chunk)]
    assert [number for one in chunks for number in numbers_of(one.pictures)] == list(range(10))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith(("avi", "gif", "ts"))])
def test_groups_that_nobody_needs_are_not_decoded(
    tmp_path: pathlib.Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the frames of the others are those of the whole clip, to the last bit."""
    path = write_numbered(tmp_path / f"a{KINDS[kind].ending}", KINDS[kind], even_times(200))
    needed: list[bool] = []
    says = NeededPackets.__call__

    def noted(self: NeededPackets, packet: Any) -> bool:
        needed.append(says(self, packet))
        return needed[-1]

    monkeypatch.setattr(NeededPackets, "__call__", noted)
    for sampling in (Sampling(frames=2), Sampling(frames=3), Sampling(0.3)):
        needed.clear()
        found = taken(path, sampling)
        assert sum(needed) < 0.75 * len(needed)
        with monkeypatch.context() as whole:
            whole.setattr(NeededPackets, "__call__", lambda self, packet: True)
            expected = taken(path, sampling)
        np.testing.assert_array_equal(found.seconds, expected.seconds)
        np.testing.assert_array_equal(found.pictures, expected.pictures)


def test_a_sampling_is_of_one_kind_and_in_bounds() -> None:
    for rate, frames, said in (
        (None, None, "expected either frames per second or a number of frames"),
        (2.0, 20, "expected either frames per second or a number of frames"),
        (0.0, None, "frames per second: expected a number above 0, at most 240, found 0"),
        (float("nan"), None, "frames per second: expected a number above 0"),
        (241.0, None, "frames per second: expected a number above 0, at most 240"),
        (None, 0, "frames: expected a number from 1 to 100000, found 0"),
    ):
        with pytest.raises(InputError, match=said):
            Sampling(rate, frames)


@pytest.mark.parametrize("view", [WHOLE, PictureView(48, 48)])
@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_clips_stand_upright(
    tmp_path: pathlib.Path, rotation: int, ending: str, view: PictureView
) -> None:
    turned = dataclasses.replace(PLAIN, ending=ending, rotation=rotation)
    found = taken(write_numbered(tmp_path / f"a{ending}", turned, even_times(10)), Sampling(5.0), view)
    assert found.pictures.shape[1:] == (*view.size, 3)
    if view is WHOLE:
        assert numbers_of(found.pictures) == [0, 5]
    else:
        # The white block is above, left of it is cut off.
        assert found.pictures[:, 2:14, 1:6].mean() > 200
