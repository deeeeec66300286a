"""Parsed captions on disk: each distinct caption is parsed once per version of the parser."""

import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.host.progress import track

SCHEMA_VERSION = 1
_CHUNK = 2000


class Parser(Protocol):
    """What the cache needs of a parser; `data_pipeline.graphs.parser.CaptionParser` is one."""

    identity: dict[str, str]

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        """Yields one graph per text, in order."""


@dataclasses.dataclass(frozen=True)
class CachedGraphs:
    """Graphs of a set of captions.

    Attributes:
        graphs: one graph per distinct caption.
        cached: how many of them were in the cache.
        parsed: how many were parsed now.
    """

    graphs: dict[str, SemanticGraph]
    cached: int
    parsed: int


class GraphCache:
    """A file of JSON lines: a header that names the parser, then one caption with its graph per line.

    Lines are only ever appended, so that a run that was stopped keeps what it parsed. Processes that use the same
    file take turns.

    Attributes:
        path: the file.
        identity: the parser whose graphs the file holds.
    """

    def __init__(self, path: pathlib.Path, identity: Mapping[str, str]) -> None:
        self.path = path
        self.identity = dict(identity)

    @classmethod
    def in_folder(cls, folder: pathlib.Path, identity: Mapping[str, str]) -> "GraphCache":
        """The cache of a parser in a folder; the file's name holds a short hash of ``identity``."""
        canonical = json.dumps({"schema_version": SCHEMA_VERSION, **identity}, sort_keys=True)
        return cls(folder / f"graphs-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}.jsonl", identity)

    def graphs_of(
        self, texts: Sequence[str], parser_factory: Callable[[], Parser], *, show_progress: bool = True
    ) -> CachedGraphs:
        """Reads the graphs of captions and parses those that the file lacks.

        Args:
            texts: captions; repetitions are parsed once.
            parser_factory: makes the parser; not called when the file holds every caption.
            show_progress: whether parsing shows a progress bar.

        Raises:
            InputError: the file is damaged or belongs to another parser, or ``parser_factory`` makes a
                parser other than the cache's.
        """
        with self._turn():
            return self._graphs_of(dict.fromkeys(texts), parser_factory, show_progress)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Waits until no other process uses the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another process that parses captions into {self.path}", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
            # The lock ends when the file is closed, also by the death of the process.
            yield

    def _graphs_of(
        self, wanted: Mapping[str, None], parser_factory: Callable[[], Parser], show_progress: bool
    ) -> CachedGraphs:
        graphs, complete_bytes = self._read(wanted.keys())
        cached = len(graphs)
        missing = [text for text in wanted if text not in graphs]
        if missing:
            parser = parser_factory()
            if parser.identity != self.identity:
                raise InputError(
                    f"{self.path}: the cache is for the parser {self.identity}, but the parser made for it is "
                    f"{parser.identity}. Make the cache with the parser's own identity."
                )
            graphs.update(self._parse_and_append(missing, parser, complete_bytes, show_progress))
        return CachedGraphs({text: graphs[text] for text in wanted}, cached, len(missing))

    def _read(self, wanted: Iterable[str]) -> tuple[dict[str, SemanticGraph], int]:
        """The wanted graphs in the file, and the length in bytes of its complete lines."""
        graphs: dict[str, SemanticGraph] = {}
        wanted = frozenset(wanted)
        complete_bytes = 0
        if not self.path.exists():
            return graphs, complete_bytes
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = json.loads(line)
                    if number == 1:
                        self._check_header(record)
                    elif record["text"] in wanted:
                        graphs[record["text"]] = SemanticGraph.from_json(record["graph"])
                except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
                    raise InputError(
                        f"{self.path}, line {number}: expected a caption with its graph as JSON, found "
                        f"{line[:80]!r} ({error}). Delete the file; the captions will be parsed again."
                    ) from error
                complete_bytes += len(line)
        return graphs, complete_bytes

    def _header(self) -> dict[str, object]:
        return {"schema_version": SCHEMA_VERSION, "parser": self.identity}

    def _check_header(self, record: object) -> None:
        if record != self._header():
            raise InputError(
                f"{self.path}: expected the header {self._header()}, found {record}. The file is from another "
                "parser or version: use GraphCache.in_folder, which names files by parser, or delete the file."
            )

    def _parse_and_append(
        self, missing: Sequence[str], parser: Parser, complete_bytes: int, show_progress: bool
    ) -> dict[str, SemanticGraph]:
        graphs: dict[str, SemanticGraph] = {}
        with self.path.open("ab") as file:
            # What a killed run left of its last line.
            file.truncate(complete_bytes)
            if complete_bytes == 0:
                file.write(_line(self._header()))
            pairs = zip(missing, parser.parse(missing), strict=True)
            parsed = (
                track(pairs, len(missing), "parsing captions", "captions") if show_progress else iter(pairs)
            )
            while chunk := list(itertools.islice(parsed, _CHUNK)):
                file.writelines(_line({"text": text, "graph": graph.to_json()}) for text, graph in chunk)
                file.flush()
                graphs.update(chunk)
        return graphs


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record).encode("ascii") + b"\n"
