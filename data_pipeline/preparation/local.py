"""Both passes on this machine."""

import collections
import itertools
import pathlib
from collections.abc import Sequence

from data_pipeline.graphs.cache import GraphCache
from data_pipeline.graphs.parallel_parsing import ParallelParser
from data_pipeline.graphs.parser import DEFAULT_MODEL, parser_identity
from data_pipeline.host.progress import track
from data_pipeline.preparation.runner import Count, Survey, survey
from data_pipeline.preparation.selection import Video
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardSummary, ShardWriter, record_key


class LocalRun:
    """Parses in several processes and writes in this one; see `data_pipeline.preparation.runner.Run`."""

    def __init__(self, graph_cache: pathlib.Path, processes: int, model: str = DEFAULT_MODEL) -> None:
        """Says how to parse.

        Args:
            graph_cache: folder of parsed captions, in which nothing is parsed again.
            processes: how many parse.
            model: one of `data_pipeline.graphs.parser.MODELS`.

        Raises:
            InputError: the model is not installed.
        """
        self.parser = parser_identity(model)
        self._graph_cache, self._processes, self._model = graph_cache, processes, model
        self._videos: Sequence[Video] = ()

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses and counts; see `Run.survey`."""
        del minimum_videos
        texts = [text for video in videos for text in video.unparsed()]
        cache = GraphCache(self._graph_cache, self.parser)
        found = cache.graphs_of(texts, lambda: ParallelParser(self._processes, self._model))
        self._videos = [video.with_graphs(found.graphs) for video in videos]
        counts: collections.Counter[Count] = collections.Counter()
        for video in self._videos:
            counts.update(survey(video))
        return Survey(counts, found.parsed, found.cached)

    def write(self, maker: RecordMaker, writer: ShardWriter) -> list[ShardSummary]:
        """Writes one shard after another; see `Run.write`."""
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
