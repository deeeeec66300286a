"""Processes that decode: their frames are those of the clip, and one that dies takes its clip alone along."""

import multiprocessing
import pathlib
import shutil
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from mcsan_jax.extraction.decoding_processes import (
    DecodedClip,
    DecodedFrames,
    DecodingJob,
    DecodingProcesses,
    SkippedClip,
)
from tests.data_pipeline.clips.numbered_clips import PLAIN, even_times, write_numbered


def write_minute(path: pathlib.Path) -> pathlib.Path:
    """A clip of 61 seconds."""
    return write_numbered(path, PLAIN, even_times(61 * 5, Fraction(5)))


JOB = DecodingJob(Sampling(frames_per_second=5), PictureView((16, 16)), None, True)


def test_frames_come_in_order_and_long_clips_in_parts(tmp_path: pathlib.Path) -> None:
    path = write_minute(tmp_path / "long.mp4")
    with DecodingProcesses([("long", path)], JOB, 1) as decoded:
        *frames, end = decoded
    assert all(isinstance(one, DecodedFrames) for one in frames) and isinstance(end, DecodedClip)
    expected = list(sampled_frames(path, JOB.sampling, JOB.view))
    assert np.array_equal(
        np.concatenate([one.seconds for one in frames if isinstance(one, DecodedFrames)]),
        np.concatenate([one.seconds for one in expected]),
    )
    assert np.array_equal(
        np.concatenate([one.pictures for one in frames if isinstance(one, DecodedFrames)]),
        np.concatenate([one.pictures for one in expected]),
    )
    assert end.seconds == pytest.approx(61) and end.cut_short == ""
    assert len(end.parts) > 1 and end.parts[0][0] == 0
    assert [start for start, _ in end.parts[1:]] == [stop for _, stop in end.parts[:-1]]


def test_a_process_that_dies_takes_its_clip_alone_along(tmp_path: pathlib.Path) -> None:
    """Some files make a library crash; here the process is killed in the middle of a clip."""
    write_minute(tmp_path / "0.mp4")
    for number in range(1, 4):
        shutil.copy(tmp_path / "0.mp4", tmp_path / f"{number}.mp4")
    before = set(multiprocessing.active_children())
    ends: dict[str, object] = {}
    with DecodingProcesses([(str(n), tmp_path / f"{n}.mp4") for n in range(4)], JOB, 1) as decoded:
        for message in decoded:
            if isinstance(message, DecodedFrames):
                if message.video_id == "1" and "1" not in ends:
                    ends["1"] = None
                    [process] = set(multiprocessing.active_children()) - before
                    process.kill()
            else:
                ends[message.video_id] = message
    assert Counter(type(end) for end in ends.values()) == {DecodedClip: 3, SkippedClip: 1}
    [skipped] = [end for end in ends.values() if isinstance(end, SkippedClip)]
    assert skipped.reason == "its decoder was ended by SIGKILL"
    assert set(multiprocessing.active_children()) == before


def test_no_process_outlives_one_that_has_seen_enough(tmp_path: pathlib.Path) -> None:
    path = write_minute(tmp_path / "0.mp4")
    before = set(multiprocessing.active_children())
    with (
        pytest.raises(KeyboardInterrupt),
        DecodingProcesses([("0", path), ("1", path)], JOB, 1) as decoded,
    ):
        for _ in decoded:
            raise KeyboardInterrupt
    assert set(multiprocessing.active_children()) == before
