"""A thousand clips leave neither memory nor open files behind, whether they are good or broken."""

import multiprocessing
import os
import pathlib

import pytest

from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import Sampling
from mcsan_jax.extraction.decoding_processes import DecodedFrames, DecodingJob, DecodingProcesses
from mcsan_jax.extraction.extract_features import extract_features
from mcsan_jax.extraction.run_extraction import ExtractionOptions
from tests.extraction.colour_encoder import ColourEncoder

pytestmark = pytest.mark.slow

FIRST, ALL = 100, 1100


@pytest.fixture(scope="module")
def many(clips: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(ALL):
        os.link(clips / ("letter.mp4" if number % 10 == 9 else "first.mp4"), folder / f"{number:04}.mp4")
    return folder


def held(process: int) -> tuple[int, int]:
    """Bytes of memory and number of open files."""
    pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list(pathlib.Path(f"/proc/{process}/fd").iterdir()))


def test_where_they_are_decoded(many: pathlib.Path, tmp_path: pathlib.Path) -> None:
    job = DecodingJob(Sampling(frames_per_second=5), PictureView((48, 64)), tmp_path, True)
    before = set(multiprocessing.active_children())
    ended = 0
    with DecodingProcesses(list(collect_clips([many]).items()), job, 1) as decoded:
        [decoder] = set(multiprocessing.active_children()) - before
        assert decoder.pid is not None
        for message in decoded:
            ended += not isinstance(message, DecodedFrames)
            if ended == FIRST:
                memory, files = held(decoder.pid)
            elif ended == ALL - 1:
                memory_after, files_after = held(decoder.pid)
    # It is in the middle of a clip, whose file and pictures may be open.
    assert files_after <= files + 3
    assert memory_after - memory < 50e6


def test_where_they_are_encoded(
    many: pathlib.Path, encoders: dict[str, ColourEncoder], tmp_path: pathlib.Path
) -> None:
    found = list(collect_clips([many]).items())
    options = ExtractionOptions(Sampling(frames=3), processes=1, pictures=False)
    extract_features(dict(found[:FIRST]), {tmp_path / "few.hdf5": "colours"}, options)
    memory, files = held(os.getpid())
    report = extract_features(dict(found[FIRST:]), {tmp_path / "many.hdf5": "colours"}, options)
    memory_after, files_after = held(os.getpid())
    assert (report.clips, len(report.skipped)) == (900, 100)
    assert files_after <= files
    assert memory_after - memory < 50e6
