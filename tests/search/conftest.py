import pytest

from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.index_searcher import IndexSearcher
from tests.search.memory_index import memory_index


@pytest.fixture(scope="session")
def demo_searcher() -> IndexSearcher:
    """Sixty clips of the embedded data set, and the last one again, with the demo model."""
    model = Mcsan.from_pretrained("demo")
    return IndexSearcher(model, memory_index(model, 60))
