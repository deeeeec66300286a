"""Prints the most memory that an extraction of a long film holds, in all its processes together.

`python -m benchmarks film_memory` writes a film of two hours (H.264, 160 x 120, 10 frames/s, a key frame every 25 s, a
new scene every 7 s) and runs `mcsan extract` on it, two frames of each second. Counted is the sum of the resident sets
of the program and its processes, five times a second; what they share is counted in each of them.
"""

import pathlib
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from typing import Annotated, Any

import av
import numpy as np
import typer
from av.video.frame import VideoFrame

from data_pipeline.errors import InputError

ROWS, COLUMNS, RATE, SCENE_SECONDS = 120, 160, 10, 7
OPTIONS = {"preset": "ultrafast", "g": str(25 * RATE), "threads": "1"}
LIMIT_BYTES = 1.5e9
"""A film of two hours is to be read with so much."""


def write_film(path: pathlib.Path, minutes: int) -> pathlib.Path:
    """Writes a film in which something moves in front of a scene."""
    draw = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options=OPTIONS)
        stream.width, stream.height, stream.pix_fmt = COLUMNS, ROWS, "yuv420p"
        for number in range(minutes * 60 * RATE):
            if number % (SCENE_SECONDS * RATE) == 0:
                scene = draw.integers(0, 255, (6, 8, 3), np.uint8).repeat(20, axis=0).repeat(20, axis=1)
            picture = scene.copy()
            left = 2 * number % (COLUMNS - 20)
            picture[50:70, left : left + 20] = 255
            frame = VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def resident_bytes(process: int) -> int:
    """The resident sets of a process and of those that it started, together; Linux alone tells them."""
    try:
        status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        threads = pathlib.Path(f"/proc/{process}/task").iterdir()
        started = {
            one for thread in threads for one in (thread / "children").read_text(encoding="utf-8").split()
        }
    except OSError:
        # It ended meanwhile.
        return 0
    own = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return own * 1024 + sum(resident_bytes(int(child)) for child in started)


def peak_of(command: list[str]) -> tuple[int, float]:
    """Runs a command, and returns the most memory that it held, and how many seconds it took.

    Raises:
        InputError: it failed.
    """
    peak, start = 0, time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while running.poll() is None:
            peak = max(peak, resident_bytes(running.pid))
            time.sleep(0.2)
        said = running.stderr.read()
    if running.returncode:
        raise InputError(f"{' '.join(command)} failed: {said.strip()}")
    return peak, time.monotonic() - start


def run(
    minutes: Annotated[int, typer.Option(min=1, help="Length of the film.")] = 120,
    encoder: Annotated[str, typer.Option(help="As mcsan extract takes it.")] = "efficientnet_lite0",
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: the extraction failed, or the system does not tell the memory of processes.
    """
    if not pathlib.Path("/proc/self/status").is_file():
        raise InputError("film_memory needs Linux, which tells the memory of processes in /proc")
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(pathlib.Path(folder) / "film.mp4", minutes)
        out = pathlib.Path(folder) / "features.hdf5"
        extract = [sys.executable, "-m", "mcsan_jax.cli", "extract", str(film), f"--encoder={encoder}"]
        peak, seconds = peak_of([*extract, "--fps=2", f"--out={out}"])
    rate = 60 * minutes / seconds
    memory = f"at most {peak / 1e6:,.0f} MB of the {LIMIT_BYTES / 1e6:,.0f} that two hours may take"
    print(f"{minutes} minutes of film: {memory}, {seconds:,.0f} s ({rate:.0f} x real time)")
    return {"film": {"minutes": minutes, "peak_bytes": peak, "seconds": seconds}}
