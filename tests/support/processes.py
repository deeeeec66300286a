"""Starts a program in several processes, each with devices of its own, for tests."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.support import ROOT

MAIN = ("-m", "mcsan_jax.main")
ADDRESS = ("--coordinator=COORDINATOR", "--process_count=COUNT", "--process_index=INDEX")
"""Flags of `mcsan_jax.main`, whose words in capitals `started` fills in."""


@contextlib.contextmanager
def started(
    count: int, devices: int, arguments: Sequence[str], folder: pathlib.Path
) -> Iterator[list[subprocess.Popen[str]]]:
    """Python processes with these arguments, of which none outlives the block.

    COORDINATOR, COUNT and INDEX in the arguments become theirs. What they say goes to ``folder/<index>.log``.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
    }
    processes: list[subprocess.Popen[str]] = []
    try:
        for index in range(count):
            filled = [
                word.replace("COORDINATOR", coordinator)
                .replace("COUNT", str(count))
                .replace("INDEX", str(index))
                for word in arguments
            ]
            with (folder / f"{index}.log").open("w") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, *filled],
                        cwd=folder,
                        env=environment,
                        stdout=log,
                        stderr=log,
                        text=True,
                    )
                )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def said(folder: pathlib.Path, count: int) -> list[str]:
    """What each of them said."""
    return [(folder / f"{index}.log").read_text() for index in range(count)]


def run_all(count: int, devices: int, arguments: Sequence[str], folder: pathlib.Path) -> list[str]:
    """Runs them to their end, which must be a good one; returns what each of them said."""
    folder.mkdir(exist_ok=True)
    with started(count, devices, arguments, folder) as processes:
        statuses = [process.wait(timeout=900) for process in processes]
    outputs = said(folder, count)
    assert statuses == [0] * count, outputs
    return outputs
