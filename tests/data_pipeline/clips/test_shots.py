"""Parts of long videos against films with known cuts."""

import itertools
import pathlib

import numpy as np
import pytest

from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.render_clips import render_clips
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from data_pipeline.clips.shots import LONG, LONGEST, SHORTEST, PartFinder, parts_between
from data_pipeline.moving_shapes.dataset import embedded_clips

VIEW = PictureView(128, 112)
RATE = 2.0


def found_parts(pictures: np.ndarray, chunk: int = 32) -> list[tuple[float, float]]:
    finder = PartFinder()
    for start in range(0, len(pictures), chunk):
        part = pictures[start : start + chunk]
        finder.add((start + np.arange(len(part))) / RATE, part)
    return finder.parts()


def scenes(lengths: list[int], seed: int = 0) -> np.ndarray:
    """A picture for each scene, in front of which something moves, uint8 [f, 64, 64, 3]."""
    rng = np.random.default_rng(seed)
    frames = []
    for length in lengths:
        scene = rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        for number in range(length):
            frame = scene.copy()
            frame[20:30, 2 * number % 54 : 2 * number % 54 + 10] = 255
            frames.append(frame)
    return np.stack(frames)


@pytest.mark.parametrize("chunk", [1, 7, 32, 1000])
def test_a_part_begins_with_a_scene(chunk: int) -> None:
    lengths = [20, 33, 9, 40, 50]
    bounds = np.cumsum([0, *lengths]) / RATE
    assert found_parts(scenes(lengths), chunk) == list(itertools.pairwise(bounds.tolist()))


def test_a_short_video_is_one_part() -> None:
    assert found_parts(scenes([20, 20, 20])) == [(0.0, 30.0)]
    assert found_parts(scenes([1])) == [(0.0, 0.0)]
    assert PartFinder().parts() == []


def test_a_scene_without_a_cut_is_divided_evenly() -> None:
    parts = found_parts(scenes([200]))
    assert parts == [(0.0, 25.0), (25.0, 50.0), (50.0, 75.0), (75.0, 100.0)]


@pytest.mark.parametrize("seed", range(20))
def test_parts_are_neither_short_nor_long_and_leave_no_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    end = float(rng.uniform(LONG, 400)) + 0.01
    cuts = np.unique(rng.uniform(0, end, rng.integers(0, 300))).tolist()
    parts = parts_between(cuts, end)
    assert parts[0][0] == 0.0 and parts[-1][1] == end
    assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
    assert all(SHORTEST <= stop - start <= LONGEST + 1e-9 for start, stop in parts)


def agreement(film: np.ndarray, lengths: list[int]) -> tuple[float, float]:
    """Purity and coverage: the shares of the frames in the main piece of their part, and in the main part of theirs."""
    piece = np.repeat(np.arange(len(lengths)), lengths)
    starts = [start for start, _ in found_parts(film)]
    part = np.searchsorted(starts, np.arange(len(film)) / RATE, side="right") - 1
    table = np.zeros((part.max() + 1, piece.max() + 1), int)
    np.add.at(table, (part, piece), 1)
    return table.max(axis=1).sum() / len(film), table.max(axis=0).sum() / len(film)


def test_clips_one_after_another_are_found_again(tmp_path: pathlib.Path) -> None:
    """Of moving shapes, real files of which show a few dark shapes each."""
    made = embedded_clips(40)
    paths = render_clips(made.images, tmp_path, made.frames_per_second, enlarged=4).values()
    pieces = [
        np.concatenate([one.pictures for one in sampled_frames(path, Sampling(RATE), VIEW)]) for path in paths
    ]
    purity, coverage = agreement(np.concatenate(pieces), [len(one) for one in pieces])
    assert purity > 0.6 and coverage > 0.95


def test_real_clips_one_after_another_are_found_again(shared_data: pathlib.Path) -> None:
    folder = shared_data / "clips_23" / "video"
    if not folder.is_dir():
        pytest.skip("the shared clips are not here")
    rng = np.random.default_rng(0)
    pieces = []
    for path in list(collect_clips([folder]).values())[::2]:
        frames = np.concatenate([one.pictures for one in sampled_frames(path, Sampling(RATE), VIEW)])
        pieces.append(frames[: rng.integers(6, 40)])
    purity, coverage = agreement(np.concatenate(pieces), [len(one) for one in pieces])
    assert purity > 0.8 and coverage > 0.7
