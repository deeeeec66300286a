import os
import pathlib
import re
import subprocess
import sys

import pytest

from data_pipeline.manifest import FRAMES, REGIONS
from tests.support import ROOT
from tests.support.prepared_data import Prepared, make_record, make_stream, write_prepared

NUMBER = r"\d+(?:\.\d+)?"


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    config = (f"--config={ROOT}/configs/msrvtt.py:tiny", "--config.train.batch_size=8")
    return subprocess.run(
        [
            *(sys.executable, str(ROOT / "benchmarks" / "input_pipeline.py"), *config),
            *("--batches=6", "--repeats=1", "--steps=1", *arguments),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


def check_figures(lines: list[str]) -> None:
    pipelines, step, ratios = lines[:2], lines[2], lines[3:]
    patterns = {
        source: rf"pipeline from {source}: ({NUMBER}) records/s, {NUMBER} MB/s of features"
        for source in ("files", "memory")
    }
    rates = [re.fullmatch(pattern, line) for pattern, line in zip(patterns.values(), pipelines, strict=True)]
    consumed = re.match(
        rf"step of msrvtt_tiny: ({NUMBER}) records/s, {NUMBER} ms of which .* cpu device", step
    )
    assert all(rates) and consumed, lines
    for source, rate, line in zip(patterns, rates, ratios, strict=True):
        found = re.fullmatch(rf"ratio pipeline/step from {source}: ({NUMBER}) \(wanted: 5 or more\)", line)
        assert found and rate
        expected = float(rate.group(1)) / float(consumed.group(1))
        assert float(found.group(1)) == pytest.approx(expected, rel=0.1, abs=0.1)


def test_made_up_data_are_prepared_and_measured() -> None:
    result = benchmark("--videos=12", "--frames=6", "--dim=10", "--captions=3")
    assert result.returncode == 0, result.stderr
    first, *figures = result.stdout.splitlines()
    assert re.fullmatch(rf"data: 12 videos, 36 captions, frames of 10, {NUMBER} MB of records", first)
    check_figures(figures)


def test_made_up_data_have_the_tokenizer_of_the_encoder() -> None:
    encoder = ("--config.model.context=pretrained", "--config.model.pretrained=minilm")
    result = benchmark("--videos=8", "--frames=6", "--dim=10", "--captions=3", *encoder)
    assert result.returncode == 0, result.stderr
    check_figures(result.stdout.splitlines()[1:])


def test_prepared_data_are_measured(tmp_path: pathlib.Path) -> None:
    streams = (make_stream("appearance", FRAMES, 6), make_stream("objects", REGIONS, 4, regions=2))
    records = [make_record(f"train{i}", streams, i) for i in range(9)]
    captions = sum(len(record.captions) for record in records)
    prepared: Prepared = write_prepared(tmp_path, streams, {"train": records})
    result = benchmark(f"--data_dir={prepared.folder}")
    assert result.returncode == 0, result.stderr
    first, *figures = result.stdout.splitlines()
    assert first.startswith(f"data: 9 videos, {captions} captions, frames of 6, ")
    check_figures(figures)


def test_a_folder_without_data_ends_with_a_message(tmp_path: pathlib.Path) -> None:
    result = benchmark(f"--data_dir={tmp_path}")
    assert result.returncode == 2
    assert f"error: No prepared data set in {tmp_path}" in result.stderr
    assert "Traceback" not in result.stderr
