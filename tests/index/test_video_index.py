"""An index holds the videos that were added, scores them as the model does, and shows a change after `refresh` only."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.stage_one_arrays import read_bases
from mcsan_jax.index.verification import index_problems
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings
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
    with pytest.raises(InputError, match="expected one of the 9 videos, numbered from 0; found 999"):
        reader.metadata_of(999)


def test_all_videos_may_be_removed_and_others_added(index: pathlib.Path, videos: VideoEmbeddings) -> None:
    with IndexWriter.open(index) as writer:
        writer.remove(videos.ids[:8])
        reader = VideoIndex.open(index)
        assert reader.ids == () and reader.table.num_rows == 0 and reader.stage_one.shape == (0, 768)
        writer.add(videos.take([2]))
    assert reader.refresh() and reader.ids == (videos.ids[2],)


def wide_videos(count: int) -> VideoEmbeddings:
    """Videos whose components have more numbers than a stage-1 vector; they lie near few directions."""
    draw = np.random.default_rng(0)
    mixed = draw.normal(size=(count, 1, 30)) @ draw.normal(size=(30, 600)) + draw.normal(size=(count, 3, 600))
    frames = (mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)).astype(np.float32)
    whole = FrameVectors(frames, np.ones((count, 3), np.float32), frames @ frames.swapaxes(1, 2))
    seconds = np.full((count, 3), np.nan, np.float32)
    ids = tuple(f"v{number}" for number in range(count))
    return VideoEmbeddings(ids, frames[:, 0], {"entity": whole}, {}, None, seconds)


def test_wide_stage_one_vectors_are_cut_to_bases_that_stay(tmp_path: pathlib.Path, demo: Mcsan) -> None:
    folder, wide = tmp_path / "index", wide_videos(64)
    with IndexWriter.create(folder, find_model("demo"), model=demo) as writer:
        writer.add(wide.take(range(40)))
        bases = VideoIndex.open(folder).bases
        writer.add(wide.take(range(40, 64)))
    index = VideoIndex.open(folder)
    assert index.stage_one.shape == (64, 1024) and {name: one.shape for name, one in bases.items()} == {
        "global": (600, 512),
        "entity": (600, 512),
    }
    for name, base in bases.items():
        np.testing.assert_array_equal(index.bases[name], base)
    # Products of the videos that decided the bases are what they were.
    means = index.embeddings(range(64)).frames["entity"].directions.sum(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    # The global level comes first.
    kept = index.stage_one[:40, 512:]
    np.testing.assert_allclose(kept @ kept.T, means[:40] @ means[:40].T, atol=2e-3)
    (folder / "stage_one.safetensors").write_bytes(b"")
    assert len(index_problems(folder)) == 1 and "stage_one.safetensors" in index_problems(folder)[0]
    with pytest.raises(InputError, match="verify"):
        read_bases(folder, index.description)
