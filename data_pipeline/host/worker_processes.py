"""This module says how processes are started that work for this one."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker

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
