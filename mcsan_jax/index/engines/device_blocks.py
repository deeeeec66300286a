"""This module puts arrays on a device in blocks of one size, so that one compiled program serves any number of rows."""

import functools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

_ALIGNMENT = 64
"""A CPU uses an array where it lies, without a copy, if its first byte is a multiple of this."""


def blocks_on_device(arrays: Mapping[str, np.ndarray], rows: int) -> list[dict[str, jax.Array]]:
    """Returns arrays with a row per item in blocks of `rows` items; zeros fill up the last one."""
    count = len(next(iter(arrays.values())))
    return [
        {name: jax.device_put(_filled(array[start : start + rows], rows)) for name, array in arrays.items()}
        for start in range(0, count, rows)
    ]


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Returns an array of no particular content, which a CPU uses where it lies."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


@functools.cache
def core_threads() -> ThreadPoolExecutor:
    """Returns as many threads as there are cores: a compiled program for a few rows runs on one of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(cores, "block")


def _filled(array: np.ndarray, rows: int) -> np.ndarray:
    if len(array) == rows:
        return array
    filled = aligned((rows, *array.shape[1:]), array.dtype)
    filled[: len(array)], filled[len(array) :] = array, 0
    return filled
