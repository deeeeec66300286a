"""Indexes of clips of the embedded data set, with a table of metadata."""

import dataclasses
import pathlib

import pyarrow as pa

from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan

CAMERAS = ("north", "south", "east")


def clips_and_table(model: Mcsan, count: int) -> tuple[VideoEmbeddings, pa.Table]:
    """The first clips, with a caption, a camera and a year each; the last one again, as `again` and without a file."""
    clips = embedded_clips(count)
    videos = model.encode_document(clips.features, show_progress=False, frame_rate=6.0)
    twice = [*range(count), count - 1]
    again = dataclasses.replace(videos.take(twice), ids=(*videos.ids, "again"))
    table = pa.table(
        {
            "id": [*again.ids],
            "clip": [*(f"clips/{one}.mp4" for one in videos.ids), None],
            "caption": [clips.captions[videos.ids[row]][0] for row in twice],
            "camera": [CAMERAS[row % 3] for row in twice],
            "year": [2018 + row % 5 for row in twice],
        }
    )
    return again, table


def made_index(folder: pathlib.Path, model: Mcsan, videos: VideoEmbeddings, table: pa.Table) -> VideoIndex:
    """Writes an index of the demo model and opens it."""
    with IndexWriter.create(folder, find_model("demo"), model=model) as writer:
        writer.add(videos, table)
    return VideoIndex.open(folder)
