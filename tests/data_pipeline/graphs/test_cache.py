import contextlib
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from data_pipeline.errors import InputError
from data_pipeline.graphs.cache import GraphCache
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import CaptionParser, parser_identity
from tests.support import ROOT

TEXTS = ["a dog runs", "a man plays guitar", "a dog runs", "a «caption» with\nodd\x00 characters"]


@pytest.fixture
def filled(tmp_path: pathlib.Path, parser: CaptionParser) -> GraphCache:
    cache = GraphCache(tmp_path / "graphs", parser_identity())
    cache.graphs_of(TEXTS, lambda: parser, show_progress=False)
    return cache


def no_parser() -> CaptionParser:
    raise AssertionError("the parser was made although every caption is in the cache")


def test_first_run_parses_distinct_captions(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    result = GraphCache(tmp_path, parser.identity).graphs_of(TEXTS, lambda: parser, show_progress=False)
    distinct = list(dict.fromkeys(TEXTS))
    assert result.graphs == dict(zip(distinct, parser.parse(distinct), strict=True))
    assert (result.cached, result.parsed) == (0, 3)


def test_second_run_parses_nothing(filled: GraphCache, parser: CaptionParser) -> None:
    content = filled.path.read_bytes()
    result = GraphCache(filled.path.parent, filled.identity).graphs_of(TEXTS, no_parser)
    assert result.graphs == dict(zip(TEXTS, parser.parse(TEXTS), strict=True))
    assert (result.cached, result.parsed) == (3, 0)
    assert filled.path.read_bytes() == content


def test_only_missing_captions_are_parsed(filled: GraphCache, parser: CaptionParser) -> None:
    result = filled.graphs_of([*TEXTS, "a cat jumps"], lambda: parser, show_progress=False)
    assert (result.cached, result.parsed) == (3, 1)
    assert result.graphs["a cat jumps"].triples() == ["jump|agent|cat"]
    assert filled.graphs_of(["a cat jumps"], no_parser).cached == 1


class DyingParser:
    """Stops after some captions, as a killed run does."""

    def __init__(self, parser: CaptionParser, lives_for: int) -> None:
        self.identity = parser.identity
        self._parser = parser
        self._lives_for = lives_for

    def parse(self, texts: Iterable[str]) -> Iterator[SemanticGraph]:
        for count, graph in enumerate(self._parser.parse(texts)):
            if count == self._lives_for:
                raise KeyboardInterrupt
            yield graph


def test_stopped_run_keeps_what_it_parsed(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    cache = GraphCache(tmp_path, parser.identity)
    texts = [f"a man lifts {number} boxes" for number in range(2100)]
    with pytest.raises(KeyboardInterrupt):
        cache.graphs_of(texts, lambda: DyingParser(parser, 2050), show_progress=False)
    result = cache.graphs_of(texts, lambda: parser, show_progress=False)
    assert (result.cached, result.parsed) == (2000, 100)


def test_other_parsers_have_other_files(tmp_path: pathlib.Path) -> None:
    identity = parser_identity()
    paths = {GraphCache(tmp_path, {**identity, "rules_version": version}).path for version in ("1", "2")}
    assert len(paths) == 2


def test_parser_other_than_the_caches_is_refused(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    cache = GraphCache(tmp_path, {**parser.identity, "model_version": "0"})
    with pytest.raises(InputError, match="own identity"):
        cache.graphs_of(TEXTS, lambda: parser)


@pytest.mark.parametrize("graph", ["{", "[]", "1", '{"nodes": 1}'])
def test_a_damaged_graph_is_named(filled: GraphCache, graph: str) -> None:
    with contextlib.closing(sqlite3.connect(filled.path)) as database, database:
        database.execute("UPDATE graphs SET graph = ? WHERE text = 'a dog runs'", [graph])
    with pytest.raises(InputError, match=rf"{filled.path.name}, caption 'a dog runs': .* Delete the file"):
        filled.graphs_of(TEXTS, no_parser)


@pytest.mark.parametrize("kept", [50, 4096, 5000], ids=["in the header", "a page", "within a page"])
def test_a_file_that_is_cut_off_is_named(filled: GraphCache, kept: int) -> None:
    filled.path.write_bytes(filled.path.read_bytes()[:kept])
    with pytest.raises(
        InputError, match=rf"{filled.path.name}: .*\(.*\)\. Delete the file; the captions will be"
    ):
        filled.graphs_of(TEXTS, no_parser)


def test_a_file_that_is_no_database_is_named(filled: GraphCache) -> None:
    filled.path.write_text('{"schema_version": 1}\n' * 100)
    with pytest.raises(InputError, match=rf"{filled.path.name}: expected an SQLite database"):
        filled.graphs_of(TEXTS, no_parser)


def test_a_place_that_cannot_be_written_is_named(tmp_path: pathlib.Path) -> None:
    cache = GraphCache(tmp_path, parser_identity())
    cache.path.mkdir()
    with pytest.raises(InputError, match=rf"{cache.path.name}: .* Check that the folder can be written to"):
        cache.graphs_of(TEXTS, no_parser)


def test_an_older_file_of_lines_is_left_alone(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    older = tmp_path / "graphs-0123456789ab.jsonl"
    older.write_text("{\n")
    result = GraphCache(tmp_path, parser.identity).graphs_of(TEXTS, lambda: parser, show_progress=False)
    assert (result.cached, result.parsed, older.read_text()) == (0, 3, "{\n")


def test_the_graphs_can_be_read_without_this_package(filled: GraphCache) -> None:
    with contextlib.closing(sqlite3.connect(filled.path)) as database:
        rows = dict(database.execute("SELECT text, graph FROM graphs").fetchall())
    assert rows.keys() == set(TEXTS)
    assert [node["lemma"] for node in json.loads(rows["a dog runs"])["nodes"]] == ["dog", "run"]


def test_processes_share_a_file(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    """Three processes store at once, two of them the same captions; one is killed between two chunks."""
    code = (
        "import os, pathlib, signal, sys, time\n"
        "from data_pipeline.graphs import cache as graph_cache\n"
        "from data_pipeline.graphs.graph import SemanticGraph\n"
        "from data_pipeline.graphs.parser import parser_identity\n"
        "graph_cache._CHUNK = 8\n"
        "class SlowParser:\n"
        "    identity = parser_identity()\n"
        "    def parse(self, texts):\n"
        "        for number, text in enumerate(texts):\n"
        "            time.sleep(1 / 40)\n"
        "            if number == int(sys.argv[3]):\n"
        "                os.kill(os.getpid(), signal.SIGKILL)\n"
        "            yield SemanticGraph((), ())\n"
        "cache = graph_cache.GraphCache(pathlib.Path(sys.argv[1]), parser_identity())\n"
        "texts = [f'{sys.argv[2]} men hold {number} dogs' for number in range(40)]\n"
        "cache.graphs_of(texts, SlowParser, show_progress=False)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name, dies_at], cwd=ROOT)
        for name, dies_at in (("two", "-1"), ("two", "-1"), ("three", "20"))
    ]
    assert [process.wait(120) for process in running] == [0, 0, -signal.SIGKILL]
    cache = GraphCache(tmp_path, parser.identity)
    result = cache.graphs_of([f"two men hold {number} dogs" for number in range(40)], no_parser)
    assert (result.cached, result.parsed) == (40, 0)
    texts = [f"three men hold {number} dogs" for number in range(40)]
    result = cache.graphs_of(texts, lambda: parser, show_progress=False)
    assert (result.cached, result.parsed) == (16, 24)
