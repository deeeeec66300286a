"""What the preparation asks of whoever executes it, and what is counted in all captions before records are made."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.annotations.video import Video
from data_pipeline.graphs.attributes import attributes_of
from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardSummary, ShardWriter

CAPTIONS = "captions"
WITHOUT_ENTITY = "without_entity"
WITHOUT_ACTION = "without_action"
WITHOUT_ANY_NODE = "without_any_node"

Count = tuple[str, str]
"""What is counted: (node level, attribute) over training videos, or (`CAPTIONS`, a kind of caption)."""


def survey(video: Video) -> collections.Counter[Count]:
    """Counts of one video: its attributes, each once and only in training, and its captions that lack nodes."""
    graphs = [video.graphs[caption.text] for caption in video.captions]
    counts: collections.Counter[Count] = collections.Counter(
        attributes_of(graphs) if video.split == TRAIN else ()
    )
    counts[CAPTIONS, WITHOUT_ENTITY] = sum(not graph.lemmas(ENTITY) for graph in graphs)
    counts[CAPTIONS, WITHOUT_ACTION] = sum(not graph.lemmas(ACTION) for graph in graphs)
    counts[CAPTIONS, WITHOUT_ANY_NODE] = sum(not graph.nodes for graph in graphs)
    return counts


@dataclasses.dataclass(frozen=True)
class Survey:
    """The result of the first pass.

    Attributes:
        counts: `data_pipeline.preparation.runner.survey` of all videos; attributes of too few videos may be missing.
        parsed: texts that were parsed now.
        cached: texts whose graphs were found from an earlier run.
    """

    counts: Mapping[Count, int]
    parsed: int
    cached: int


class Run(Protocol):
    """Executes the passes. The same videos give the same result in every kind of run.

    Attributes:
        parser: names and versions of the parser; see `data_pipeline.graphs.parser.parser_identity`.
    """

    parser: dict[str, str]

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses what has no graph yet and counts; attributes of fewer videos than the minimum may be left out."""
        ...

    def write(self, maker: RecordMaker, writer: ShardWriter) -> Sequence[ShardSummary]:
        """Writes the records of the surveyed videos.

        Raises:
            InputError: features of a video cannot be used.
        """
        ...
