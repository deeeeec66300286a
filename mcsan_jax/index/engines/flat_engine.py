"""This module is the engine that needs nothing beside an index: it computes the product with every vector.

Vectors stay in the numbers in which they are given, also mapped files: a compiled program turns few of them at a time
into float32.
"""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from mcsan_jax.index.engines.device_blocks import blocks_on_device, core_threads
from mcsan_jax.index.engines.engine import Found, check_width

_ROWS, _BLOCK = 4096, 256
"""Vectors of a call of the program, and those that are float32 at a time."""

_QUERIES = (1, 8, 64)
"""Queries of a call: the smallest of these that holds them."""

_VECTORS, _NUMBERS = "vectors.npy", "numbers.npy"


@dataclasses.dataclass(frozen=True)
class _Part:
    """Vectors that were inserted together, under rising numbers; `kept` says which were not deleted since."""

    numbers: Int[np.ndarray, " n"]
    vectors: np.ndarray
    kept: Bool[np.ndarray, " n"]
    blocks: list[jax.Array]


class FlatEngine:
    """A flat engine has its vectors in memory or in a mapped file; see `mcsan_jax.index.engines.engine.Engine`."""

    def __init__(self) -> None:
        self._parts: tuple[_Part, ...] = ()

    @classmethod
    def open(cls, folder: pathlib.Path) -> "FlatEngine":
        """Opens what `save` wrote; the vectors are mapped.

        Raises:
            InputError: there is no such folder, or a file of it is damaged.
        """
        engine = cls()
        try:
            vectors = np.load(folder / _VECTORS, mmap_mode="r", allow_pickle=False)
            numbers = np.load(folder / _NUMBERS, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: holds no vectors of a flat engine: {error}") from error
        if len(numbers):
            engine.insert(numbers, vectors)
        return engine

    def save(self, folder: pathlib.Path) -> None:
        """Writes all vectors, by rising number."""
        folder.mkdir(parents=True, exist_ok=True)
        numbers = np.concatenate([part.numbers[part.kept] for part in self._parts] or [np.zeros(0, np.int64)])
        order = np.argsort(numbers)
        vectors = [part.vectors[part.kept] for part in self._parts]
        joined = np.concatenate(vectors)[order] if vectors else np.zeros((0, 0), np.float32)
        for name, array in ((_VECTORS, joined), (_NUMBERS, numbers[order])):
            with replacing(folder / name) as partial, partial.open("wb") as file:
                np.save(file, array, allow_pickle=False)

    def insert(self, numbers: Int[np.ndarray, " n"], vectors: Float[np.ndarray, "n w"]) -> None:
        """Adds vectors, which are not copied; those under numbers that it has are replaced.

        Raises:
            InputError: the vectors have another width than those it has.
        """
        if not len(numbers):
            return
        check_width(vectors, self._parts[0].vectors.shape[1] if self._parts else None)
        self.delete(numbers)
        own = np.asarray(numbers, np.int64)
        if np.any(np.diff(own) <= 0):
            own, first = np.unique(own, return_index=True)
            vectors = vectors[first]
        blocks = [block["vectors"] for block in blocks_on_device({"vectors": vectors}, _ROWS)]
        self._parts = (*self._parts, _Part(own, vectors, np.ones(len(own), bool), blocks))

    def delete(self, numbers: Int[np.ndarray, " n"]) -> None:
        """Removes the vectors of some numbers; others than it has are ignored."""
        parts = [
            dataclasses.replace(part, kept=part.kept & ~np.isin(part.numbers, numbers))
            for part in self._parts
        ]
        self._parts = tuple(part for part in parts if part.kept.any())

    def numbers(self) -> Int[np.ndarray, " v"]:
        """Returns all its numbers, rising."""
        return np.sort(
            np.concatenate([part.numbers[part.kept] for part in self._parts] or [np.zeros(0, np.int64)])
        )

    def search(
        self, queries: Float[np.ndarray, "t w"], most: int, among: Int[np.ndarray, " n"] | None = None
    ) -> list[Found]:
        """Returns the numbers of the largest products, and the products; see `Engine.search`."""
        parts = self._parts
        if not parts:
            return [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
        check_width(queries, parts[0].vectors.shape[1])
        numbers = np.concatenate([part.numbers for part in parts])
        allowed = np.concatenate([part.kept for part in parts])
        if among is not None:
            allowed &= np.isin(numbers, among)
        found = []
        for start in range(0, len(queries), _QUERIES[-1]):
            products = self._products(parts, queries[start : start + _QUERIES[-1]])
            found += [_largest(numbers, of_query, allowed, most) for of_query in products]
        return found

    def _products(self, parts: tuple[_Part, ...], queries: np.ndarray) -> Float[np.ndarray, "t v"]:
        size = next(size for size in _QUERIES if size >= len(queries))
        padded = np.zeros((size, queries.shape[1]), np.float32)
        padded[: len(queries)] = queries
        on_device = jnp.asarray(padded)
        blocks = [
            (block, min(_ROWS, len(part.numbers) - number * _ROWS))
            for part in parts
            for number, block in enumerate(part.blocks)
        ]

        def products(block: tuple[jax.Array, int]) -> np.ndarray:
            return np.asarray(_compiled_products()(block[0], on_device))[: block[1], : len(queries)].T

        return np.concatenate(list(core_threads().map(products, blocks)), axis=1)

    def close(self) -> None:
        """Lets go of the vectors."""
        self._parts = ()


def _largest(
    numbers: Int[np.ndarray, " v"],
    products: Float[np.ndarray, " v"],
    allowed: Bool[np.ndarray, " v"],
    most: int,
) -> Found:
    """Returns the numbers of the largest products, falling; of equal products the smaller number comes first."""
    if not allowed.all():
        numbers, products = numbers[allowed], products[allowed]
    if most < len(products):
        chosen = np.argpartition(-products, most)[:most]
        numbers, products = numbers[chosen], products[chosen]
    order = np.lexsort((numbers, -products))
    return numbers[order], products[order]


@functools.cache
def _compiled_products() -> Any:
    """Returns the program that multiplies `_ROWS` vectors and some queries [v, t]."""

    def products(vectors: jax.Array, queries: jax.Array) -> jax.Array:
        def of_block(block: jax.Array) -> jax.Array:
            return jnp.einsum("vw,tw->vt", block.astype(jnp.float32), queries, precision="highest")

        blocks = vectors.reshape(-1, _BLOCK, vectors.shape[1])
        return jax.lax.map(of_block, blocks).reshape(-1, queries.shape[0])

    return jax.jit(products)
