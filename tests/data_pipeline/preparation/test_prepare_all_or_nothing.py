"""A prepared data set appears as a whole or not at all, and replaces another one only on demand."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support import ROOT
from tests.support.command_line import run_prepare
from tests.support.corpus import (
    COMMAND,
    Corpus,
    all_features,
    make_features,
    official_json,
    record_bytes,
    write_hdf5,
    write_npy,
)


def test_an_error_leaves_nothing_behind(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    features = all_features()
    features["test0"][-1, 2] = np.nan
    write_hdf5(corpus.features, features)
    assert run_prepare(corpus.arguments()) == 2
    assert "video 'test0': 1 values are NaN" in capsys.readouterr().err
    assert list(corpus.out.parent.iterdir()) == []


def test_result_is_replaced_only_on_demand(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_prepare(corpus.arguments()) == 0
    before = record_bytes(corpus.out)
    assert run_prepare(corpus.arguments(tokenizer="bpe")) == 2
    assert "give --overwrite to replace it" in capsys.readouterr().err
    assert record_bytes(corpus.out) == before

    features = all_features()
    features["test0"][0, 0] = np.inf
    broken = write_hdf5(corpus.folder / "broken.h5", features)
    assert run_prepare(corpus.arguments("--overwrite", features=broken)) == 2
    assert record_bytes(corpus.out) == before

    (corpus.out / "leftover").touch()
    assert run_prepare(corpus.arguments("--overwrite", tokenizer="bpe")) == 0
    assert record_bytes(corpus.out) != before
    assert not (corpus.out / "leftover").exists()
    assert [path.name for path in corpus.out.parent.iterdir()] == ["data"]


def test_only_prepared_data_is_ever_replaced(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.out.mkdir(parents=True)
    (corpus.out / "thesis.tex").touch()
    assert run_prepare(corpus.arguments("--overwrite")) == 2
    assert "is not a prepared data set" in capsys.readouterr().err
    assert (corpus.out / "thesis.tex").exists()
    (corpus.out / "thesis.tex").unlink()
    assert run_prepare(corpus.arguments()) == 0


def test_what_a_killed_run_left_goes(corpus: Corpus) -> None:
    unfinished = corpus.out.parent / ".data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "half_written").touch()
    assert run_prepare(corpus.arguments()) == 0
    assert [path.name for path in corpus.out.parent.iterdir()] == ["data"]
    assert not (corpus.out / "half_written").exists()


def _wait_for_file_in(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.glob("*")):
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_runs_leave_no_trace_in_the_result(corpus: Corpus) -> None:
    extra = {
        f"more{i}": [f"{number} people dance with {i} dogs" for number in range(3, 8)] for i in range(120)
    }
    corpus.annotations.write_text(official_json(extra))
    features = all_features() | {video_id: make_features(video_id) for video_id in extra}
    folder = write_npy(corpus.folder / "npy", features)
    undisturbed = corpus.arguments(
        features=folder, out=corpus.folder / "undisturbed", graph_cache=corpus.folder / "a"
    )
    disturbed = corpus.arguments(features=folder, graph_cache=corpus.folder / "b")
    assert run_prepare(undisturbed) == 0

    with subprocess.Popen([*COMMAND, *disturbed], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        _wait_for_file_in(corpus.folder / "b", process)
        process.send_signal(signal.SIGKILL)
    assert not corpus.out.exists()

    records = corpus.out.parent / ".data.unfinished" / "records"
    with subprocess.Popen([*COMMAND, *disturbed], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        _wait_for_file_in(records, process)
        process.send_signal(signal.SIGKILL)
    assert not corpus.out.exists() and records.exists()

    assert run_prepare(disturbed) == 0
    assert record_bytes(corpus.out) == record_bytes(corpus.folder / "undisturbed")
    assert [path.name for path in corpus.out.parent.iterdir()] == ["data"]
