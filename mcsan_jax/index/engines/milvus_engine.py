"""This module has its vectors in Milvus: in a file of this machine (milvus-lite), or in a cluster.

Both are reached by the same client; only the address differs. A collection has the number and the vector of each video
and nothing else.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.errors import InputError, shown
from mcsan_jax.index.engines.engine import Found, check_width

MOST_FOUND = 16_384
"""The most vectors that Milvus returns for a query, and the most numbers in a filter."""

_NUMBER, _VECTOR = "id", "vector"
_INSERTED_BYTES = 16 * 2**20
"""Of the vectors of a request; Milvus refuses requests of 64 MB."""

_PROTOCOLS = ("http://", "https://", "tcp://", "unix:")
_SECONDS = 10.0

Value = TypeVar("Value")


class MilvusEngine:
    """A Milvus engine has its vectors in a collection of Milvus; see `mcsan_jax.index.engines.engine.Engine`.

    Args:
        address: a file whose name ends with ``.db``, or the address of a cluster, such as
            ``http://milvus.example.org:19530``.
        collection: its name, of letters, digits and underscores; it is made with the first vectors.
        token: ``user:password`` or a key of the cluster; empty for none.

    Raises:
        InputError: pymilvus is not installed, or nobody answers at the address.
    """

    def __init__(self, address: str, collection: str, token: str = "") -> None:
        if not address.startswith(_PROTOCOLS) and not address.endswith(".db"):
            raise InputError(
                f"Milvus at {shown(address)}: expected the name of a file that ends with .db, or an address that "
                f"begins with {', '.join(_PROTOCOLS)}"
            )
        self._address, self._name = address, collection
        self._client, self._error = _connected(address, token)
        self._width = self._stored_width()

    def insert(self, numbers: Int[np.ndarray, " n"], vectors: Float[np.ndarray, "n w"]) -> None:
        """Adds vectors; those under numbers that it has are replaced.

        Raises:
            InputError: the vectors have another width than those it has, or Milvus refuses.
        """
        if not len(numbers):
            return
        check_width(vectors, self._width)
        if self._width is None:
            self._create(vectors.shape[1])
        together = max(_INSERTED_BYTES // (4 * vectors.shape[1]), 1)
        for start in range(0, len(numbers), together):
            part = slice(start, start + together)
            wide = np.asarray(vectors[part], np.float32)
            rows = [
                {_NUMBER: number, _VECTOR: vector}
                for number, vector in zip(numbers[part].tolist(), wide, strict=True)
            ]
            self._asked(functools.partial(self._client.upsert, self._name, rows))

    def delete(self, numbers: Int[np.ndarray, " n"]) -> None:
        """Removes the vectors of some numbers; others than it has are ignored."""
        if self._width is not None:
            for start in range(0, len(numbers), MOST_FOUND):
                some = np.asarray(numbers)[start : start + MOST_FOUND].tolist()
                self._asked(functools.partial(self._client.delete, self._name, ids=some))

    def numbers(self) -> Int[np.ndarray, " v"]:
        """Returns all its numbers, rising."""
        found = [] if self._width is None else list(self._asked(lambda: list(self._all_numbers())))
        return np.array(sorted(found), np.int64)

    def search(
        self, queries: Float[np.ndarray, "t w"], most: int, among: Int[np.ndarray, " n"] | None = None
    ) -> list[Found]:
        """Returns the numbers of the largest products, and the products; see `Engine.search`.

        At most `MOST_FOUND` are returned. Of more allowed numbers than these, only those are found that are among the
        `MOST_FOUND` largest products of all.
        """
        nothing = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        if self._width is None or (among is not None and not len(among)):
            return [nothing] * len(queries)
        check_width(queries, self._width)
        few = among is not None and len(among) <= MOST_FOUND
        limit = min(most, MOST_FOUND) if among is None or few else MOST_FOUND
        answers = self._asked(
            lambda: self._client.search(
                self._name,
                data=np.asarray(queries, np.float32),
                limit=limit,
                filter=f"{_NUMBER} in {among.tolist()}" if among is not None and few else "",
                output_fields=[_NUMBER],
                consistency_level="Strong",
            )
        )
        found = []
        for answer in answers:
            numbers = np.array([hit[_NUMBER] for hit in answer], np.int64)
            products = np.array([hit["distance"] for hit in answer], np.float32)
            if among is not None and not few:
                allowed = np.isin(numbers, among)
                numbers, products = numbers[allowed], products[allowed]
            found.append((numbers[:most], products[:most]))
        return found

    def close(self) -> None:
        """Ends the connection; what was inserted stays."""
        self._asked(self._client.close)

    def _stored_width(self) -> int | None:
        if not self._asked(lambda: self._client.has_collection(self._name)):
            return None
        self._asked(lambda: self._client.load_collection(self._name))
        fields = self._asked(lambda: self._client.describe_collection(self._name))["fields"]
        widths = [int(field["params"]["dim"]) for field in fields if field["name"] == _VECTOR]
        if not widths:
            raise InputError(
                f"Milvus at {self._address}: the collection {self._name} was made by another program: it has no field "
                f"{_VECTOR}"
            )
        return widths[0]

    def _create(self, width: int) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(_NUMBER, DataType.INT64, is_primary=True)
        schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=width)
        index = self._client.prepare_index_params()
        index.add_index(_VECTOR, index_type="AUTOINDEX", metric_type="IP")
        self._asked(
            lambda: self._client.create_collection(
                self._name, schema=schema, index_params=index, consistency_level="Strong"
            )
        )
        self._width = width

    def _all_numbers(self) -> Iterator[int]:
        pages = self._client.query_iterator(self._name, batch_size=MOST_FOUND, output_fields=[_NUMBER])
        while page := pages.next():
            yield from (row[_NUMBER] for row in page)
        pages.close()

    def _asked(self, request: Callable[[], Value]) -> Value:
        """Returns the answer to a request; its failure is told in a line."""
        try:
            return request()
        except self._error as error:
            raise InputError(f"Milvus at {self._address}, collection {self._name}: {_told(error)}") from error


def _connected(address: str, token: str) -> tuple[Any, type[Exception]]:
    """Returns a client, and what it raises."""
    try:
        from pymilvus import MilvusClient, MilvusException
    except ImportError as error:
        raise InputError(
            "Milvus needs a package that is not installed: python -m pip install 'mcsan-jax[milvus]'"
        ) from error
    # It would show the traceback of each error, which is told in a line here.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    try:
        return MilvusClient(uri=address, token=token, timeout=_SECONDS), MilvusException
    except (MilvusException, OSError) as error:
        raise InputError(
            f"Milvus at {address}: {_told(error)}. Is it running, and is the address right?"
        ) from error


def _told(error: Exception) -> str:
    """Returns the first line of what Milvus says."""
    return str(getattr(error, "message", error)).partition("\n")[0]
