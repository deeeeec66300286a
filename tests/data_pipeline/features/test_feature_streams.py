from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.streams import frame_rates, stream_names


def test_names_of_streams() -> None:
    given = ["a/vgg16.v2.h5", "motion=b/i3d", "runs/lr=0.1/feats"]
    assert stream_names(given) == {
        "vgg16_v2": Path("a/vgg16.v2.h5"),
        "motion": Path("b/i3d"),
        "feats": Path("runs/lr=0.1/feats"),
    }


@pytest.mark.parametrize("given", ["=a.h5", "motion=", "b/i3d.h5"])
def test_streams_need_names_of_their_own(given: str) -> None:
    with pytest.raises(InputError, match=f"--features={given}"):
        stream_names(["a/i3d", given])


def test_frame_rates_of_streams() -> None:
    streams = ["appearance", "motion", "lr=0"]
    assert frame_rates([], streams) == {}
    assert frame_rates(["motion=25"], streams) == {"motion": 25.0}
    assert frame_rates(["2.5"], streams) == dict.fromkeys(streams, 2.5)
    assert frame_rates(["appearance=25", "2.5", "lr=0=1"], streams) == {
        "appearance": 25.0,
        "motion": 2.5,
        "lr=0": 1.0,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["sound=25"], "--frame_rate=sound=25: no stream named 'sound'; expected one of appearance, motion"),
        (["=25"], "no stream named ''"),
        (["motion=25", "motion=25"], "a second rate for motion"),
        (["1", "2"], "--frame_rate=2: a second rate for all streams"),
        (["motion=fast"], "positive number of frames per second, found 'fast'"),
        (["motion="], "found ''"),
        (["0"], "found '0'"),
        (["-2"], "found '-2'"),
        (["nan"], "found 'nan'"),
        (["inf"], "found 'inf'"),
    ],
)
def test_unusable_frame_rates_are_named(given: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frame_rates(given, ["appearance", "motion"])
