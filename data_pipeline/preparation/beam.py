"""This module maps the work of the preparation over Apache Beam, locally or on a cluster; it alone imports Beam.

The folder of parsed captions and the folder that is prepared must be the same files on every worker, as on a shared
file system. Workers need this package.
"""

import itertools
import logging
import pathlib
import pickle
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from data_pipeline.errors import InputError
from data_pipeline.graphs.cache import Parser
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import DEFAULT_MODEL, CaptionParser, parser_identity
from data_pipeline.host.files import replacing
from data_pipeline.preparation.runner import LocalRunner, Writing, write_shard
from data_pipeline.records.make import RecordMaker
from data_pipeline.records.shards import ShardSummary, ShardWriter

_PORTION = 2000
"""So many texts are parsed in a piece: loading the parser takes as long as parsing these."""

_INPUT_ERROR = re.compile(r"data_pipeline\.errors\.InputError: (.*?)(?: \[while running|\n\n|$)", re.DOTALL)


class BeamRunner(LocalRunner):
    """This runner hands the pieces of work that others do for a `LocalRunner` to a Beam runner."""

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
            graph_cache: the folder of parsed captions, in which nothing is parsed again.
            runner: the name of the runner, such as ``DirectRunner`` (processes on this machine) or ``FlinkRunner``.
            arguments: Beam's pipeline options, such as ``--parallelism=8``.
            processes: the number of processes of the direct runner, unless the arguments state it.
            model: one of `data_pipeline.graphs.parser.MODELS`.

        Raises:
            InputError: the model is not installed.
        """
        super().__init__(graph_cache, processes, model)
        # Beam describes at length how it builds the pipeline.
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
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

    def _make_parser(self) -> Parser:
        return _BeamParser(self._map, self._model)

    def write(self, maker: RecordMaker, writer: ShardWriter) -> list[ShardSummary]:
        """Writes each shard in one piece; see `Runner.write`."""
        shards = (shard for split in writer.plan.starts for shard in self._shards(split, writer.plan))
        return list(self._map(Writing, (maker, writer), write_shard, shards))

    def _map(
        self,
        make: Callable[..., Any],
        arguments: tuple[Any, ...],
        function: Callable[[Any, Any], Any],
        works: Iterable[Any],
    ) -> Iterator[Any]:
        """Yields what workers make of each piece of work, in order, as `results_in_order` does with processes.

        Pieces and results pass through files in the folder of parsed captions.
        """
        self._graph_cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._graph_cache, prefix=".beam-") as folder:
            paths = []
            for number, work in enumerate(works):
                paths.append(pathlib.Path(folder) / f"{number:06d}")
                paths[-1].write_bytes(pickle.dumps(work))
            try:
                with beam.Pipeline(runner=self._runner, options=self._options) as pipeline:
                    _ = (
                        pipeline
                        | "Works" >> beam.Create([str(path) for path in paths])
                        | "Spread" >> beam.Reshuffle()
                        | "Work" >> beam.ParDo(_Work(make, arguments, function))
                    )
            except Exception as error:
                # Workers report what they raised as text.
                if found := _INPUT_ERROR.search(str(error)):
                    raise InputError(found[1].strip()) from error
                raise
            for path in paths:
                yield pickle.loads(_result_of(path).read_bytes())


class _BeamParser:
    """It parses like `CaptionParser`, on the workers."""

    def __init__(self, work_map: Callable[..., Iterator[list[SemanticGraph]]], model: str) -> None:
        self.identity = parser_identity(model)
        self._map, self._model = work_map, model

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        """Yields one graph per text, in order."""
        remaining = iter(texts)
        portions = iter(lambda: list(itertools.islice(remaining, _PORTION)), [])
        for graphs in self._map(CaptionParser, (self._model,), _parse, portions):
            yield from graphs


def _parse(parser: CaptionParser, texts: list[str]) -> list[SemanticGraph]:
    return list(parser.parse(texts))


class _Work(beam.DoFn):
    """Writes beside the file of a piece of work what is made of it; each worker makes once what it needs for all."""

    def __init__(
        self, make: Callable[..., Any], arguments: tuple[Any, ...], function: Callable[[Any, Any], Any]
    ) -> None:
        super().__init__()
        self._make, self._arguments, self._function = make, arguments, function

    def setup(self) -> None:
        self._made = self._make(*self._arguments)

    def process(self, path: str) -> None:
        result = self._function(self._made, pickle.loads(pathlib.Path(path).read_bytes()))
        with replacing(_result_of(pathlib.Path(path))) as partial:
            partial.write_bytes(pickle.dumps(result))


def _result_of(path: pathlib.Path) -> pathlib.Path:
    return path.with_suffix(".result")


def _local_runner(options: PipelineOptions) -> FnApiRunner:
    """Returns a runner whose processes on this machine are told the options."""
    told = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision = beam_provision_api_pb2.ProvisionInfo(pipeline_options=told)
    return FnApiRunner(provision_info=ExtendedProvisionInfo(provision))
