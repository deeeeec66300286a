"""The benchmark of extraction runs through on small clips; nothing here is timed."""

import pathlib

import numpy as np
import pytest

from benchmarks.speed import extraction
from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from mcsan_jax.frame_encoders.efficientnet import open_efficientnet
from tests.benchmarks.programs import started_figures


def test_rendered_clips_show_something_that_moves(tmp_path: pathlib.Path) -> None:
    extraction.render(tmp_path, clips=2, seconds=2)
    clips = collect_clips([tmp_path])
    assert list(clips) == ["clip_0", "clip_1"]
    view = open_efficientnet("efficientnet_lite0").view
    first, second = (
        [part.pictures for part in sampled_frames(path, Sampling(frames_per_second=2), view)]
        for path in clips.values()
    )
    assert [part.shape for part in first] == [(4, 224, 224, 3)]
    different = [
        np.abs(one.astype(int) - other).mean()
        for one, other in ((first[0][0], first[0][1]), (first[0], second[0]))
    ]
    assert min(different) > 5


@pytest.mark.slow
def test_everything_is_measured(tmp_path: pathlib.Path) -> None:
    """On the way the forms of the network are compared; the program ends where they differ."""
    sizes = ("--rendered=2", "--seconds=2", "--frames=2", "--processes=1", "--rounds=1")
    [(name, found)] = started_figures("extraction", tmp_path, *sizes)["encoders"].items()
    assert (name, found["frames"]) == ("efficientnet_lite0", 8)
    from_clips, with_pictures = found["extraction"]
    assert (from_clips["pictures"], with_pictures["pictures"]) == (False, True)
    assert len(found["network"]) == 3 and 0 <= found["difference"] < 1e-4
    for rate in (found["decoding"], *found["network"].values(), from_clips, with_pictures):
        assert rate["frames_per_second"] > 0 and rate["processor_milliseconds"] > 0
    # Four frames of each clip of two seconds.
    assert from_clips["clips_per_second"] == pytest.approx(from_clips["frames_per_second"] / 4)
    assert from_clips["times_real_time"] == pytest.approx(from_clips["frames_per_second"] / 2, rel=0.05)
