"""This module says what executes the two passes of the preparation, and executes them on this machine."""

import collections
import contextlib
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Protocol

from data_pipeline.annotations.caption import TRAIN, Video
from data_pipeline.graphs.attributes import attributes_of
from data_pipeline.graphs.cache import GraphCache, Parser
from data_pipeline.graphs.parser import DEFAULT_MODEL, ParallelParser, parser_identity
from data_pipeline.host.progress_bar import track
from data_pipeline.host.worker_processes import results_in_order, worker_processes
from data_pipeline.levels import ACTION, ENTITY
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.schema import VideoRecord
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter, record_key

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
        counts: the sum of `survey` over all videos.
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
        processes: the number of processes of this machine that may share the work of the process that calls.
    """

    parser: dict[str, str]
    processes: int

    def survey(self, videos: Sequence[Video]) -> Survey:
        """Parses texts without a graph and counts."""
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
    """This runner works in several processes of this machine; see `Runner`."""

    def __init__(self, graph_cache: pathlib.Path, processes: int, model: str = DEFAULT_MODEL) -> None:
        """Takes the settings of the parser.

        Args:
            graph_cache: the folder of parsed captions, in which nothing is parsed again.
            processes: the number of processes that parse, make records and write shards.
            model: one of `data_pipeline.graphs.parser.MODELS`.

        Raises:
            InputError: the model is not installed.
        """
        self.parser = parser_identity(model)
        self.processes, self._graph_cache, self._model = processes, graph_cache, model
        self._videos: Sequence[Video] = ()

    def survey(self, videos: Sequence[Video]) -> Survey:
        """Parses and counts; see `Runner.survey`."""
        texts = [text for video in videos for text in video.unparsed()]
        cache = GraphCache(self._graph_cache, self.parser)
        found = cache.graphs_of(texts, self._make_parser)
        self._videos = [video.with_graphs(found.graphs) for video in videos]
        counts: collections.Counter[Count] = collections.Counter()
        for video in self._videos:
            counts.update(survey(video))
        return Survey(counts, found.parsed, found.cached)

    def _make_parser(self) -> Parser:
        return ParallelParser(self.processes, self._model)

    def training_videos(self) -> Iterator[Video]:
        """Yields the training split; see `Runner.training_videos`."""
        return (video for video in self._videos if video.split == TRAIN)

    def write(self, maker: RecordMaker, writer: ShardWriter) -> list[ShardSummary]:
        """Writes; see `Runner.write`.

        Other processes write whole shards or, of a split with few of them, make the records that this one writes.
        """
        writing = Writing(maker, writer)
        alone = self.processes < 2 or len(self._videos) < _WORTH_A_PROCESS
        others = worker_processes(self.processes, Writing, (maker, writer))
        with contextlib.nullcontext() if alone else others as executor:
            return [
                summary
                for split in writer.plan.starts
                for summary in self._write_split(split, writing, executor)
            ]

    def _write_split(
        self, split: str, writing: "Writing", executor: ProcessPoolExecutor | None
    ) -> Iterator[ShardSummary]:
        plan, what = writing.writer.plan, f"writing {split}"
        videos = self._in_order_of_records(split)
        count, ahead = len(videos), _AHEAD * self.processes
        many = plan.count(split) >= _SHARDS_OF_A_PROCESS * self.processes and count >= _WORTH_WRITING
        if executor is not None and many:
            summaries = results_in_order(executor, write_shard, self._shards(split, plan), ahead)
            return track(summaries, count, what, "videos", weight=lambda summary: summary.videos)
        if executor is None:
            records: Iterator[VideoRecord] = map(writing.maker.record, videos)
        else:
            portions = (videos[start : start + _PORTION] for start in range(0, count, _PORTION))
            made = results_in_order(executor, _make_records, portions, ahead)
            records = itertools.chain.from_iterable(made)
        tracked = track(records, count, what, "videos")
        by_shard = itertools.groupby(tracked, lambda record: plan.shard_of(split, record.video_id))
        return (writing.writer.write(split, index, shard) for index, shard in by_shard)

    def _in_order_of_records(self, split: str) -> list[Video]:
        own = (video for video in self._videos if video.split == split)
        return sorted(own, key=lambda video: record_key(split, video.video_id))

    def _shards(self, split: str, plan: ShardPlan) -> Iterator["Shard"]:
        groups = itertools.groupby(
            self._in_order_of_records(split), lambda video: plan.shard_of(split, video.video_id)
        )
        return ((split, index, list(group)) for index, group in groups)


_PORTION = 16
_AHEAD = 3
_SHARDS_OF_A_PROCESS = 2
"""With so many shards for each of them, processes are busy to the end."""

_WORTH_A_PROCESS = 400
"""One process makes the records of so many videos in about the time that others need to start."""

_WORTH_WRITING = 4000
"""One process writes the records of so many videos in several times what others need to load TensorFlow."""


Shard = tuple[str, int, Sequence[Video]]
"""A shard that is to be written: the split, the number of the shard in it, and its videos in the order of records."""


@dataclasses.dataclass(frozen=True)
class Writing:
    """What a process needs to write records, or to make them."""

    maker: RecordMaker
    writer: ShardWriter


def _make_records(writing: Writing, videos: Sequence[Video]) -> list[VideoRecord]:
    return [writing.maker.record(video) for video in videos]


def write_shard(writing: Writing, shard: Shard) -> ShardSummary:
    """Writes a whole shard."""
    split, index, videos = shard
    return writing.writer.write(split, index, map(writing.maker.record, videos))
