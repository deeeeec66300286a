"""An index in memory: vectors and a table, without a folder."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.model import Mcsan

CAMERAS = ("north", "south", "east")


@dataclasses.dataclass
class MemoryIndex:
    """What the searcher asks of an index."""

    videos: VideoEmbeddings
    table: pa.Table

    @property
    def ids(self) -> tuple[str, ...]:
        return self.videos.ids

    @property
    def stage_one(self) -> np.ndarray:
        assert self.videos.pooled is not None
        return self.videos.pooled

    def __len__(self) -> int:
        return len(self.videos)

    def row_of(self, video: str) -> int:
        if video not in self.ids:
            raise InputError(f"no video {video!r} in the index; {nearest_name(video, self.ids)}")
        return self.ids.index(video)

    def metadata_of(self, row: int) -> dict[str, Any]:
        return self.table.drop_columns(["id", "clip"]).slice(row, 1).to_pylist()[0]

    def clip_of(self, row: int) -> str | None:
        return self.table.column("clip")[row].as_py()

    def matching(self, where: str) -> np.ndarray:
        """Of the language of filters, `COLUMN = "TEXT"` alone."""
        column, equals, value = where.partition(" = ")
        if not equals or column not in self.table.column_names:
            raise InputError(f"filter {where!r}: expected COLUMN = VALUE")
        return np.asarray(pc.equal(self.table.column(column), value.strip('"')))

    def embeddings(self, rows: Sequence[int]) -> VideoEmbeddings:
        return self.videos.take(rows)

    def refresh(self) -> bool:
        return False


def memory_index(model: Mcsan, count: int) -> MemoryIndex:
    """The first clips of the embedded data set, with a caption, a camera and a year each; the last one twice."""
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
    return MemoryIndex(again, table)
