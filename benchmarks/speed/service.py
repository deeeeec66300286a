"""Puts load on the search service: many users at once, who search, ask why, look at similar videos, open the page.

`python -m benchmarks service --seconds=60` indexes clips of the embedded data set with the shipped model, serves the
index as a user would, and prints requests a second, the median and the 99th percentile of their times, errors, and the
memory of the service while it runs. No user waits between requests. The users share the processor with the service, and
how much of it they take is printed too.
"""

import asyncio
import contextlib
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.machine import describe_machine
from benchmarks.speed.load_clients import Load, asked, put_load
from data_pipeline.errors import InputError

HOST = "127.0.0.1"
LONGEST_WAIT = 1.0
"""Seconds below which the 99th percentile is wanted."""
MEMORY, PROCESSOR = "resident_memory_bytes", "cpu_seconds_total"
_WARM_UP_SECONDS = 5.0
_MEMORY_EACH_SECONDS = 5.0
_PAGE = ("/", "/static/page.js", "/static/page.css")


def mcsan(*words: object) -> list[str]:
    """The command line of a verb."""
    return [sys.executable, "-m", "mcsan_jax.cli", *map(str, words)]


@contextlib.contextmanager
def indexed(index: pathlib.Path | None, videos: int) -> Iterator[pathlib.Path]:
    """An index: one that is there, or one of the embedded data set, deleted in the end.

    Raises:
        InputError: it could not be made; with what was said.
    """
    if index is not None:
        yield index
        return
    with tempfile.TemporaryDirectory(prefix="service_") as folder:
        made = pathlib.Path(folder) / "index"
        words = mcsan("index", "demo", "moving_shapes", "--count", videos, "--render_clips", "--out", made)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"the clips could not be indexed:\n{done.stdout}{done.stderr}")
        yield made


@contextlib.contextmanager
def served(index: pathlib.Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A service of an index and its port; it does not outlive the block.

    Raises:
        InputError: it did not start; it has said why.
    """
    process = subprocess.Popen(mcsan("serve", index, "--port", 0), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        if found is None:
            raise InputError(f"{index} could not be served")
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


async def told(port: int, metric: str) -> float:
    """One of the metrics of the service's process: its memory, or the processor seconds that it took."""
    text = (await asked(HOST, port, "/metrics")).decode()
    found = re.search(rf"^process_{metric} (\S+)", text, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def processor_seconds() -> float:
    """What this process has taken."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Figures of the times of requests, in milliseconds."""
    times = 1e3 * np.array(seconds or [np.nan])
    return {
        "count": len(seconds),
        "p50_ms": float(np.median(times)),
        "p99_ms": float(np.quantile(times, 0.99)),
        "max_ms": float(times.max()),
    }


async def measured(port: int, clients: int, seconds: float) -> tuple[Load, list[float], float]:
    """What users saw in so many seconds, after a while that does not count, and what the service took.

    Returns:
        The load, the memory of the service over time in bytes, and its processor seconds.
    """
    # It is answered when the service has warmed up.
    await asked(HOST, port, "/health")
    await put_load(HOST, port, _PAGE, clients, _WARM_UP_SECONDS, Load())
    load, memory = Load(), [await told(port, MEMORY)]
    before = await told(port, PROCESSOR)
    users = asyncio.create_task(put_load(HOST, port, _PAGE, clients, seconds, load))
    while not users.done():
        await asyncio.wait([users], timeout=_MEMORY_EACH_SECONDS)
        memory.append(await told(port, MEMORY))
    await users
    return load, memory, await told(port, PROCESSOR) - before


def run(
    seconds: Annotated[int, typer.Option(min=1, help="Of the load, after some to warm up.")] = 60,
    clients: Annotated[int, typer.Option(min=1, help="Users at once.")] = 64,
    videos: Annotated[int, typer.Option(min=1, help="Clips of the embedded data set.")] = 500,
    index: Annotated[
        pathlib.Path | None, typer.Option(help="An index that is there, in place of these clips.")
    ] = None,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: the index could not be made or served.
    """
    print(describe_machine(), flush=True)
    with indexed(index, videos) as opened, served(opened) as (process, port):
        before, begun = processor_seconds(), time.perf_counter()
        load, memory, taken = asyncio.run(measured(port, clients, seconds))
        share = (processor_seconds() - before) / (time.perf_counter() - begun)
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    by_step = {step: percentiles(times) for step, times in sorted(load.seconds.items())}
    every = percentiles([one for times in load.seconds.values() for one in times])
    rate = load.requests / seconds
    print(f"{clients} users for {seconds:g} s: {rate:.0f} requests/s, {load.requests} in all")
    for step, found in {**by_step, "all": every}.items():
        print(
            f"  {step:8s} {found['count']:6d} requests, p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms, "
            f"longest {found['max_ms']:.0f} ms"
        )
    print(f"p99 wanted below {1e3 * LONGEST_WAIT:.0f} ms; errors: {load.errors.total()} (wanted: none)")
    for said, count in load.errors.most_common(10):
        print(f"  {count} x {said}")
    print(
        f"memory of the service: {', '.join(f'{one / 1e6:.0f}' for one in memory)} MB, every {_MEMORY_EACH_SECONDS:g} s"
    )
    print(f"cores: the service took {taken / seconds:.2f}, the users {share:.2f}")
    print(f"after SIGTERM the service ended with status {status}")
    return {
        "clients": clients,
        "seconds": seconds,
        "requests_per_second": rate,
        "all": every,
        "steps": by_step,
        "errors": dict(load.errors),
        "memory_bytes": memory,
        "users_cores": share,
        "service_cores": taken / seconds,
        "status": status,
    }
