import dataclasses
import math
import pathlib
from collections.abc import Iterator

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.render_clips import render_clips
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.service import SearchService
from mcsan_jax.serve.service_metrics import ServiceMetrics
from tests.search.memory_index import MemoryIndex, memory_index

ODD = '../a <b>&"c" é%2F'
"""An id that says something to file systems, to HTML and to addresses."""


def index_with_clips(model: Mcsan, folder: pathlib.Path) -> MemoryIndex:
    """Twelve clips, of which the second one is gone, and one without a clip under an odd id."""
    index = memory_index(model, 12)
    written = render_clips(embedded_clips(12).images, folder, 6.0)
    written["test_00001"].unlink()
    index.videos = dataclasses.replace(index.videos, ids=(*index.ids[:-1], ODD))
    index.table = index.table.set_column(0, "id", pa.array(index.ids)).set_column(
        1, "clip", pa.array([*map(str, written.values()), None])
    )
    index.table = index.table.append_column("weight", pa.array([1.5] * 12 + [math.nan]))
    return index


@pytest.fixture(scope="session")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> IndexSearcher:
    model = Mcsan.from_pretrained("demo")
    return IndexSearcher(model, index_with_clips(model, tmp_path_factory.mktemp("clips")))


@pytest.fixture(scope="session")
def service(searcher: IndexSearcher) -> SearchService:
    return SearchService(searcher, ServiceMetrics(), "fingerprint")


@pytest.fixture(scope="session")
def client(service: SearchService) -> Iterator[TestClient]:
    """Speaks with the real application, in this process."""
    with TestClient(make_app(service), base_url="http://localhost", raise_server_exceptions=False) as started:
        yield started
