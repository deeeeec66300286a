"""What is said about the features of each stream, and refused, before anything costly is done."""

import pathlib
from collections.abc import Mapping

import h5py
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features import profile
from data_pipeline.features.profile import StreamProfile, profile_streams
from data_pipeline.features.streams import open_features


def frames(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def videos(*shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {f"clip{number}": frames(*shape, seed=number) for number, shape in enumerate(shapes)}


def profiles(
    folder: pathlib.Path, region_streams: tuple[str, ...] = (), **streams: Mapping[str, np.ndarray]
) -> list[StreamProfile]:
    for name, arrays in streams.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for video_id, array in arrays.items():
                file[video_id] = array
    sources = {name: open_features(folder / f"{name}.h5") for name in streams}
    return profile_streams(sources, list(next(iter(streams.values()))), region_streams)


LENGTHS = (3, 9, 4, 6)


def test_streams_are_described(tmp_path: pathlib.Path) -> None:
    x, objects = videos(*((length, 5) for length in LENGTHS)), videos(*((7, 4, 3) for _ in LENGTHS))
    first, second = profiles(tmp_path, x=x, objects=objects)
    low, high = (f"{extreme(array.min() for array in x.values()):.3g}" for extreme in (min, max))
    high = f"{max(array.max() for array in x.values()):.3g}"
    assert str(first) == (
        "stream x (HDF5 file x.h5): 4 videos read; frames 3 to 9 (median 5), dimension 5, values "
        f"{low} to {high}"
    )
    assert "frames 7 of 4 regions, dimension 3, values -" in str(second)
    assert (first.notes, second.notes) == ((), ())


@pytest.mark.parametrize("lengths", [LENGTHS, (8, 8, 8, 8)])
def test_an_axis_of_length_1_is_not_guessed_at(lengths: tuple[int, ...], tmp_path: pathlib.Path) -> None:
    clip = videos(*((length, 5) for length in lengths))
    for shape, message in (((1, -1, 5), "first axis of length 1"), ((-1, 1, 5), "second axis of length 1")):
        motion = {name: array.reshape(shape) for name, array in clip.items()}
        with pytest.raises(
            InputError, match=rf"motion\.h5: all 4 videos have a {message}.*of video 'clip0'"
        ) as error:
            profiles(tmp_path, clip=clip, motion=motion)
        assert "store [frames, dim]" in str(error.value) and "--regions=motion" in str(error.value)


def test_one_frame_of_regions_can_be_asked_for(tmp_path: pathlib.Path) -> None:
    clip, motion = videos(*[(6, 5)] * 3), videos(*[(1, 8, 5)] * 3)
    _, second = profiles(tmp_path, ("motion",), clip=clip, motion=motion)
    assert "frames 1 of 8 regions" in str(second)
    # Another number of frames settles it.
    _, second = profiles(tmp_path, clip=clip, motion=motion | {"clip2": frames(2, 8, 5)})
    assert "frames 1 to 2 (median 1) of 8 regions" in str(second)
    with pytest.raises(InputError, match=r"'clip0': expected \[frames, regions, dim\] by --regions=clip"):
        profiles(tmp_path, ("clip",), clip=clip)


def test_streams_of_regions_alone_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="are of kinds regions; expected at least one 'frames'"):
        profiles(tmp_path, x=videos(*((length, 2, 5) for length in LENGTHS)))


def test_exchanged_axes_are_recognised(tmp_path: pathlib.Path) -> None:
    swapped = {name: array.T for name, array in videos(*((length, 5) for length in LENGTHS)).items()}
    message = r"all 4 videos have a first axis of length 5, and axis 2 varies from 3 to 9.*store array\.T"
    with pytest.raises(InputError, match=message):
        profiles(tmp_path, x=swapped)
    with pytest.raises(InputError, match=r"axis 3 varies from 3 to 9.*store np\.moveaxis\(array, 2, 0\)"):
        profiles(tmp_path, x=videos(*((5, 2, length) for length in LENGTHS)))
    (described,) = profiles(tmp_path, x=videos(*[(512, 20)] * 3))
    assert "if these are 20 frames of dimension 512, the axes are exchanged" in described.notes[0]


def test_a_few_videos_of_another_network_are_named(tmp_path: pathlib.Path) -> None:
    arrays = videos(*[(4, 6)] * 40) | {"odd": frames(4, 7), "flat": frames(4, 2, 6)}
    with pytest.raises(InputError) as error:
        profiles(tmp_path, x=arrays)
    assert "video 'odd': a frame has dimension 7, but 6 in video 'clip0'" in str(error.value)
    assert "video 'flat': a frame has dimension 2 × 6, but 6 in video 'clip0'" in str(error.value)


def test_faults_of_all_streams_are_said_together_but_not_without_end(tmp_path: pathlib.Path) -> None:
    x, y = videos(*[(4, 6)] * 60), videos(*[(4, 6)] * 60)
    for number in range(30):
        x[f"clip{number}"][1, 2] = np.nan
    y["clip7"] = y["clip7"] * 1e6
    with pytest.raises(InputError) as error:
        profiles(tmp_path, x=x, y=y)
    head, *lines = str(error.value).splitlines()
    assert head == "features that cannot be used:" and len(lines) == 2
    assert lines[0].startswith(
        "  HDF5 file x.h5, video 'clip0', video 'clip1', video 'clip2' and 27 more: 1 values are NaN or infinite, the "
    )
    assert "y.h5, video 'clip7'" in lines[1] and "larger than 65504" in lines[1]


@pytest.mark.parametrize(
    ("scale", "offset", "message"),
    [
        (
            1e-8,
            0.0,
            "6 of 6 dimensions hold only values below 6.1e-05.*scale the features up, such as by 1e[+]08",
        ),
        (1e-5, 0.0, "6 of 6 dimensions hold only values below 6.1e-05.*such as by 1e[+]05"),
        (0.0, 0.0, "all values are 0"),
        (0.0, 3.0, "all frames of all videos have the same features"),
        (1e-5, 3.0, "differ by less than float16.*subtract their mean and scale them up"),
    ],
)
def test_values_that_float16_cannot_hold_are_refused(
    scale: float, offset: float, message: str, tmp_path: pathlib.Path
) -> None:
    arrays = {name: array * scale + offset for name, array in videos(*[(4, 6)] * 5).items()}
    with pytest.raises(InputError, match=rf"HDF5 file x\.h5: .*{message}"):
        profiles(tmp_path, x=arrays)


def test_values_that_become_0_and_videos_of_zeros_are_noted(tmp_path: pathlib.Path) -> None:
    arrays = videos(*[(4, 6)] * 5)
    arrays["clip1"][0, 0] = 2.9e-8
    arrays["clip1"][0, 1] = 3e-8
    arrays["clip3"][:] = 0
    for array in arrays.values():
        array[:, 5] = np.clip(array[:, 5], -1, 1) * 6e-5
    (described,) = profiles(tmp_path, x=arrays)
    zeros, lost, faint = described.notes
    assert zeros == "stream 'x': all values are 0 in 1 videos: clip3"
    assert "stream 'x': 1 of 96 values that are not 0 are too small for float16" in lost
    assert "1 of 6 dimensions hold only values below 6.1e-05" in faint
    # What is said of the values is what float16 does to them.
    stored = np.concatenate(list(arrays.values()))
    assert np.count_nonzero(stored) - np.count_nonzero(stored.astype(np.float16)) == 1


def test_dimensions_that_do_not_vary_are_noted(tmp_path: pathlib.Path) -> None:
    arrays = videos(*[(4, 6)] * 5)
    for array in arrays.values():
        array[:, :4] = [0, 0, 2, 3]
    (described,) = profiles(tmp_path, x=arrays)
    assert described.notes == ("stream 'x': 4 of 6 dimensions are the same in all frames of all videos",)


def test_a_large_collection_is_sampled_and_that_is_said(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "MOST_VIDEOS", 4)
    (described,) = profiles(tmp_path, x=videos(*[(4, 6)] * 11))
    assert "4 of 11 videos read" in str(described)


def test_times_that_cannot_be_used_are_said_early(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["clip0"] = frames(4, 6)
        file["clip0"].attrs["times"] = [0.0, 2.0, 1.0, 3.0]
    with pytest.raises(InputError, match=r"frame 1 is at 2\.0 s and the next one at 1\.0 s"):
        profile_streams({"x": open_features(tmp_path / "x.h5")}, ["clip0"])


@pytest.mark.parametrize(("copies", "noted"), [(3, False), (21, False), (22, True), (42, True)])
def test_one_array_under_most_ids_is_noted(tmp_path: pathlib.Path, copies: int, noted: bool) -> None:
    arrays = videos(*[(4 + n % 3, 6) for n in range(42)])
    copied = frames(9, 6, seed=99)
    for number in range(copies):
        # Also where each was cut to the length of its video.
        arrays[f"clip{number}"] = copied[: 3 + number % 5]
    (described,) = profiles(tmp_path, x=arrays)
    start = f"stream 'x': the first frames of {copies} of 42 videos are equal"
    assert [note.startswith(start) for note in described.notes] == [True] * noted
