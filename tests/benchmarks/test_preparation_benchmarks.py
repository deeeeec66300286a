"""The benchmarks of parsing and preparing, run with small data."""

import os
import pathlib
import re
import subprocess
import sys

from tests.support import ROOT
from tests.support.small_sources import write_source


def benchmark(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_captions_of_a_source_are_parsed_and_described(tmp_path: pathlib.Path) -> None:
    source = write_source(tmp_path, "msrvtt")
    said = benchmark("parse_captions.py", "--dataset=msrvtt", f"--annotations={source}")
    assert said.startswith("640 captions, 640 distinct, in ")
    assert "| entities | 1.00 | 1 | 1 | 1 | 0.00 % |" in said
    assert re.search(r"\| entity \| 1 \| 1 \| 100.00 % \| 320 : 320 : 320 \| caption 100 \|", said), said


def test_all_runs_write_the_same_records() -> None:
    sizes = ("--videos=8", "--captions=3", "--frames=4", "--dim=6")
    lines = benchmark("preparation.py", *sizes, "--workers=2").splitlines()
    assert lines[0] == "8 videos, 24 captions, 4 x 6 float16"
    rows = [line.split(" | ") for line in lines if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == [
        "| this process",
        "| 2 parsing processes",
        "| Beam, 1 worker",
        "| Beam, 2 workers",
    ]
    assert rows[0][-1] == "1.00 |"
    assert lines[-1].startswith("10,000,000 such videos (3 captions each): ")
