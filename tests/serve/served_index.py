"""Serves an index in a process of its own, as a user does."""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx

from tests.support import ROOT

PROGRAM = (sys.executable, "-m", "mcsan_jax.cli")


@dataclasses.dataclass
class Served:
    """A service that runs.

    Attributes:
        process: in which it runs.
        port: at which it listens.
        client: speaks with it.
    """

    process: subprocess.Popen[str]
    port: int
    client: httpx.Client

    def ended(self) -> tuple[int, str]:
        """Status and standard error output, once it has ended."""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextlib.contextmanager
def served(index: pathlib.Path, *words: str, folder: pathlib.Path = ROOT) -> Iterator[Served]:
    """`mcsan serve INDEX --port=0 …`, called in a folder, which does not outlive the block."""
    command = [*PROGRAM, "serve", str(index), "--port=0", *words]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            found = re.search(r"http://\S+:(\d+)/", line)
            assert found, line + process.stderr.read()
            with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=120) as client:
                yield Served(process, int(found[1]), client)
        finally:
            process.kill()


class Asked(NamedTuple):
    """A request: when it was sent, and the status of its answer or what went wrong."""

    sent: float
    outcome: int | str


@contextlib.contextmanager
def asking(service: Served, address: str, users: int) -> Iterator[list[Asked]]:
    """Several users who ask again and again while the block runs; how it went."""
    answers: list[Asked] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=service.client.base_url, timeout=120) as client:
            while not stop.is_set():
                sent = time.monotonic()
                try:
                    answers.append(Asked(sent, client.get(address).status_code))
                except httpx.HTTPError as error:
                    answers.append(Asked(sent, type(error).__name__))
                    return

    threads = [threading.Thread(target=ask) for _ in range(users)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def within_a_while(condition: Callable[[], bool]) -> bool:
    """Whether something comes true within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False
