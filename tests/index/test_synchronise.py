"""An engine follows an index, whatever happened to either."""

import pathlib

import jax
import numpy as np
import pytest

from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.engines.milvus_engine import MilvusEngine
from mcsan_jax.index.engines.synchronise import live_numbers, synchronise
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan


def check(engine: Engine, index: VideoIndex) -> None:
    """The engine knows each video by its own vector, and no other."""
    segments = index.content.segments
    synchronise(engine, segments)
    numbers, vectors = live_numbers(segments), index.content.gathered(STAGE_ONE).astype(np.float32)
    assert len(numbers) == len(index) and engine.numbers().tolist() == sorted(numbers.tolist())
    found = engine.search(vectors, 1)
    products = vectors @ vectors.T
    for row, ([number], [product]) in enumerate(found):
        best = int(np.flatnonzero(numbers == number)[0])
        assert product == pytest.approx(products[row, best], abs=1e-4)
        assert products[row, best] == pytest.approx(products[row].max(), abs=1e-4)


@pytest.mark.parametrize("kind", ["flat", "milvus"])
def test_an_engine_follows_an_index(
    kind: str, index: pathlib.Path, videos: VideoEmbeddings, demo: Mcsan, tmp_path: pathlib.Path
) -> None:
    engine: Engine = FlatEngine() if kind == "flat" else MilvusEngine(str(tmp_path / "vectors.db"), "videos")
    opened = VideoIndex.open(index)
    check(engine, opened)
    with IndexWriter.open(index) as writer:
        writer.remove([opened.ids[2], opened.ids[5]])
    assert opened.refresh()
    check(engine, opened)
    with IndexWriter.open(index) as writer:
        writer.add(videos.take([2, 9, 10]))
    assert opened.refresh()
    check(engine, opened)
    # An index that was built again, with other videos under the numbers of the same segments.
    with IndexWriter.create(index, find_model("demo"), model=demo, overwrite=True) as writer:
        writer.add(videos.take(range(11, 3, -1)))
    check(engine, VideoIndex.open(index))
    engine.insert(
        np.array([3]), np.ones((1, opened.content.segments[0].arrays[STAGE_ONE].shape[1]), np.float32)
    )
    check(engine, VideoIndex.open(index))
    engine.close()


def test_a_device_uses_the_mapped_file_itself(index: pathlib.Path) -> None:
    """All that is large begins where a CPU takes it without a copy."""
    (segment,) = VideoIndex.open(index).content.segments
    arrays = {name: array for name, array in segment.arrays.items() if array[0].nbytes % 64 == 0}
    assert {"pooled", STAGE_ONE, "frames/entity/directions"} <= set(arrays)
    for name, array in arrays.items():
        assert array.ctypes.data % 64 == 0, name
        assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data, name
