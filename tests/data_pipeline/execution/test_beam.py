"""Apache Beam's direct runner with two worker processes against the plain path."""

import os
import sys
from pathlib import Path

import pytest

from data_pipeline.annotations.caption import Annotations, Caption, Foil, make_annotations
from data_pipeline.execution.beam import BeamRun
from data_pipeline.execution.local import LocalRun
from data_pipeline.execution.run import Run
from data_pipeline.preparation import Options, Source, prepare
from data_pipeline.vocabulary import TokenizerOptions
from mcsan_jax.errors import InputError
from tests.data_pipeline.execution.reader_witness import WitnessedFeatures
from tests.support import ROOT
from tests.support.corpus import run_command

SIZES = {"train": 60, "val": 9, "test": 11}
OPTIONS = Options(
    tokenizer=TokenizerOptions(vocabulary_size=60), attribute_minimum_videos=2, shard_bytes=1000
)
WORKERS = ["--direct_num_workers=2"]


@pytest.fixture(autouse=True)
def workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def annotations() -> Annotations:
    verbs, things = ["is chasing", "holds", "watches"], ["a ball", "a small cat", "the red car", "two birds"]
    return make_annotations(
        (
            Caption(
                f"{split}{number}",
                f"{split}{number}#{index}",
                f"a man {verbs[(number + index) % 3]} {things[number % 4]}",
                split,
            )
            for split, size in SIZES.items()
            for number in range(size)
            for index in range(1 + number % 3)
        ),
        name="made",
        protocol="plain",
        licence="CC0",
        citation="none",
    )


def prepare_with(run: Run, out: Path, notes: Path, spoiled: str = "") -> dict:
    notes.mkdir(exist_ok=True)
    ids = {f"{split}{number}" for split, size in SIZES.items() for number in range(size)}
    foils = {"test0": (Foil("action", 0, "a man eats a ball"),)}
    source = Source(annotations(), {"made": WitnessedFeatures(ids, notes, spoiled)}, foils)
    return prepare(source, out, run, OPTIONS)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_two_workers_write_what_one_process_writes(tmp_path: Path) -> None:
    plain = prepare_with(LocalRun(tmp_path / "plain_cache", 1), tmp_path / "plain", tmp_path / "reader")
    cache = tmp_path / "beam_cache"
    beamed = prepare_with(
        BeamRun(cache, "DirectRunner", WORKERS, 1), tmp_path / "beamed", tmp_path / "readers"
    )
    assert plain == beamed
    written, expected = files(tmp_path / "beamed"), files(tmp_path / "plain")
    assert written == expected
    assert len([name for name in written if "train.tfrecord" in name]) > 3
    assert [path.name for path in (tmp_path / "reader").iterdir()] == [str(os.getpid())]
    assert len({path.name for path in (tmp_path / "readers").iterdir()} - {str(os.getpid())}) >= 2

    texts = plain["captions_parsed_now"]
    with pytest.raises(InputError, match=r"made by a test, video 'train7': \d+ values are NaN"):
        prepare_with(
            BeamRun(cache, "DirectRunner", WORKERS, 1), tmp_path / "again", tmp_path / "readers", "train7"
        )
    assert not (tmp_path / "again").exists()
    report = prepare_with(
        BeamRun(cache, "DirectRunner", WORKERS, 1), tmp_path / "again", tmp_path / "readers"
    )
    assert (report["captions_parsed_now"], report["captions_from_cache"]) == (0, texts)
    assert files(tmp_path / "again").keys() == expected.keys()


def test_without_beam_the_flag_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "data_pipeline.execution.beam", raising=False)
    arguments = ["--dataset=moving_shapes", f"--out={tmp_path / 'out'}"]
    assert run_command([*arguments, "--beam_runner=DirectRunner"]) == 2
    assert "pip install 'mcsan-jax[beam]'" in capsys.readouterr().err
    assert run_command([*arguments, "--beam_argument=--parallelism=8"]) == 2
    assert "--beam_argument has no use without --beam_runner" in capsys.readouterr().err
