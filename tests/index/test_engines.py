"""One contract for all engines."""

import pathlib
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.engines.milvus_engine import MilvusEngine
from tests.support.made_up_vectors import unit

WIDTH, COUNT = 24, 300


def flat(folder: pathlib.Path) -> Iterator[Engine]:
    """Yields the same engine, opened anew each time."""
    engine = FlatEngine()
    while True:
        yield engine
        engine.save(folder)
        engine.close()
        engine = FlatEngine.open(folder)


def milvus(folder: pathlib.Path) -> Iterator[Engine]:
    folder.mkdir()
    while True:
        engine = MilvusEngine(str(folder / "vectors.db"), "videos")
        yield engine
        engine.close()


ENGINES: dict[str, Callable[[pathlib.Path], Iterator[Engine]]] = {"flat": flat, "milvus": milvus}


def drawn(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32))


def check(engine: Engine, held: dict[int, np.ndarray], among: set[int] | None = None) -> None:
    """The engine finds what a plain scan of the vectors finds."""
    queries = drawn(3, 99)
    kept = sorted(held if among is None else among & set(held))
    allowed = None if among is None else np.array(sorted(among))
    assert engine.numbers().tolist() == sorted(held)
    for query, (numbers, products) in zip(queries, engine.search(queries, 10, allowed), strict=True):
        expected = sorted(((float(held[one] @ query), one) for one in kept), reverse=True)[:10]
        assert numbers.tolist() == [one for _, one in expected]
        np.testing.assert_allclose(products, [product for product, _ in expected], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ENGINES)
def test_an_engine_keeps_its_contract(kind: str, tmp_path: pathlib.Path) -> None:
    opened = ENGINES[kind](tmp_path / "engine")
    engine = next(opened)
    assert [len(numbers) for numbers, _ in engine.search(drawn(2, 3), 10)] == [0, 0]
    # Numbers beyond 32 bits, in no order.
    numbers = (np.random.default_rng(0).permutation(COUNT) + 1) * 2**33
    vectors = drawn(COUNT, 1)
    held = dict(zip(numbers.tolist(), vectors, strict=True))
    engine.insert(numbers[:200], vectors[:200])
    engine.insert(numbers[200:], vectors[200:])
    check(engine, held)
    with pytest.raises(InputError, match=f"vectors of 3 numbers, but the engine has vectors of {WIDTH}"):
        engine.insert(np.array([5]), np.zeros((1, 3), np.float32))
    among = set(numbers[::7].tolist())
    check(engine, held, among | {12345})
    check(engine, held, set(numbers[:4].tolist()))
    check(engine, held, set())

    removed = [*numbers[10:60].tolist(), 777]
    engine.delete(np.array(removed))
    held = {number: vector for number, vector in held.items() if number not in removed}
    check(engine, held)
    engine = next(opened)
    check(engine, held)
    # A number that it has gets another vector; one that it had comes back.
    engine.insert(numbers[5:15], drawn(10, 7))
    held |= dict(zip(numbers[5:15].tolist(), drawn(10, 7), strict=True))
    check(engine, held)
    engine.delete(np.array(list(held)))
    check(engine, {})
    engine = next(opened)
    check(engine, {})
    engine.close()


def test_an_unknown_address_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        InputError, match=r"Milvus at 'vectors': expected the name of a file that ends with \.db, or"
    ):
        MilvusEngine("vectors", "videos")
    with pytest.raises(InputError, match=r"Milvus at http://127\.0\.0\.1:1: .*\. Is it running"):
        MilvusEngine("http://127.0.0.1:1", "videos")


def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(InputError, match=r"python -m pip install 'mcsan-jax\[milvus\]'"):
        MilvusEngine("vectors.db", "videos")


def test_no_file_is_no_flat_engine(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="holds no vectors of a flat engine"):
        FlatEngine.open(tmp_path)
