import dataclasses
import math
import pathlib
from collections.abc import Iterator

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from data_pipeline.clips.render_clips import render_clips
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.app import make_app
from mcsan_jax.serve.service import SearchService
from mcsan_jax.serve.service_metrics import ServiceMetrics
from tests.search.made_index import clips_and_table, made_index

ODD = '../a <b>&"c" é%2F'
"""An id that says something to file systems, to HTML and to addresses."""


def index_with_clips(model: Mcsan, folder: pathlib.Path) -> VideoIndex:
    """Twelve clips, of which the second one is gone, and one without a clip under an odd id."""
    videos, table = clips_and_table(model, 12)
    written = render_clips(embedded_clips(12).images, folder / "clips", 6.0)
    written["test_00001"].unlink()
    videos = dataclasses.replace(videos, ids=(*videos.ids[:-1], ODD))
    table = table.set_column(0, "id", pa.array(videos.ids)).set_column(
        1, "clip", pa.array([*map(str, written.values()), None])
    )
    table = table.append_column("weight", pa.array([1.5] * 12 + [math.nan]))
    return made_index(folder / "index", model, videos, table)


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
