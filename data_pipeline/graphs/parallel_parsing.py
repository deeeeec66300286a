"""Parses captions in several processes, in order."""

import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Iterable, Iterator

from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import DEFAULT_MODEL, CaptionParser, parser_identity

_PORTION = 500
_WORTH_A_PROCESS = 4000
"""Captions that one process parses in about the time that another needs to start and to load the model."""

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ParallelParser:
    """Parses like `CaptionParser`, faster.

    Attributes:
        identity: see `data_pipeline.graphs.parser.parser_identity`.
    """

    def __init__(self, processes: int, model: str = DEFAULT_MODEL) -> None:
        """Takes the largest number of processes (few captions are parsed in this one) and a model.

        Raises:
            InputError: the model is not installed.
        """
        self.identity = parser_identity(model)
        self._processes, self._model = processes, model

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        """Yields one graph per text, in order."""
        remaining = iter(texts)
        first = list(itertools.islice(remaining, _WORTH_A_PROCESS))
        if self._processes < 2 or len(first) < _WORTH_A_PROCESS:
            yield from CaptionParser(self._model).parse(itertools.chain(first, remaining))
            return
        portions = _portions(itertools.chain(first, remaining))
        # Not forked: threads of other libraries may hold locks that a fork would copy.
        processes = multiprocessing.get_context("spawn")
        with _single_threaded_products(), processes.Pool(self._processes, _load, [self._model]) as pool:
            for graphs in pool.imap(_parse, portions):
                yield from graphs


_loaded: list[CaptionParser] = []
"""The parser of a worker process."""


def _load(model: str) -> None:
    _loaded.append(CaptionParser(model))


def _parse(texts: list[str]) -> list[SemanticGraph]:
    return list(_loaded[0].parse(texts))


def _portions(texts: Iterator[str]) -> Iterator[list[str]]:
    while portion := list(itertools.islice(texts, _PORTION)):
        yield portion


@contextlib.contextmanager
def _single_threaded_products() -> Iterator[None]:
    """Processes started inside use one thread each for matrix products: there is a process per core already."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
