"""What a measurement ran on, and measurements that other work on the machine disturbs as little as possible.

Absolute times on a shared machine mean little. Functions are therefore timed in turn, round by round, and compared
by the median over the rounds of the ratio within a round.
"""

import importlib.metadata
import os
import pathlib
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import jax

_PACKAGES = ("jax", "jaxlib", "torch", "numpy")


def describe_machine() -> str:
    """Lines that name the processor, its cores, the devices JAX uses, and the versions of Python and packages."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = jax.devices()
    versions = [f"python {platform.python_version()}"]
    installed = {found.metadata["Name"] for found in importlib.metadata.distributions()}
    versions += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES if name in installed]
    return (
        f"machine: {_processor()}, {cores} cores; {len(devices)} x {devices[0].device_kind} under JAX\n"
        f"versions: {', '.join(versions)}"
    )


def alternate(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each function in each round.

    Every function is called once before, unmeasured, so that nothing is compiled in a measured round. A function
    must wait for its own results (`jax.block_until_ready`).

    Args:
        functions: what to measure, by name.
        rounds: how often the functions are called, one after the other.
    """
    for function in functions.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Median over the rounds of how many times as long the first took as the second in the same round."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def fastest_ratio(slow: list[float], fast: list[float]) -> float:
    """How many times as long the first took as the second, each in its own fastest round.

    Where other programs want the cores too, threads that wait for one another (PyTorch's) lose far more than others,
    and the median of ratios shows that instead of the work. The fastest rounds are those that were disturbed least.
    """
    return min(slow) / min(fast)


def peak_memory_bytes() -> int:
    """Most memory that this process has held at any time since it began (resident set).

    Linux counts in `ru_maxrss` what the process that started this one held, so its own peak is read from `/proc`.
    """
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak if sys.platform == "darwin" else peak * 1024


def _processor() -> str:
    information = pathlib.Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
