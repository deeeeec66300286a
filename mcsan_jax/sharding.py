"""This module lays arrays out over one mesh axis, ``data``: it splits batches and replicates parameters.

One device is a mesh of one.
"""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from data_pipeline.errors import InputError

DATA_AXIS = "data"

Tree = TypeVar("Tree")


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Makes a mesh of all devices (or those given) along the ``data`` axis; XLA places the collectives."""
    chosen = jax.devices() if devices is None else list(devices)
    return jax.make_mesh((len(chosen),), (DATA_AXIS,), axis_types=(AxisType.Auto,), devices=chosen)


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of parameters: every device has a copy."""
    return NamedSharding(mesh, PartitionSpec())


def split_rows(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of batches: the first axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def check_batch_size(batch_size: int, mesh: Mesh, key: str) -> None:
    """Refuses a batch size that the devices do not divide.

    Raises:
        InputError: names the config key, the numbers and the nearest sizes that fit.
    """
    devices = mesh.size
    if batch_size < 1 or batch_size % devices:
        below = batch_size // devices * devices
        fitting = [str(size) for size in (below, below + devices) if size > 0]
        raise InputError(
            f"config.{key} is {batch_size}, which {devices} devices do not divide; use {' or '.join(fitting)}"
        )


def whole_rows(rows: int, mesh: Mesh) -> int:
    """Returns the least batch size that the devices divide and that holds so many rows."""
    return -(-rows // mesh.size) * mesh.size


def put_batch(batch: Tree, mesh: Mesh) -> Tree:
    """Puts host arrays on the devices, rows split; every process gives its own rows of the global batch."""
    sharding = split_rows(mesh)

    def put(array: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, array)

    return jax.tree.map(put, batch)


def put_whole_batch(batch: Tree, mesh: Mesh) -> Tree:
    """Puts host arrays on the devices, rows split; every process gives the whole batch and keeps its own rows."""
    sharding = split_rows(mesh)

    def put(array: Any) -> jax.Array:
        return jax.make_array_from_callback(array.shape, sharding, lambda rows: array[rows])

    return jax.tree.map(put, batch)


def on_devices(batches: Iterable[Tree], mesh: Mesh, ahead: int) -> Iterator[Tree]:
    """Yields the batches, in the same order, with their rows split over the devices.

    When one is yielded, the next ``ahead`` are on the devices or on their way: neither the copy nor a compiled step
    blocks the caller, so that no thread is needed.

    Args:
        batches: arrays of this process, the rows of its part of each global batch.
        mesh: devices of all processes.
        ahead: number of batches to hold besides the one yielded; 0 puts each when it is asked for.

    Raises:
        Exception: what ``batches`` raised, after all batches before it were yielded, as without holding any.
    """
    held: collections.deque[Tree] = collections.deque()
    try:
        for batch in batches:
            held.append(put_batch(batch, mesh))
            if len(held) > ahead:
                yield held.popleft()
    except Exception:
        yield from held
        raise
    yield from held
