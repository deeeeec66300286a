"""Prints the most memory that an extraction of a long film holds, in all its processes together.

`python -m benchmarks.film_memory` writes a film of two hours (H.264, 160 x 120, 10 frames/s, a key frame every 25 s, a
new scene every 7 s) and runs `mcsan extract` on it, two frames of each second. Counted is the sum of the resident sets
of the program and its processes, five times a second; what they share is counted in each of them.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame

from benchmarks.figures import write_figures
from benchmarks.machine import describe_machine
from benchmarks.options import at_least_one
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


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=at_least_one, default=120, help="length of the film")
    parser.add_argument("--encoder", default="efficientnet_lite0", help="as mcsan extract takes it")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    return parser


@ends_with_a_message()
def main() -> None:
    """Entry point."""
    arguments = make_parser().parse_args()
    if not pathlib.Path("/proc/self/status").is_file():
        raise InputError("benchmarks.film_memory needs Linux, which tells the memory of processes in /proc")
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(pathlib.Path(folder) / "film.mp4", arguments.minutes)
        out = pathlib.Path(folder) / "features.hdf5"
        extract = [
            sys.executable,
            "-m",
            "mcsan_jax.cli",
            "extract",
            str(film),
            f"--encoder={arguments.encoder}",
        ]
        peak, seconds = peak_of([*extract, "--fps=2", f"--out={out}"])
    rate = 60 * arguments.minutes / seconds
    memory = f"at most {peak / 1e6:,.0f} MB of the {LIMIT_BYTES / 1e6:,.0f} that two hours may take"
    print(f"{arguments.minutes} minutes of film: {memory}, {seconds:,.0f} s ({rate:.0f} x real time)")
    figures = {"minutes": arguments.minutes, "peak_bytes": peak, "seconds": seconds}
    write_figures(arguments.json, {"machine": describe_machine(), "film": figures})


if __name__ == "__main__":
    main()
