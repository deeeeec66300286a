"""Broken and odd clips: each is named, none stops the others, and nothing is lost silently."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from data_pipeline.clips.clip_pictures import film_strip, poster
from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.passing_pictures import PassingPictures
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import ClipFault, Sampling, sampled_frames
from data_pipeline.errors import InputError
from tests.data_pipeline.clips.bad_clips import BAD_CLIPS, FRAMES, BadClip
from tests.data_pipeline.clips.numbered_clips import PLAIN, even_times, numbers_of, write_numbered
from tests.support import ROOT

JPEG = b"\xff\xd8"
VIEWS = (PictureView((48, 64)), PictureView(64, 56, "bicubic"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    made = tmp_path_factory.mktemp("bad")
    for clip in BAD_CLIPS:
        clip.write(made / clip.name)
    return made


@pytest.mark.parametrize("sampling", [Sampling(5.0), Sampling(frames=6), Sampling(frames=1)])
@pytest.mark.parametrize("clip", BAD_CLIPS, ids=lambda clip: repr(clip.name))
def test_each_shows_what_it_can_and_says_the_rest(
    folder: pathlib.Path, clip: BadClip, sampling: Sampling
) -> None:
    for view in VIEWS:
        reading = sampled_frames(folder / clip.name, sampling, view, chunk=4)
        if clip.fault is not None:
            with pytest.raises(
                ClipFault, match=rf"^clip {re.escape(repr(clip.name))}: {re.escape(clip.fault)}"
            ):
                list(reading)
            continue
        chunks = list(reading)
        pictures = np.concatenate([one.pictures for one in chunks])
        seconds = np.concatenate([one.seconds for one in chunks])
        assert pictures.shape == (len(seconds), *view.size, 3) and len(seconds)
        assert np.all(np.diff(seconds) > 0) and seconds[0] >= 0 and seconds[-1] < FRAMES / 25
        assert bool(clip.note) == bool(chunks[-1].cut_short)
        if sampling.frames_per_second is not None:
            assert chunks[-1].cut_short == clip.note
            if clip.shown is not None and view is VIEWS[0]:
                assert tuple(numbers_of(pictures)) == clip.shown


@pytest.mark.parametrize("clip", BAD_CLIPS, ids=lambda clip: repr(clip.name))
def test_posters_are_made_or_the_clip_is_named(folder: pathlib.Path, clip: BadClip) -> None:
    for make in (poster, film_strip):
        if clip.fault is None:
            assert make(folder / clip.name).startswith(JPEG)
        else:
            with pytest.raises(
                InputError, match=rf"^clip {re.escape(repr(clip.name))}: expected a video, found"
            ):
                make(folder / clip.name)


@pytest.mark.parametrize(
    "clip", [one for one in BAD_CLIPS if one.fault is None], ids=lambda clip: repr(clip.name)
)
def test_posters_are_made_while_a_clip_passes(folder: pathlib.Path, clip: BadClip) -> None:
    passing = PassingPictures()
    list(sampled_frames(folder / clip.name, Sampling(1.0), VIEWS[0], passing=passing))
    assert passing.end()
    assert passing.poster().startswith(JPEG) and passing.film_strip().startswith(JPEG)


def test_each_has_an_id(folder: pathlib.Path) -> None:
    found = collect_clips([folder])
    assert set(found.values()) == {folder / clip.name for clip in BAD_CLIPS}
    assert not [name for name in found if "\n" in name or "/" in name]


def test_a_clip_that_is_gone_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ClipFault, match=r"^clip 'gone.mp4': expected a file, found none"):
        list(sampled_frames(tmp_path / "gone.mp4", Sampling(1.0), VIEWS[0]))
    with pytest.raises(ClipFault, match="cannot be decoded"):
        list(sampled_frames(tmp_path, Sampling(1.0), VIEWS[0]))


def test_ffmpeg_does_not_talk(folder: pathlib.Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from data_pipeline.clips.picture_view import PictureView\n"
        "from data_pipeline.clips.sampled_frames import ClipFault, Sampling, sampled_frames\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        print(sum(len(one.seconds) for one in sampled_frames(path, Sampling(5.0), PictureView(64, 56))))\n"
        "    except ClipFault as fault:\n"
        "        print(fault)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(BAD_CLIPS)


@pytest.mark.slow
def test_a_thousand_clips_leave_nothing_behind(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Neither memory nor open files, whether the clips are good, broken or left in the middle."""
    good = write_numbered(tmp_path / "good.mp4", PLAIN, even_times(FRAMES))
    names = [good, *(folder / clip.name for clip in BAD_CLIPS)]

    def read(count: int) -> None:
        for number in range(count):
            reading = sampled_frames(names[number % len(names)], Sampling(5.0), VIEWS[1], chunk=4)
            try:
                next(reading)
                if number % 3:
                    list(reading)
            except ClipFault:
                continue

    def held() -> tuple[int, int]:
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(list(pathlib.Path("/proc/self/fd").iterdir()))

    read(100)
    memory, files = held()
    read(1000)
    memory_after, files_after = held()
    assert files_after == files
    assert memory_after - memory < 50e6
