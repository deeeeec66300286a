"""The verb that shows how well candidates are chosen, on an index with captions and on one without."""

import json
import pathlib

import pyarrow as pa
import pytest

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.search.index_recall import recall_of_index, render_recall
from tests.search.made_index import clips_and_table
from tests.support.command_line import run_mcsan


@pytest.fixture(scope="module")
def demo() -> Mcsan:
    return Mcsan.from_pretrained("demo")


@pytest.mark.parametrize("with_captions", [True, False])
def test_a_small_index_loses_nothing(with_captions: bool, demo: Mcsan, tmp_path: pathlib.Path) -> None:
    videos, table = clips_and_table(demo, 12)
    with IndexWriter.create(tmp_path / "idx", find_model("demo"), model=demo) as writer:
        writer.add(videos, table if with_captions else pa.table({"id": table["id"], "clip": table["clip"]}))
    found = recall_of_index(tmp_path / "idx", queries=5)
    assert (found.queries, found.videos, found.share, found.scored) == (5, 13, 1.0, 13)
    assert found.shares == dict.fromkeys((50, 100, 200, 500), 1.0)
    if with_captions:
        shown, *_ = render_recall(found)
        assert shown.endswith("over 5 texts: 1.0000 of 50; 1.0000 of 100; 1.0000 of 200; 1.0000 of 500")
        told = json.loads(run_mcsan("index", "stats", tmp_path / "idx", "--recall", "--json").stdout)
        assert told["videos"] == 13 and told["recall"]["shares"]["200"] == 1.0


def test_an_empty_index_is_refused(demo: Mcsan, tmp_path: pathlib.Path) -> None:
    with IndexWriter.create(tmp_path / "idx", find_model("demo"), model=demo) as writer:
        writer.add(demo.encode_document(embedded_clips(1).features))
        writer.remove(["test_00000"])
    with pytest.raises(InputError, match="holds no video"):
        recall_of_index(tmp_path / "idx")
