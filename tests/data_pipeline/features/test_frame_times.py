import pathlib
from typing import Any

import h5py
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.frames import check_times, resolve_times
from data_pipeline.features.streams import open_features

ARRAY = np.ones((3, 4), np.float32)
TIMES = [0.2, 0.6, 1.0]


def hdf5(folder: pathlib.Path, video: dict[str, Any], whole: dict[str, Any]) -> pathlib.Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file["v"] = ARRAY
        file["v"].attrs.update(video)
        file.attrs.update(whole)
    return folder / "a.h5"


def npz_folder(folder: pathlib.Path, **stored: Any) -> pathlib.Path:
    (folder / "npz").mkdir()
    np.savez(folder / "npz" / "v.npz", features=ARRAY, **stored)
    return folder / "npz"


def npz_file(folder: pathlib.Path, **stored: Any) -> pathlib.Path:
    np.savez(folder / "a.npz", v=ARRAY, **stored)
    return folder / "a.npz"


@pytest.mark.parametrize("rate", [None, 2.5])
@pytest.mark.parametrize(
    "write",
    [
        lambda folder: hdf5(folder, {"times": np.array(TIMES)}, {}),
        lambda folder: hdf5(folder, {"fps": 2.5}, {}),
        lambda folder: hdf5(folder, {}, {"times": np.array(TIMES, np.float32)}),
        lambda folder: hdf5(folder, {}, {"fps": np.array([2.5])}),
        lambda folder: hdf5(folder, {"times": TIMES, "fps": 2.5}, {"fps": 2.5}),
        lambda folder: npz_folder(folder, times=TIMES),
        lambda folder: npz_folder(folder, fps=2.5),
        lambda folder: npz_folder(folder, fps=2.5, times=TIMES),
        lambda folder: npz_file(folder, fps=2.5),
    ],
)
def test_stored_times_and_rates_are_found_and_may_agree_with_a_given_rate(
    write: Any, rate: float | None, tmp_path: pathlib.Path
) -> None:
    times = open_features(write(tmp_path), rate).times("v", len(ARRAY))
    assert times is not None and times.dtype == np.float32
    np.testing.assert_allclose(times, TIMES, rtol=1e-6)


@pytest.mark.parametrize(
    ("write", "rate", "message"),
    [
        (
            lambda folder: hdf5(folder, {"fps": 2.5}, {}),
            25.0,
            "'fps' of the data set and the given frame rate",
        ),
        (
            lambda folder: hdf5(folder, {"fps": 2.5}, {"fps": 3}),
            None,
            "'fps' of the data set and 'fps' of the file",
        ),
        (
            lambda folder: npz_folder(folder, times=TIMES, fps=2),
            None,
            "'times' of the archive and 'fps' of the",
        ),
        (
            lambda folder: npz_folder(folder, times=TIMES),
            2.0,
            "'times' of the archive and the given frame rate",
        ),
        (lambda folder: npz_file(folder, fps=3), 2.0, "'fps' of the archive and the given frame rate"),
    ],
)
def test_contradictions_are_refused(
    write: Any, rate: float | None, message: str, tmp_path: pathlib.Path
) -> None:
    path = write(tmp_path)
    with pytest.raises(
        InputError, match=rf"{message}.* contradict each other: frame 0 .*\(i \+ 0\.5\) / rate"
    ) as error:
        open_features(path, rate).times("v", len(ARRAY))
    assert str(path) in str(error.value) and error.match("v.npz|'v'")


def test_rates_that_differ_by_rounding_agree() -> None:
    times = resolve_times(900, {"the file": {"fps": 29.97}}, 30000 / 1001, "here")
    assert times is not None
    np.testing.assert_allclose(times, (np.arange(900) + 0.5) / 29.97, rtol=1e-6)
    assert resolve_times(900, {"the file": {}}, None, "here") is None


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.0, 1.0], r"seconds of 3 frames, found dtype float64 with shape \[2\]"),
        ([[0.0], [1.0], [2.0]], r"shape \[3, 1\]"),
        (["0", "1", "2"], "dtype <U1"),
        ([0.0, 2.0, 1.0], r"frame 1 is at 2\.0 s and the next one at 1\.0 s"),
        ([0, 1, 1], "frame 1 is at 1 s and the next one at 1 s"),
        ([-0.5, 1.0, 2.0], r"frame 0 is at -0\.5 s"),
        ([0.5, np.nan, 2.0], "frame 1 is at nan s"),
        ([0.5, 1.0, np.inf], "frame 2 is at inf s"),
    ],
)
def test_wrong_times_are_named(times: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=f"here.*{message}"):
        check_times(np.array(times), 3, "here")
    with pytest.raises(InputError, match=f"here, 'times' of the file.*{message}"):
        resolve_times(3, {"the file": {"times": np.array(times)}}, None, "here")


@pytest.mark.parametrize("rate", [0, -25.0, np.nan, np.inf, "25", b"25", np.array([25, 25]), None, True])
def test_wrong_rates_are_named(rate: Any) -> None:
    with pytest.raises(InputError, match="here, 'fps' of the file: expected a positive number of frames per"):
        resolve_times(3, {"the file": {"fps": rate}}, None, "here")
