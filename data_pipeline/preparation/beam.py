"""This module runs both passes as Apache Beam pipelines, locally or on a cluster; it alone imports Beam.

All paths must lead to the same files on every worker, as on a shared file system. Workers need this package.
"""

import contextlib
import hashlib
import json
import logging
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.errors import InputError
from data_pipeline.graphs.parser import DEFAULT_MODEL, CaptionParser, parser_identity
from data_pipeline.preparation.runner import CAPTIONS, Count, Survey, survey
from data_pipeline.preparation.selection import Video
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter, record_key

_VIDEOS_PER_FILE = 1000
_VIDEOS_PER_BATCH = 64
_INPUT_ERROR = re.compile(r"data_pipeline\.errors\.InputError: (.*?)(?: \[while running|\n\n|$)", re.DOTALL)


class BeamRunner:
    """This runner executes the passes on a Beam runner; see `data_pipeline.preparation.runner.Runner`.

    The folder of parsed captions keeps the graphs, so that the same videos are not parsed again.
    """

    def __init__(
        self,
        graph_cache: pathlib.Path,
        runner: str,
        arguments: Sequence[str],
        processes: int,
        model: str = DEFAULT_MODEL,
    ) -> None:
        """Takes a runner's name and Beam's own arguments.

        Args:
            graph_cache: the folder of parsed captions.
            runner: the name of the runner, such as ``DirectRunner`` (processes on this machine) or ``FlinkRunner``.
            arguments: Beam's pipeline options, such as ``--parallelism=8``.
            processes: the number of processes of the direct runner, unless the arguments state it.
            model: one of `data_pipeline.graphs.parser.MODELS`.

        Raises:
            InputError: the model is not installed.
        """
        self.parser, self._model = parser_identity(model), model
        self.processes = processes
        # Beam describes at length how it builds the pipeline.
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        self._graph_cache = graph_cache
        self._parsed = graph_cache
        local = [f"--direct_num_workers={processes}", "--direct_running_mode=multi_processing"]
        # Later entries of the list take precedence.
        self._options = PipelineOptions(
            [
                "--default_sdk_harness_log_level=ERROR",
                *(local if runner == "DirectRunner" else ()),
                *arguments,
            ]
        )
        # Given the name of the direct runner, Beam would look for a program to download.
        self._runner: Any = _local_runner(self._options) if runner == "DirectRunner" else runner

    def survey(self, videos: Sequence[Video], minimum_videos: int) -> Survey:
        """Parses and counts; see `Runner.survey`."""
        texts = len({text for video in videos for text in video.unparsed()})
        folder = _write_videos(videos, minimum_videos, self._graph_cache, self.parser)
        self._parsed = folder / "parsed"
        known = self._parsed.is_dir()
        if not known:
            unfinished = folder / "parsed.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            self._parse(folder / "videos", unfinished, minimum_videos)
            unfinished.replace(self._parsed)
        counts = {(kind, name): count for kind, name, count in _lines(self._parsed, "counts")}
        return Survey(counts, parsed=0 if known else texts, cached=texts if known else 0)

    def _parse(self, videos: pathlib.Path, out: pathlib.Path, minimum_videos: int) -> None:
        with self._pipeline() as pipeline:
            parsed = (
                pipeline
                | "Files" >> beam.Create(sorted(str(path) for path in videos.iterdir()))
                | "Spread" >> beam.Reshuffle()
                | "Read" >> beam.io.ReadAllFromText()
                | "Video" >> beam.Map(Video.from_line)
                | "Batch" >> beam.BatchElements(_VIDEOS_PER_BATCH, _VIDEOS_PER_BATCH)
                | "Parse" >> beam.ParDo(_Parse(self._model))
            )
            _ = (
                parsed
                | "Line" >> beam.Map(Video.to_line)
                | "Write" >> beam.io.WriteToText(str(out / "videos"))
            )
            _ = (
                parsed
                | "Survey" >> beam.FlatMap(lambda video: survey(video).items())
                | "Sum" >> beam.CombinePerKey(sum)
                | "Frequent" >> beam.Filter(_is_frequent, minimum_videos)
                | "CountLine" >> beam.Map(lambda count: json.dumps([*count[0], count[1]]))
                | "WriteCounts" >> beam.io.WriteToText(str(out / "counts"))
            )

    def training_videos(self) -> Iterator[Video]:
        """Yields the training split; see `Runner.training_videos`."""
        lines = (line for path in self._parsed.glob("videos*") for line in path.open(encoding="utf-8"))
        return (video for video in map(Video.from_line, lines) if video.split == TRAIN)

    def write(self, maker: RecordMaker, writer: ShardWriter) -> list[ShardSummary]:
        """Writes each shard in one piece; see `Runner.write`."""
        out = pathlib.Path(writer.folder) / "summaries"
        with self._pipeline() as pipeline:
            _ = (
                pipeline
                | "Read" >> beam.io.ReadFromText(str(self._parsed / "videos*"))
                | "Video" >> beam.Map(Video.from_line)
                | "Shard" >> beam.Map(_with_shard, writer.plan)
                | "Gather" >> beam.GroupByKey()
                | "Write" >> beam.Map(_write_shard, maker, writer)
                | "Line" >> beam.Map(lambda summary: json.dumps(summary.to_json()))
                | "WriteSummaries" >> beam.io.WriteToText(str(out / "shards"))
            )
        summaries = [ShardSummary.from_json(line) for line in _lines(out, "shards")]
        shutil.rmtree(out)
        return summaries

    @contextlib.contextmanager
    def _pipeline(self) -> Iterator[beam.Pipeline]:
        """Yields a pipeline that has run when the block ends.

        Raises:
            InputError: a worker found that the input does not fit.
        """
        try:
            with beam.Pipeline(runner=self._runner, options=self._options) as pipeline:
                yield pipeline
        except Exception as error:
            # Workers report what they raised as text.
            if found := _INPUT_ERROR.search(str(error)):
                raise InputError(found[1].strip()) from error
            raise


