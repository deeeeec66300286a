"""One run in several processes, on one machine or many: how they join, end, and share work.

Every process executes the same program (`jax.distributed`). Files of a run are written by the first of them, into a
folder that all of them see.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from data_pipeline.errors import InputError

Result = TypeVar("Result")
Item = TypeVar("Item")
Values = TypeVar("Values")
"""A tree of arrays."""

RESUME_ME = 75
"""Exit status of a run that ended early and can go on: ``EX_TEMPFAIL`` of sysexits.h."""

_STATUS_AFTER: dict[int, int] = {signal.SIGTERM: RESUME_ME, signal.SIGINT: 130}
"""Exit status of a run that a signal asked to stop; 130 is that of every program that Ctrl-C ended."""

_HEARTBEAT_SECONDS = 60
"""JAX aborts this process, wherever it is, after another one has been silent for so long."""

SECONDS_BETWEEN_WORDS = 1.0
"""The first process tells the others so often that it still works."""
WORKING, SUCCEEDED, FAILED = range(3)
"""What the first process tells the others of work that they wait for."""


@dataclasses.dataclass(frozen=True)
class ProcessAddress:
    """The address of one of several processes.

    Attributes:
        coordinator: ``host:port`` at which the first process listens.
        count: the number of processes.
        index: the number of this process, from 0 to ``count - 1``.
    """

    coordinator: str
    count: int
    index: int


def process_address(coordinator: str | None, count: int | None, index: int | None) -> ProcessAddress | None:
    """Returns the address that was given by hand, or None where none was.

    Raises:
        InputError: only some of the three were given, or the index is not below the count.
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
    return ProcessAddress(coordinator, count, index)


def join(address: ProcessAddress | None, discover: bool) -> None:
    """Makes this process one of several, before any device is used.

    Args:
        address: given by hand; None where there is none.
        discover: whether, without an address, the surroundings are asked for it: a TPU pod slice, Slurm, Open MPI.

    Raises:
        InputError: the surroundings name no other processes.
    """
    if address is not None:
        jax.distributed.initialize(
            address.coordinator,
            address.count,
            address.index,
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

    It ends at once and without any clean-up, which would wait for the others. Where it waits for them in something that
    does not fail (one of its own devices, or the barrier of a checkpoint), JAX's heartbeat ends it, with SIGABRT.
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


class Preempted(Exception):
    """The run was asked to stop, and the checkpoint of this step is written.

    Attributes:
        status: the exit status, `RESUME_ME` after SIGTERM and 130 after Ctrl-C.
    """

    def __init__(self, step: int, status: int) -> None:
        super().__init__(
            f"asked to stop: the checkpoint of step {step} is written, the same command goes on from it"
        )
        self.status = status


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], int]]:
    """Listens for SIGTERM and Ctrl-C (SIGINT); a second Ctrl-C is not awaited and raises `KeyboardInterrupt`.

    A signal that arrives after the last question is sent again when the block ends, to what listened before.

    Yields:
        A function that tells whether to stop after the step given: the exit status, or 0 to go on. Several processes
        ask it after every step and stop after the same one: it is enough that one of them was sent a signal.
    """
    several = jax.process_count() > 1
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        asked.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if several:
                # `jax.distributed` listens for SIGTERM by itself, and lets all processes agree on a step.
                os.kill(os.getpid(), signal.SIGTERM)

    def stops_after(step: int) -> int:
        if several and not multihost_utils.reached_preemption_sync_point(step):
            return 0
        return _STATUS_AFTER[asked[0]] if asked else RESUME_ME if several else 0

    listened: tuple[signal.Signals, ...] = (signal.SIGINT,) if several else (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can listen.
        listened = ()
    before = {number: signal.signal(number, note) for number in listened}
    try:
        yield stops_after
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked and not several:
        signal.raise_signal(asked[0])


def is_first() -> bool:
    """Returns whether this process writes what is written once."""
    return jax.process_index() == 0


@contextlib.contextmanager
def first_speaks() -> Iterator[None]:
    """Discards the standard output of all processes but the first; each process prints its own errors."""
    if is_first():
        yield
        return
    with pathlib.Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def first_before_others(work: Callable[[], Result]) -> Result:
    """Does some work in every process, in the first one before all others, so that they find what it left.

    Where the first one fails, the others do nothing of it: they would write into what it left unfinished. The work may
    take any time: the others hear again and again that it goes on, because a collective waits half a minute at most.

    Raises:
        InputError: in the other processes, the first one failed.
        Exception: whatever `work` raises, in the process in which it does.
    """
    if jax.process_count() == 1:
        return work()
    if is_first():
        return _work_and_tell(work)
    while (state := int(multihost_utils.broadcast_one_to_all(np.int32(WORKING)))) == WORKING:
        pass
    if state == FAILED:
        raise InputError(
            f"process {jax.process_index()} of {jax.process_count()} ends because the first one (index 0) failed at "
            "what it does before the others; its output says why. Mend that and start all of them again"
        )
    return work()


def share_of(items: Sequence[Item]) -> Iterator[Item]:
    """Yields every n-th of some items in each of n processes.

    All processes must go through the same items. Afterwards they may call `from_all_processes`, which waits for the
    others as long as it takes.
    """
    # The first collective among some devices waits half a minute at most: here, where all processes begin together.
    from_all_processes(np.zeros(1))
    yield from items[jax.process_index() :: jax.process_count()]


def from_all_processes(array: np.ndarray) -> np.ndarray:
    """Returns the arrays of all processes, which have the same shape and type, stacked [process, …].

    All processes must call it at the same place of the program.
    """
    if jax.process_count() == 1:
        return array[None]
    # As bytes, because JAX would round 64 bits to 32.
    own = np.frombuffer(array.tobytes(), np.uint8)
    everyone = np.ascontiguousarray(multihost_utils.process_allgather(own))
    return everyone.view(array.dtype).reshape(-1, *array.shape)


def as_in_first(values: Values) -> Values:
    """Returns host arrays that every process computed for itself as the first one did, to the last bit.

    Machines with other processors round differently, and what is replicated over a mesh must not differ.
    """
    shared: Values = multihost_utils.broadcast_one_to_all(values)
    return shared


def _work_and_tell(work: Callable[[], Result]) -> Result:
    """Works while a thread tells the other processes that it does, and in the end how it went."""
    ended, state = threading.Event(), FAILED

    def tell() -> None:
        while not ended.wait(SECONDS_BETWEEN_WORDS):
            multihost_utils.broadcast_one_to_all(np.int32(WORKING))
        multihost_utils.broadcast_one_to_all(np.int32(state))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        telling = pool.submit(tell)
        try:
            result = work()
            state = SUCCEEDED
        finally:
            ended.set()
            telling.result()
    return result
