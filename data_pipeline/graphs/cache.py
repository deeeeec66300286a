"""This module keeps parsed captions on disk, so that each distinct caption is parsed once per version of the parser."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import pathlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.host.progress_bar import track

SCHEMA_VERSION = 2
_CHUNK = 2000
_SECONDS_TO_WAIT = 600.0
"""A process waits this long, in seconds, for another one to finish writing a chunk."""


class Parser(Protocol):
    """This is what the cache needs of a parser; `data_pipeline.graphs.parser.CaptionParser` is one.

    Attributes:
        identity: names and versions of everything that decides a caption's graph.
    """

    identity: dict[str, str]

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        """Yields one graph per text, in order."""


@dataclasses.dataclass(frozen=True)
class CachedGraphs:
    """Cached graphs are the graphs of a set of captions.

    Attributes:
        graphs: the graph of each distinct caption.
        cached: the number of graphs that were in the cache.
        parsed: the number of captions that were parsed now.
    """

    graphs: dict[str, SemanticGraph]
    cached: int
    parsed: int


class GraphCache:
    """The cache is a SQLite database with a caption and its graph, as JSON, in each row of the table ``graphs``.

    Graphs are committed in chunks, so that a run that was stopped keeps what it parsed. Several processes may use
    the same file at once.

    Attributes:
        path: the file; its name holds a short hash of ``identity``.
        identity: the parser whose graphs the file holds.
    """

    def __init__(self, folder: pathlib.Path, identity: Mapping[str, str]) -> None:
        """Takes the folder of parsed captions and `Parser.identity`."""
        canonical = json.dumps({"schema_version": SCHEMA_VERSION, **identity}, sort_keys=True)
        self.path = folder / f"graphs-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}.sqlite"
        self.identity = dict(identity)

    def graphs_of(
        self, texts: Sequence[str], parser_factory: Callable[[], Parser], *, show_progress: bool = True
    ) -> CachedGraphs:
        """Reads the graphs of captions and parses those that the file lacks.

        Args:
            texts: captions; repetitions are parsed once.
            parser_factory: makes the parser; it is not called when the file holds every caption.
            show_progress: whether parsing shows a progress bar.

        Raises:
            InputError: the file is damaged or cannot be used, or ``parser_factory`` makes another parser than the
                cache's.
        """
        wanted = list(dict.fromkeys(texts))
        with self._database() as database:
            graphs = self._read(database, wanted)
            cached = len(graphs)
            missing = [text for text in wanted if text not in graphs]
            if missing:
                parser = parser_factory()
                if parser.identity != self.identity:
                    raise InputError(
                        f"{self.path}: the cache is for the parser {self.identity}, but the parser made for it is "
                        f"{parser.identity}. Make the cache with the parser's own identity."
                    )
                graphs.update(_parse_and_store(database, missing, parser, show_progress))
        return CachedGraphs({text: graphs[text] for text in wanted}, cached, len(missing))

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_SECONDS_TO_WAIT)) as database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS graphs (text TEXT PRIMARY KEY, graph TEXT NOT NULL) WITHOUT ROWID"
                )
                (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
                if state != "ok":
                    raise sqlite3.DatabaseError(state.splitlines()[-1])
                yield database
        except sqlite3.OperationalError as error:
            raise InputError(
                f"{self.path}: the parsed captions cannot be read or written ({error}). Check that the folder can be "
                "written to and has space, or delete the file; the captions will be parsed again."
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.path}: expected an SQLite database of parsed captions ({error}). Delete the file; the "
                "captions will be parsed again."
            ) from error

    def _read(self, database: sqlite3.Connection, wanted: Iterable[str]) -> dict[str, SemanticGraph]:
        """Returns the graphs that the file has."""
        graphs: dict[str, SemanticGraph] = {}
        for text in wanted:
            row = database.execute("SELECT graph FROM graphs WHERE text = ?", [text]).fetchone()
            if row is None:
                continue
            try:
                graphs[text] = SemanticGraph.from_json(json.loads(row[0]))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{self.path}, caption {text!r}: expected a graph as JSON, found {row[0][:80]!r} ({error}). "
                    "Delete the file; the captions will be parsed again."
                ) from error
        return graphs


def _parse_and_store(
    database: sqlite3.Connection, missing: Sequence[str], parser: Parser, show_progress: bool
) -> dict[str, SemanticGraph]:
    graphs: dict[str, SemanticGraph] = {}
    pairs = zip(missing, parser.parse(missing), strict=True)
    parsed = track(pairs, len(missing), "parsing captions", "captions") if show_progress else iter(pairs)
    while chunk := list(itertools.islice(parsed, _CHUNK)):
        with database:
            database.executemany(
                # Another process may have stored the same graph meanwhile.
                "INSERT OR REPLACE INTO graphs VALUES (?, ?)",
                [(text, json.dumps(graph.to_json())) for text, graph in chunk],
            )
        graphs.update(chunk)
    return graphs
