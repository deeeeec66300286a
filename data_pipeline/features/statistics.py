"""Mean and standard deviation of features, in one pass over videos that need not fit in memory."""

import numpy as np

RELATIVE_FLOOR = 1e-2
"""Smallest standard deviation, relative to the root mean square of those of all dimensions."""


class RunningStatistics:
    """Statistics per dimension over all frames seen, in float64.

    Parts are merged by Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances" (1979): sums of squares of raw values would cancel where the mean is large.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(0)
        self._squares = np.zeros(0)

    @property
    def count(self) -> int:
        """Number of vectors seen."""
        return self._count

    def update(self, array: np.ndarray) -> None:
        """Adds vectors ``[..., dim]``, such as the frames of a video.

        Raises:
            ValueError: ``dim`` differs from that of earlier calls.
        """
        vectors = np.asarray(array, np.float64).reshape(-1, array.shape[-1])
        if not len(vectors):
            return
        if not self._count:
            self._mean = np.zeros(vectors.shape[1])
            self._squares = np.zeros(vectors.shape[1])
        if vectors.shape[1] != len(self._mean):
            raise ValueError(f"expected vectors of dimension {len(self._mean)}, found {vectors.shape[1]}")
        mean = vectors.mean(axis=0)
        difference = mean - self._mean
        total = self._count + len(vectors)
        self._mean = self._mean + difference * (len(vectors) / total)
        self._squares = (
            self._squares
            + np.square(vectors - mean).sum(axis=0)
            + np.square(difference) * (self._count * len(vectors) / total)
        )
        self._count = total

    @property
    def mean(self) -> np.ndarray:
        """Mean ``[dim]``, float64.

        Raises:
            ValueError: no vector was added.
        """
        self._check()
        return self._mean

    @property
    def std(self) -> np.ndarray:
        """Standard deviation ``[dim]``, float64, safe to divide by.

        A dimension that hardly varies in training gets a floor of `RELATIVE_FLOOR` times the typical
        deviation, else a small change in it would outweigh everything; 1 where nothing varies at all.

        Raises:
            ValueError: no vector was added.
        """
        self._check()
        deviation = np.sqrt(self._squares / self._count)
        floor = RELATIVE_FLOOR * np.sqrt(np.mean(np.square(deviation)))
        return np.maximum(deviation, floor) if floor > 0 else np.ones_like(deviation)

    def _check(self) -> None:
        if not self._count:
            raise ValueError("no vectors were added, so that there are no statistics")
