"""Sums of float16 values and of their squares without any rounding, whatever the order of the parts."""

from collections.abc import Sequence

import numpy as np

UNIT_BITS = 24
"""Every float16 is a whole multiple of ``2**-UNIT_BITS``, and its square of ``2**-(2 * UNIT_BITS)``."""

_LIMB_BITS = 40
_LIMB_MASK = (1 << _LIMB_BITS) - 1
# A value is below 2**40 units and so many of them below 2**53, up to where float64 holds every whole number.
_MOST_ROWS = 1 << 13
# Adding and subtracting it rounds a square (below 2**32) to a multiple of 2**-8, the unit of the second limb.
_ROUNDER = 1.5 * 2.0**44


class ExactSums:
    """Whole numbers, one per dimension, of any size.

    Each is held in int64 limbs, ``sum(limbs[i] * 2**(40 * i))``. After each addition all limbs but the last are
    brought below ``2**40``, so that none overflows before ``2**63`` values were added.
    """

    def __init__(self, limbs: np.ndarray) -> None:
        self._limbs = limbs

    @staticmethod
    def zeros(dim: int) -> "ExactSums":
        """``dim`` zeros."""
        return ExactSums(np.zeros((3, dim), np.int64))

    @staticmethod
    def of(values: Sequence[int]) -> "ExactSums":
        """Given whole numbers, below ``2**143`` in size."""
        limbs = [[value & _LIMB_MASK for value in values]]
        limbs.append([(value >> _LIMB_BITS) & _LIMB_MASK for value in values])
        limbs.append([value >> (2 * _LIMB_BITS) for value in values])
        return ExactSums(np.array(limbs, np.int64).reshape(3, len(values)))

    def integers(self) -> list[int]:
        """The numbers."""
        low, middle, high = self._limbs.tolist()
        return [
            a + (b << _LIMB_BITS) + (c << (2 * _LIMB_BITS)) for a, b, c in zip(low, middle, high, strict=True)
        ]

    def add(self, limbs: np.ndarray) -> None:
        """Adds whole numbers given as one to three rows of limbs, int64 ``[rows, dim]``, each below ``2**62``."""
        self._limbs[: len(limbs)] += limbs
        for lower, upper in ((0, 1), (1, 2)):
            self._limbs[upper] += self._limbs[lower] >> _LIMB_BITS
            self._limbs[lower] &= _LIMB_MASK

    def merge(self, other: "ExactSums") -> None:
        """Adds the numbers of another of these."""
        self.add(other._limbs)


def add_vectors(vectors: np.ndarray, sums: ExactSums, squares: ExactSums) -> None:
    """Adds finite float16 vectors ``[n, dim]``, in units of ``2**-24``, and their squares, of ``2**-48``."""
    for start in range(0, len(vectors), _MOST_ROWS):
        values = vectors[start : start + _MOST_ROWS].astype(np.float64)
        sums.add((values.sum(axis=0) * 2.0**24).astype(np.int64)[None])
        np.square(values, out=values)
        high = values + _ROUNDER
        high -= _ROUNDER
        values -= high
        parts = np.stack([values.sum(axis=0) * 2.0**48, high.sum(axis=0) * 2.0**8])
        squares.add(parts.astype(np.int64))
