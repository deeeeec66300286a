"""One run in several processes, on one machine or many: joining them, and who does what is done once.

Every process executes the same program (`jax.distributed`). Files of a run are written by the first of them, into a
folder that all of them see.
"""

import contextlib
import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
from jax.experimental import multihost_utils

from data_pipeline.errors import InputError

Result = TypeVar("Result")

RESUME_ME = 75
"""Exit status of a run that ended early and can go on: ``EX_TEMPFAIL`` of sysexits.h."""

_HEARTBEAT_SECONDS = 60
"""After so long a silence of another process JAX aborts this one, wherever it is."""

_FIRST_IS_DONE = "first process is done"


@dataclasses.dataclass(frozen=True)
class Place:
    """Which of several processes this one is.

    Attributes:
        coordinator: ``host:port`` at which the first process listens.
        count: number of processes.
        index: of this one, from 0 on.
    """

    coordinator: str
    count: int
    index: int


def place_of(coordinator: str | None, count: int | None, index: int | None) -> Place | None:
    """The place that was given by hand; None where none was.

    Raises:
        InputError: only a part of it was given, or the numbers make no sense.
    """
    if coordinator is None and count is None and index is None:
        return None
    if coordinator is None or count is None or index is None:
        raise InputError(
            "--coordinator, --process_count and --process_index belong together; give all or none"
        )
    if not 0 <= index < count:
        raise InputError(
            f"--process_index is {index} and --process_count {count}; expected an index from 0 to {count - 1}"
        )
    return Place(coordinator, count, index)


def join(place: Place | None, discover: bool) -> None:
    """Makes this process one of several, before any device is used.

    Args:
        place: given by hand; None where there is none.
        discover: without a place, ask the surroundings for it: a TPU pod slice, Slurm, Open MPI.

    Raises:
        InputError: the surroundings name no other processes.
    """
    if place is not None:
        jax.distributed.initialize(
            place.coordinator,
            place.count,
            place.index,
            heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
        )
    elif discover:
        try:
            jax.distributed.initialize(heartbeat_timeout_seconds=_HEARTBEAT_SECONDS)
        except ValueError as error:
            raise InputError(
                f"--distributed: neither a TPU pod slice nor Slurm nor Open MPI was found ({error}); leave it out for "
                "a single process, or give --coordinator, --process_count and --process_index"
            ) from error


@contextlib.contextmanager
def ends_with_the_others() -> Iterator[None]:
    """Ends this process with a message and `RESUME_ME` when a collective fails because another one is gone.

    At once and without any clean-up, which would wait for the others. Where it waits for them in a place that does not
    fail (one of its own devices, or the barrier of a checkpoint), JAX's heartbeat ends it, with SIGABRT.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        what = str(error).strip().splitlines()[0]
        print(
            f"error: process {jax.process_index()} of {jax.process_count()} cannot go on, most likely because another "
            f"one ended: {what}\nStart all of them again with the same command: they go on from the last checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(RESUME_ME)


def is_first() -> bool:
    """Whether this process writes what is written once."""
    return jax.process_index() == 0


@contextlib.contextmanager
def first_speaks() -> Iterator[None]:
    """Sends the standard output of all processes but the first nowhere; errors are told by each of them."""
    if is_first():
        yield
        return
    with pathlib.Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def first_before_others(work: Callable[[], Result]) -> Result:
    """Does some work in every process, in the first one before all others, so that they find what it left.

    Where it fails in the first, the others come to the same failure instead of waiting.
    """
    if jax.process_count() == 1:
        return work()
    if is_first():
        try:
            return work()
        finally:
            multihost_utils.sync_global_devices(_FIRST_IS_DONE)
    multihost_utils.sync_global_devices(_FIRST_IS_DONE)
    return work()
