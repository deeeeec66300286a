"""This module keeps two checkpoints on disk, the best by validation Rsum and the last; it alone uses Orbax."""

import contextlib
import logging
import pathlib
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
from absl.logging import get_absl_logger
from orbax.checkpoint import v1 as ocp

from data_pipeline.errors import InputError

State = TypeVar("State")

SELECTION_METRIC = "rsum"
_FIRST_STEP = "first_step"
"""This key of a checkpoint's metrics holds the first step with the same Rsum, if no better one came in between."""
NOT_READ = ocp.PLACEHOLDER
"""This value marks the leaves of a state that are not read from a checkpoint."""


class CheckpointStore:
    """A store writes checkpoints into a folder, in the background; a reader only ever sees complete ones.

    It is not thread safe. Use it as a context manager, or call `close`, so that the last write is complete.

    Args:
        folder: where the checkpoints are; it is made when the first one is written.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        get_absl_logger().addFilter(_is_not_raised)
        policies = ocp.training.preservation_policies
        best = policies.BestN(
            get_metric_fn=lambda metrics: metrics[SELECTION_METRIC],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._checkpointer = ocp.training.Checkpointer(
            folder.absolute(),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(1), best]),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "CheckpointStore":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def last_step(self) -> int | None:
        """Returns the step of the newest checkpoint; None where there is none."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    @property
    def best_step(self) -> int | None:
        """Returns the step of the checkpoint with the highest validation Rsum (the later of equals), or None."""
        best = self._best()
        return None if best is None else best[1]

    @property
    def best_since(self) -> int | None:
        """Returns the first step whose evaluation had the highest validation Rsum, or None.

        It is before `best_step` where later evaluations had the same Rsum; its own checkpoint may be gone.
        """
        best = self._best()
        return None if best is None else best[2]

    def _best(self) -> tuple[float, int, int] | None:
        """Returns the highest validation Rsum, the step of its latest checkpoint, and the first step that had it."""
        scored = [
            (
                checkpoint.metrics[SELECTION_METRIC],
                checkpoint.step,
                # Earlier versions did not store it.
                checkpoint.metrics.get(_FIRST_STEP, checkpoint.step),
            )
            for checkpoint in self._checkpointer.checkpoints
            if checkpoint.metrics
        ]
        return max(scored, default=None)

    def save(self, step: int, state: Any, rsum: float | None = None) -> None:
        """Starts to write a checkpoint and returns as soon as the state was copied.

        Args:
            step: the step of the state.
            state: a tree of arrays on the devices.
            rsum: the validation Rsum, from 0 to 600; without one, the checkpoint cannot become the best.

        Raises:
            InputError: the disk is too full for this checkpoint or for the one before; earlier ones are whole.
        """
        metrics = None
        if rsum is not None:
            best = self._best()
            first = best[2] if best is not None and best[0] == rsum else step
            metrics = {SELECTION_METRIC: rsum, _FIRST_STEP: first}
        with self._says_if_full():
            self._checkpointer.save_async(step, state, metrics=metrics)

    def restore(self, step: int, like: State) -> State:
        """Reads the state that was saved at a step, with the shapes, types and shardings of `like`.

        Leaves of `like` that are `NOT_READ` stay so: nothing of them is read.

        Raises:
            InputError: the checkpoint holds other arrays, as one does that another version of the program wrote, or it
                is damaged.
        """
        abstract = jax.tree.map(
            lambda leaf: (
                leaf
                if leaf is NOT_READ
                else jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            ),
            like,
        )
        try:
            return self._checkpointer.load(step, abstract)
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{self.folder}: the checkpoint of step {step} does not hold the arrays of this network; it is "
                "damaged, or another version of this program wrote it: train again, in another folder"
            ) from error

    def wait(self) -> None:
        """Blocks until the write in progress is complete; raises as `save` does."""
        with self._says_if_full():
            self._checkpointer.wait()

    def close(self) -> None:
        """Waits for the write in progress and closes the folder."""
        self._checkpointer.close()

    @contextlib.contextmanager
    def _says_if_full(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            if "No space left on device" not in str(error):
                raise
            raise InputError(
                f"{self.folder}: the disk is too full for another checkpoint ({str(error).splitlines()[0]}); free some "
                "of it, and start the same command again: it goes on from the last checkpoint there"
            ) from error


def _is_not_raised(record: logging.LogRecord) -> bool:
    """Returns False for what Orbax logs, with a traceback for each of its threads, of an error that it also raises."""
    return not (record.exc_info and "orbax" in pathlib.PurePath(record.pathname).parts)