def _local_runner(options: PipelineOptions) -> FnApiRunner:
    """Returns a runner whose processes on this machine are told the options."""
    told = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=told)
    return FnApiRunner(provision_info=ExtendedProvisionInfo(provision))


class _Parse(beam.DoFn):
    """Completes the graphs of a batch of videos; each worker loads the parser once."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model = model

    def setup(self) -> None:
        self._parser = CaptionParser(self._model)

    def process(self, videos: Sequence[Video]) -> Iterator[Video]:
        texts = list(dict.fromkeys(text for video in videos for text in video.unparsed()))
        graphs = dict(zip(texts, self._parser.parse(texts), strict=True))
        for video in videos:
            yield video.with_graphs(graphs)


def _is_frequent(count: tuple[Count, int], minimum_videos: int) -> bool:
    return count[0][0] == CAPTIONS or count[1] >= minimum_videos


def _with_shard(video: Video, plan: ShardPlan) -> tuple[tuple[str, int], Video]:
    return (video.split, plan.shard_of(video.split, video.video_id)), video


def _write_shard(
    shard: tuple[tuple[str, int], Iterable[Video]], maker: RecordMaker, writer: ShardWriter
) -> ShardSummary:
    (split, index), videos = shard
    ordered = sorted(videos, key=lambda video: record_key(split, video.video_id))
    return writer.write(split, index, map(maker.record, ordered))


def _write_videos(
    videos: Sequence[Video], minimum_videos: int, graph_cache: pathlib.Path, parser: dict[str, str]
) -> pathlib.Path:
    """Writes the videos as JSON lines into a folder that is named by their content, and returns the folder."""
    identity = {"parser": parser, "minimum_videos": minimum_videos}
    content = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    graph_cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=graph_cache, prefix=".videos-") as unfinished:
        made = pathlib.Path(unfinished) / "made"
        (made / "videos").mkdir(parents=True)
        for number, start in enumerate(range(0, len(videos), _VIDEOS_PER_FILE)):
            text = "".join(f"{video.to_line()}\n" for video in videos[start : start + _VIDEOS_PER_FILE])
            content.update(text.encode())
            (made / "videos" / f"{number:05d}.jsonl").write_text(text, encoding="utf-8")
        folder = graph_cache / f"videos-{content.hexdigest()[:16]}"
        if not folder.is_dir():
            made.replace(folder)
    return folder


def _lines(folder: pathlib.Path, name: str) -> Iterator[Any]:
    """Yields the JSON values of the lines of all files of a name."""
    for path in sorted(folder.glob(f"{name}*")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
