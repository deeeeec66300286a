"""An index holds the videos that were added, scores them as the model does, and shows a change after `refresh` only."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan

TEXTS = ["a red ball pushes the blue box", "something green", "the star goes around the block"]


def test_an_index_holds_what_was_added(index: pathlib.Path, videos: VideoEmbeddings) -> None:
    opened = VideoIndex.open(index)
    assert opened.ids == videos.ids[:8] and len(opened) == 8
    found = opened.embeddings([5, 0, 5])
    assert found.ids == (videos.ids[5], videos.ids[0], videos.ids[5])
    own = dataclasses.replace(videos.take([5, 0, 5]), seconds=np.full((3, 12), np.nan, np.float32))
    for given, kept in zip(jax.tree.leaves(own), jax.tree.leaves(found), strict=True):
        assert kept.dtype == np.float32
        np.testing.assert_allclose(kept, given, rtol=1e-3, atol=1e-3)
    assert opened.table.column_names == ["id", "clip"] and opened.clip_of(0) is None
    assert opened.stage_one.shape[0] == 8 and opened.stage_one.dtype == np.float32


def test_arrays_are_mapped_and_not_copied(index: pathlib.Path) -> None:
    (segment,) = VideoIndex.open(index).content.segments
    for name, array in segment.arrays.items():
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert not array.flags.owndata and not array.flags.writeable, name


@pytest.mark.parametrize(("number_type", "most"), [("float16", 1e-4), ("int8", 3e-3)])
def test_scores_stay_what_they_are(
    number_type: str, most: float, tmp_path: pathlib.Path, demo: Mcsan, videos: VideoEmbeddings
) -> None:
    with IndexWriter.create(tmp_path / "index", find_model("demo"), number_type, model=demo) as writer:
        writer.add(videos)
    kept = VideoIndex.open(tmp_path / "index").embeddings(range(12))
    texts = demo.encode_query(TEXTS)
    np.testing.assert_allclose(
        demo.similarity(texts, kept), demo.similarity(texts, videos), rtol=0, atol=most
    )
    for frames in kept.frames.values():
        # The Gram matrix is that of what is kept, but for its own rounding.
        of_kept = frames.directions @ frames.directions.swapaxes(1, 2)
        np.testing.assert_allclose(frames.gram, of_kept, rtol=0, atol=5e-4)


def test_int8_halves_the_vectors(tmp_path: pathlib.Path, demo: Mcsan, videos: VideoEmbeddings) -> None:
    sizes = {}
    for number_type in ("float16", "int8"):
        with IndexWriter.create(
            tmp_path / number_type, find_model("demo"), number_type, model=demo
        ) as writer:
            writer.add(videos)
            (stored,) = writer.description.segments
            sizes[number_type] = stored.vectors.size
    assert sizes["int8"] < 0.75 * sizes["float16"]


def test_a_reader_sees_a_change_when_it_asks(
    index: pathlib.Path, videos: VideoEmbeddings, demo: Mcsan
) -> None:
    reader = VideoIndex.open(index)
    before = reader.embeddings(range(8))
    assert not reader.refresh()
    with IndexWriter.open(index) as writer:
        writer.add(videos.take([8, 9]))
        writer.remove([videos.ids[3]])
    assert len(reader) == 8
    # The files of the segment that it reads are gone, and its map is not.
    np.testing.assert_array_equal(reader.embeddings([3]).pooled, before.take([3]).pooled)
    assert reader.refresh() and not reader.refresh()
    assert reader.ids == tuple(one for one in videos.ids[:10] if one != videos.ids[3])
    for row, video in enumerate(reader.ids):
        assert reader.row_of(video) == row
        np.testing.assert_array_equal(
            reader.embeddings([row]).stage_one
            if hasattr(reader, "none")
            else reader.embeddings([row]).pooled,
            reader.embeddings(range(9)).take([row]).pooled,
        )
    with pytest.raises(InputError, match="no video 'test_00003' among the 9"):
        reader.row_of("test_00003")


def test_all_videos_may_be_removed_and_others_added(index: pathlib.Path, videos: VideoEmbeddings) -> None:
    with IndexWriter.open(index) as writer:
        writer.remove(videos.ids[:8])
        reader = VideoIndex.open(index)
        assert reader.ids == () and reader.table.num_rows == 0 and reader.stage_one.shape == (0, 768)
        writer.add(videos.take([2]))
    assert reader.refresh() and reader.ids == (videos.ids[2],)
