import pathlib

import pytest

from mcsan_jax.retrieval.searcher import Searcher


@pytest.fixture(scope="session")
def searcher(finished_run: pathlib.Path) -> Searcher:
    return Searcher.open(finished_run, "test")
