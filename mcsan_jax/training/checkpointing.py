"""Checkpoints on disk: the best by validation Rsum and the last. The only module that speaks to Orbax."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
from orbax.checkpoint import v1 as ocp

from data_pipeline.errors import InputError

State = TypeVar("State")

SELECTION_METRIC = "rsum"
NOT_READ = ocp.PLACEHOLDER
"""Stands in a state for what is not wanted of a checkpoint."""


class CheckpointStore:
    """A folder of checkpoints, written in the background; only complete ones are ever seen.

    Not thread safe. Use as a context manager, or call `close`, so that the last write is complete.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
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
        """Step of the newest checkpoint, or None."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    @property
    def best_step(self) -> int | None:
        """Step of the checkpoint with the highest validation Rsum (the later of equals), or None."""
        scored = [
            (checkpoint.metrics[SELECTION_METRIC], checkpoint.step)
            for checkpoint in self._checkpointer.checkpoints
            if checkpoint.metrics
        ]
        return max(scored)[1] if scored else None

    def save(self, step: int, state: Any, rsum: float | None = None) -> None:
        """Starts writing a checkpoint; returns as soon as the state was copied. `rsum` makes it eligible as best.

        Raises:
            InputError: there is no room for this one or the one before; those before are whole.
        """
        metrics = None if rsum is None else {SELECTION_METRIC: rsum}
        with self._says_if_full():
            self._checkpointer.save_async(step, state, metrics=metrics)

    def restore(self, step: int, like: State) -> State:
        """The state saved at a step, with the shapes, types and shardings of `like`.

        Leaves of `like` that are `NOT_READ` stay so: nothing of them is read.
        """
        abstract = jax.tree.map(
            lambda leaf: (
                leaf
                if leaf is NOT_READ
                else jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            ),
            like,
        )
        return self._checkpointer.load(step, abstract)

    def wait(self) -> None:
        """Blocks until the write in progress is complete; raises as `save` does."""
        with self._says_if_full():
            self._checkpointer.wait()

    def close(self) -> None:
        """Waits for the write in progress and lets go of the folder."""
        self._checkpointer.close()

    @contextlib.contextmanager
    def _says_if_full(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            if "No space left on device" not in str(error):
                raise
            raise InputError(
                f"{self.folder}: no room for another checkpoint ({str(error).splitlines()[0]}); make room, and start "
                "the same command again: it goes on from the last checkpoint there"
            ) from error
