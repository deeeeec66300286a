"""Videos of the embedded data set, encoded once by the model that comes with the package."""

import pathlib

import pytest

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan


@pytest.fixture(scope="session")
def demo() -> Mcsan:
    return Mcsan.from_pretrained("demo")


@pytest.fixture(scope="session")
def videos(demo: Mcsan) -> VideoEmbeddings:
    """Twelve of them."""
    return demo.encode_document(embedded_clips(12).features)


@pytest.fixture
def index(tmp_path: pathlib.Path, demo: Mcsan, videos: VideoEmbeddings) -> pathlib.Path:
    """An index of the first eight."""
    folder = tmp_path / "an index"
    with IndexWriter.create(folder, find_model("demo"), model=demo) as writer:
        writer.add(videos.take(range(8)))
    return folder
