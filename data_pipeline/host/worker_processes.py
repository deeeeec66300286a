"""This module starts processes that work for this one, and hands them work."""

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, resource_tracker
from typing import Any, TypeVar

from data_pipeline.errors import InputError

Work = TypeVar("Work")
Result = TypeVar("Result")

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextlib.contextmanager
def settings_of_workers() -> Iterator[list[int]]:
    """Lets processes that start inside use a thread each for matrix products, and not hear Ctrl-C, which is noted.

    This process ends them; each would print a traceback.

    Yields:
        The signals that this process was sent meanwhile; raise one again when the processes can be ended.
    """
    before, heard = dict(os.environ), list[int]()
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    listens = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number)) if listens else None
    # It unblocks the signal when it starts; processes inherit what is blocked.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield heard
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if listens:
            signal.signal(signal.SIGINT, handler)
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def worker_processes(
    count: int, make: Callable[..., Any], arguments: tuple[Any, ...]
) -> Iterator[ProcessPoolExecutor]:
    """Starts processes, and ends them with the block, or when this process dies.

    They are not forked: threads of other libraries may hold locks, which a fork would copy.

    Args:
        count: the number of processes.
        make: makes of the arguments, once in each of them, what it needs for its work.
        arguments: are sent to each of them.
    """
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, _begin, (make, arguments))
    try:
        with settings_of_workers() as interruptions:
            # All of them start with the first work.
            executor.submit(os.getpid)
        if interruptions:
            signal.raise_signal(signal.SIGINT)
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


_made: list[Any] = []
"""A worker process keeps here what it needs for its work."""


def _begin(make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # Nobody tells a process of an executor that the one that started it was killed.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _made.append(make(*arguments))


def _done(function: Callable[[Any, Work], Result], work: Work) -> Result:
    return function(_made[0], work)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def results_in_order(
    executor: ProcessPoolExecutor, function: Callable[[Any, Work], Result], works: Iterable[Work], ahead: int
) -> Iterator[Result]:
    """Yields what processes make of each piece of work, in order.

    Args:
        executor: the processes.
        function: what they do, given what `worker_processes` made in them, and a piece.
        works: the pieces; each is sent to a process.
        ahead: at most so many pieces are taken before the results of those before them are.

    Raises:
        InputError: a process was ended from outside.
    """
    waiting: collections.deque[Future[Result]] = collections.deque()
    for work in works:
        waiting.append(submitted(executor, function, work))
        if len(waiting) >= ahead:
            yield result_of(waiting.popleft())
    while waiting:
        yield result_of(waiting.popleft())


def submitted(
    executor: ProcessPoolExecutor, function: Callable[[Any, Work], Result], work: Work
) -> "Future[Result]":
    """Sends a piece of work to a process, as `results_in_order` does; `result_of` waits for what it makes of it.

    Raises:
        InputError: a process was ended from outside.
    """
    with _not_ended():
        return executor.submit(_done, function, work)


def result_of(future: "Future[Result]") -> Result:
    """Waits for a process and returns its result.

    Raises:
        InputError: a process was ended from outside.
    """
    with _not_ended():
        return future.result()


@contextlib.contextmanager
def _not_ended() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise InputError(
            "a process that worked for this one was ended from outside, most often because the memory was full; "
            "give it fewer helpers (--processes=1 where the program has this flag) or more memory"
        ) from error
