"""Apache Beam's direct runner, in this process and with two worker processes, against the plain path.

They need the extra "beam", which the tests do without otherwise.
"""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from data_pipeline.annotations.caption import Annotations, Caption, Foil, make_annotations
from data_pipeline.errors import InputError
from data_pipeline.preparation.prepare_folder import Options, Source, prepare
from data_pipeline.preparation.runner import LocalRunner, Runner, Survey
from data_pipeline.preparation.selection import Video
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardSummary, ShardWriter
from data_pipeline.text.vocabulary import TokenizerOptions
from tests.data_pipeline.preparation.reader_witness import WitnessedFeatures
from tests.support import ROOT
from tests.support.command_line import run_prepare

SIZES = {"train": 60, "val": 9, "test": 11}
OPTIONS = Options(
    tokenizer=TokenizerOptions(vocabulary_size=60), attribute_minimum_videos=2, shard_bytes=1000
)


needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="pip install -e '.[beam]'"
)


@pytest.fixture(autouse=True)
def workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def annotations(sizes: Mapping[str, int]) -> Annotations:
    verbs, things = ["is chasing", "holds", "watches"], ["a ball", "a small cat", "the red car", "two birds"]
    return make_annotations(
        (
            Caption(
                f"{split}{number}",
                f"{split}{number}#{index}",
                f"a man {verbs[(number + index) % 3]} {things[number % 4]}",
                split,
            )
            for split, size in sizes.items()
            for number in range(size)
            for index in range(1 + number % 3)
        ),
        name="made",
        protocol="plain",
        licence="CC0",
        citation="none",
    )


class WitnessedRun:
    """A run that keeps what its shards hold, with the statistics of their features to the last bit."""

    def __init__(self, run: Runner) -> None:
        self.parser, self._run = run.parser, run
        self.shards: list[dict[str, Any]] = []

    def survey(self, videos: Sequence[Video]) -> Survey:
        return self._run.survey(videos)

    def write(self, maker: RecordMaker, writer: ShardWriter) -> Sequence[ShardSummary]:
        shards = self._run.write(maker, writer)
        self.shards = sorted(
            (shard.to_json() for shard in shards), key=lambda shard: (shard["split"], shard["index"])
        )
        return shards


def prepare_with(
    run: Runner, given: Annotations, out: Path, notes: Path, spoiled: str = ""
) -> dict[str, Any]:
    notes.mkdir(exist_ok=True)
    ids = {caption.video_id for caption in given.captions}
    foils = {"test0": (Foil("action", 0, "a man eats a ball"),)}
    source = Source(given, {"made": WitnessedFeatures(ids, notes, spoiled)}, foils)
    return prepare(source, out, run, OPTIONS)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def assert_writes_what_one_process_writes(
    arguments: Sequence[str], sizes: Mapping[str, int], folder: Path
) -> dict[str, bytes]:
    """Prepares without Beam and with it: the same, also when captions are parsed already and after an error."""

    def beamed(name: str, spoiled: str = "") -> dict[str, Any]:
        return prepare_with(beam, given, folder / name, folder / "readers", spoiled)

    # Beam may be missing, and then the tests are skipped.
    from data_pipeline.preparation.beam import BeamRunner

    beam = WitnessedRun(BeamRunner(folder / "beam_cache", "DirectRunner", arguments, 1))

    given = annotations(sizes)
    local = WitnessedRun(LocalRunner(folder / "plain_cache", 1))
    plain = prepare_with(local, given, folder / "plain", folder / "reader")
    assert beamed("beamed") == plain
    written, expected = files(folder / "beamed"), files(folder / "plain")
    assert written == expected
    assert beam.shards == local.shards
    trained = [shard["statistics"]["made"]["count"] for shard in local.shards if shard["split"] == "train"]
    assert trained and min(trained) > 0

    with pytest.raises(InputError, match=r"made by a test, video 'train7': \d+ values are NaN"):
        beamed("again", spoiled="train7")
    assert not (folder / "again").exists()
    report = beamed("again")
    parsed = (report["captions_parsed_now"], report["captions_from_cache"])
    assert parsed == (0, plain["captions_parsed_now"])
    assert files(folder / "again").keys() == expected.keys()
    assert [path.name for path in (folder / "reader").iterdir()] == [str(os.getpid())]
    return written


@needs_beam
def test_pipelines_in_this_process_write_what_is_written_without_beam(tmp_path: Path) -> None:
    arguments = ["--direct_num_workers=1", "--direct_running_mode=in_memory"]
    assert_writes_what_one_process_writes(arguments, {"train": 12, "val": 2, "test": 2}, tmp_path)


@needs_beam
@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_write_what_one_process_writes(tmp_path: Path, workers: int) -> None:
    written = assert_writes_what_one_process_writes([f"--direct_num_workers={workers}"], SIZES, tmp_path)
    assert len([name for name in written if "train.tfrecord" in name]) > 3
    assert len({path.name for path in (tmp_path / "readers").iterdir()} - {str(os.getpid())}) >= 2


def test_without_beam_the_flag_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "data_pipeline.preparation.beam", raising=False)
    arguments = ["--dataset=moving_shapes", f"--out={tmp_path / 'out'}"]
    assert run_prepare([*arguments, "--beam_runner=DirectRunner"]) == 2
    assert "pip install 'mcsan-jax[beam]'" in capsys.readouterr().err
    assert run_prepare([*arguments, "--beam_argument=--parallelism=8"]) == 2
    assert "--beam_argument has no use without --beam_runner" in capsys.readouterr().err
