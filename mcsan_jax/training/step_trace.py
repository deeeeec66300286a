"""A trace of a few training steps, to look at in Perfetto or XProf."""

import pathlib
from typing import Any

import jax

_WARM = 3
"""Steps of this call before the first that is traced: the first compiles."""
_TRACED = 3


class StepTrace:
    """Traces some steps of a run into a folder; a context manager around the loop.

    The folder gets ``plugins/profile/<time>/``, with ``perfetto_trace.json.gz`` (for https://ui.perfetto.dev) beside
    what XProf and TensorBoard's profile plugin read.

    Args:
        folder: where to write; None traces nothing.
        start_step: step from which the run goes on.
    """

    def __init__(self, folder: pathlib.Path | None, start_step: int) -> None:
        self._folder = folder
        self._first = start_step + _WARM + 1
        self._running = False

    def begin_step(self, step: int) -> None:
        """Before a step is started."""
        if self._folder is not None and step == self._first:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._running = True

    def end_step(self, step: int, results: Any) -> None:
        """After a step was started; its results tell when it is done."""
        if self._running and step == self._first + _TRACED - 1:
            jax.block_until_ready(results)
            self._stop()
            print(f"steps {self._first} to {step} are traced in {self._folder}", flush=True)

    def __enter__(self) -> "StepTrace":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running:
            self._stop()

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        self._running = False
