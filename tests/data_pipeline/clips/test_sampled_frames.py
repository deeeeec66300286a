"""Sampled frames against clips whose frames carry their number: which frame comes, and when."""

import dataclasses
import pathlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import ClipFrames, Sampling, sampled_frames
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


def on_screen(times: Sequence[Fraction], seconds: np.ndarray, number: int) -> tuple[int, int]:
    """The first and the last frame that may be right for a time: that on the screen, give or take a frame."""
    starts = np.array([float(time - times[0]) for time in times])
    shown = int(np.searchsorted(starts, seconds[number] + 0.005, side="right")) - 1
    return shown - 1, shown + 1


@pytest.mark.parametrize("sampling", [Sampling(8.0), Sampling(0.7), Sampling(frames=7), Sampling(50.0)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uneven", [False, True])
def test_the_frame_on_the_screen_is_taken(
    tmp_path: pathlib.Path, kind: str, uneven: bool, sampling: Sampling
) -> None:
    if uneven and KINDS[kind].ending == ".avi":
        # AVI has one rate for all frames.
        return
    times = uneven_times(60) if uneven else even_times(60)
    found = taken(write_numbered(tmp_path / f"a{KINDS[kind].ending}", KINDS[kind], times), sampling)
    assert found.cut_short is None
    for number, seen in enumerate(numbers_of(found.pictures)):
        first, last = on_screen(times, found.seconds, number)
        assert first <= seen <= last
    assert np.all(np.diff(found.seconds) > 0)


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
