"""This module says what finds candidates by their stage-1 vectors: an engine, which may be a database."""

from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.errors import InputError

Found = tuple[Int[np.ndarray, " m"], Float[np.ndarray, " m"]]
"""Numbers and their products with a query, falling."""


class Engine(Protocol):
    """An engine holds vectors under whole numbers, and finds those with the largest products with given ones.

    A number stands for one vector for ever, so that an engine and an index agree when they have the same numbers.
    """

    def insert(self, numbers: Int[np.ndarray, " n"], vectors: Float[np.ndarray, "n w"]) -> None:
        """Adds vectors; those under numbers that it has are replaced.

        Raises:
            InputError: the vectors have another width than those it has.
        """

    def delete(self, numbers: Int[np.ndarray, " n"]) -> None:
        """Removes the vectors of some numbers; others than it has are ignored."""

    def numbers(self) -> Int[np.ndarray, " v"]:
        """Returns all its numbers, rising."""

    def search(
        self, queries: Float[np.ndarray, "t w"], most: int, among: Int[np.ndarray, " n"] | None = None
    ) -> list[Found]:
        """Returns, for each query, the numbers of the largest products and the products, falling.

        Args:
            queries: vectors.
            most: how many are returned at most.
            among: the only numbers that count, rising; by default all.
        """

    def close(self) -> None:
        """Ends the connection, or lets go of the file; what was inserted stays."""


def check_width(vectors: np.ndarray, expected: int | None) -> None:
    """Refuses vectors of another width than an engine has; None where it has none yet.

    Raises:
        InputError: names both widths.
    """
    if expected is not None and vectors.shape[1] != expected:
        raise InputError(
            f"vectors of {vectors.shape[1]} numbers, but the engine has vectors of {expected}: they are of another "
            "model or index"
        )
