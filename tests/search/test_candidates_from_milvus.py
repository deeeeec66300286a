"""A search whose candidates come from Milvus answers as one that needs nothing beside the index."""

import pathlib

import pytest

from mcsan_jax.index.engines.open_engine import open_engine
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.index_searcher import IndexSearcher
from tests.support.command_line import run_mcsan

REQUEST = SearchRequest(
    "a red ball pushes the blue box", k=5, min_probability=0.0, candidates=20, exact=False
)


def test_a_search_with_milvus_finds_the_same(
    demo_index: pathlib.Path, demo_searcher: IndexSearcher, tmp_path: pathlib.Path
) -> None:
    expected = demo_searcher.search(REQUEST)
    assert expected.scored < expected.searched
    for _ in range(2):
        # The second time, Milvus has the vectors already.
        engine = open_engine(demo_index, str(tmp_path / "idx.db"))
        found = IndexSearcher.open(demo_index, engine).search(REQUEST)
        assert found.scored == expected.scored
        for one, other in zip(found.answers, expected.answers, strict=True):
            assert (one.video, one.score) == (other.video, pytest.approx(other.score, abs=1e-6))
        engine.close()


def test_an_address_that_is_none_is_refused(demo_index: pathlib.Path) -> None:
    ended = run_mcsan("search", demo_index, "a ball", "--milvus=somewhere")
    assert ended.status == 2 and not ended.stdout
    assert "Milvus at 'somewhere': expected the name of a file that ends with .db" in ended.stderr
