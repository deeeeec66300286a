"""Being asked to stop by SIGTERM, which schedulers send before they take a machine back."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


class Preempted(Exception):
    """The run was asked to stop; its checkpoint of this step is written."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"asked to stop: the checkpoint of step {step} is written, the same command goes on from it"
        )


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Listens for SIGTERM.

    Yields:
        Whether to stop after this step. Several processes ask after every step, and get the same answer: one of them
        being asked is enough.
    """
    if jax.process_count() > 1:
        # `jax.distributed` listens by itself, and lets all processes agree on a step.
        yield multihost_utils.reached_preemption_sync_point
        return
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can listen.
        yield lambda step: False
        return
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    try:
        yield lambda step: asked.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
