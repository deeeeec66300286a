"""This module says what executes the two passes of the preparation, and executes them on this machine."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from data_pipeline.annotations.caption import TRAIN, Video
from data_pipeline.graphs.attributes import attributes_of
from data_pipeline.graphs.cache import GraphCache
from data_pipeline.graphs.parser import DEFAULT_MODEL, ParallelParser, parser_identity
from data_pipeline.host.progress_bar import track
from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardSummary, ShardWriter, record_key

CAPTIONS = "captions"
WITHOUT_ENTITY = "without_entity"
WITHOUT_ACTION = "without_action"
WITHOUT_ANY_NODE = "without_any_node"

Count = tuple[str, str]
"""A count is of (node level, attribute) over training videos, or of (`CAPTIONS`, a kind of caption)."""


def survey(video: Video) -> collections.Counter[Count]:
    """Counts, in one video, its attributes (once each, only in training) and its captions that lack nodes."""
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
    """A survey is the result of the first pass.

    Attributes:
        counts: the sum of `survey` over all videos; attributes of too few videos may be missing.
        parsed: the number of texts that were parsed now.
        cached: the number of texts whose graphs an earlier run had parsed.
    """

    counts: Mapping[Count, int]
    parsed: int
    cached: int


class Runner(Protocol):
    """A runner executes the passes; the same videos give the same result with every runner.

    Attributes:
        parser: the names and versions of the parser; see `data_pipeline.graphs.parser.parser_identity`.
    """

    parser: dict[str, str]

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses texts without a graph and counts; attributes of fewer videos than the minimum may be left out."""
        ...

    def training_videos(self) -> Iterator[Video]:
        """Yields the surveyed videos of the training split, with their graphs."""
        ...

    def write(self, maker: RecordMaker, writer: ShardWriter) -> Sequence[ShardSummary]:
        """Writes the records of the surveyed videos.

        Raises:
            InputError: features of a video cannot be used.
        """
        ...


class LocalRunner:
    """This runner parses in several processes and writes in this one; see `Runner`."""

    def __init__(self, graph_cache: pathlib.Path, processes: int, model: str = DEFAULT_MODEL) -> None:
        """Takes the settings of the parser.

        Args:
            graph_cache: the folder of parsed captions, in which nothing is parsed again.
            processes: the number of processes that parse.
            model: one of `data_pipeline.graphs.parser.MODELS`.

        Raises:
            InputError: the model is not installed.
        """
        self.parser = parser_identity(model)
        self._graph_cache, self._processes, self._model = graph_cache, processes, model
        self._videos: Sequence[Video] = ()

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses and counts; see `Runner.survey`."""
        del minimum_videos
        texts = [text for video in videos for text in video.unparsed()]
        cache = GraphCache(self._graph_cache, self.parser)
        found = cache.graphs_of(texts, lambda: ParallelParser(self._processes, self._model))
        self._videos = [video.with_graphs(found.graphs) for video in videos]
        counts: collections.Counter[Count] = collections.Counter()
        for video in self._videos:
            counts.update(survey(video))
        return Survey(counts, found.parsed, found.cached)

    def training_videos(self) -> Iterator[Video]:
        """Yields the training split; see `Runner.training_videos`."""
        return (video for video in self._videos if video.split == TRAIN)

    def write(self, maker: RecordMaker, writer: ShardWriter) -> list[ShardSummary]:
        """Writes one shard after another; see `Runner.write`."""
        summaries: list[ShardSummary] = []
        for split in writer.plan.starts:
            videos = sorted(
                (video for video in self._videos if video.split == split),
                key=lambda video: record_key(video.split, video.video_id),
            )
            tracked = track(videos, len(videos), f"writing {split}", "videos")
            shards = itertools.groupby(
                tracked, lambda video: writer.plan.shard_of(video.split, video.video_id)
            )
            summaries += [writer.write(split, index, map(maker.record, shard)) for index, shard in shards]
        return summaries
