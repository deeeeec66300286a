import pathlib

import pytest

from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.index_searcher import IndexSearcher
from tests.search.made_index import clips_and_table, made_index


@pytest.fixture(scope="session")
def demo_index(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Sixty clips of the embedded data set, and the last one again, with the demo model."""
    folder = tmp_path_factory.mktemp("search") / "index"
    model = Mcsan.from_pretrained("demo")
    made_index(folder, model, *clips_and_table(model, 60))
    return folder


@pytest.fixture(scope="session")
def demo_searcher(demo_index: pathlib.Path) -> IndexSearcher:
    return IndexSearcher.open(demo_index)
