"""One mesh axis, ``data``: batches are split over it, parameters are replicated. One device is a mesh of one."""

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from data_pipeline.errors import InputError

DATA_AXIS = "data"

Tree = TypeVar("Tree")


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of all devices (or those given) along the ``data`` axis; XLA places the collectives."""
    chosen = jax.devices() if devices is None else list(devices)
    return jax.make_mesh((len(chosen),), (DATA_AXIS,), axis_types=(AxisType.Auto,), devices=chosen)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of parameters: a copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_rows(mesh: Mesh) -> NamedSharding:
    """The sharding of batches: the first axis is split over the devices."""
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


def check_kernel(kernel: str, mesh: Mesh) -> None:
    """Refuses a form of the similarity that the devices cannot run.

    Raises:
        InputError: names the config key and the devices.
    """
    platform = mesh.devices.flat[0].platform
    if kernel == "pallas" and platform != "gpu":
        raise InputError(
            f"config.similarity.kernel is 'pallas', which needs an NVIDIA GPU, but the devices are {platform}; "
            "use 'xla'"
        )


def put_batch(batch: Tree, mesh: Mesh) -> Tree:
    """Host arrays to devices, rows split; every process gives its own rows of the global batch."""
    sharding = split_rows(mesh)

    def put(array: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, array)

    return jax.tree.map(put, batch)


def put_whole_batch(batch: Tree, mesh: Mesh) -> Tree:
    """Host arrays to devices, rows split; every process gives the whole global batch and keeps its own rows."""
    sharding = split_rows(mesh)

    def put(array: Any) -> jax.Array:
        return jax.make_array_from_callback(array.shape, sharding, lambda rows: array[rows])

    return jax.tree.map(put, batch)
