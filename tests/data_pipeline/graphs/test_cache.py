import json
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from data_pipeline.errors import InputError
from data_pipeline.graphs.cache import GraphCache
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import CaptionParser, parser_identity
from tests.support import ROOT

TEXTS = ["a dog runs", "a man plays guitar", "a dog runs", "a «caption» with\nodd characters"]


@pytest.fixture
def filled(tmp_path: pathlib.Path, parser: CaptionParser) -> GraphCache:
    cache = GraphCache.in_folder(tmp_path / "graphs", parser_identity())
    cache.graphs_of(TEXTS, lambda: parser, show_progress=False)
    return cache


def no_parser() -> CaptionParser:
    raise AssertionError("the parser was made although every caption is in the cache")


def test_first_run_parses_distinct_captions(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    result = GraphCache.in_folder(tmp_path, parser.identity).graphs_of(
        TEXTS, lambda: parser, show_progress=False
    )
    distinct = list(dict.fromkeys(TEXTS))
    assert result.graphs == dict(zip(distinct, parser.parse(distinct), strict=True))
    assert (result.cached, result.parsed) == (0, 3)


def test_second_run_parses_nothing(filled: GraphCache, parser: CaptionParser) -> None:
    content = filled.path.read_bytes()
    result = GraphCache(filled.path, filled.identity).graphs_of(TEXTS, no_parser)
    assert result.graphs == dict(zip(TEXTS, parser.parse(TEXTS), strict=True))
    assert (result.cached, result.parsed) == (3, 0)
    assert filled.path.read_bytes() == content


def test_only_missing_captions_are_parsed(filled: GraphCache, parser: CaptionParser) -> None:
    result = filled.graphs_of([*TEXTS, "a cat jumps"], lambda: parser, show_progress=False)
    assert (result.cached, result.parsed) == (3, 1)
    assert result.graphs["a cat jumps"].triples() == ["jump|agent|cat"]
    assert filled.graphs_of(["a cat jumps"], no_parser).cached == 1


@pytest.mark.parametrize("kept", [1, 40, -1], ids=["part of a character", "part of a line", "no line end"])
def test_half_written_last_line_is_overwritten(filled: GraphCache, parser: CaptionParser, kept: int) -> None:
    whole = filled.path.read_bytes()
    *complete, last = whole.splitlines(keepends=True)
    filled.path.write_bytes(b"".join(complete) + last[:kept])
    result = filled.graphs_of(TEXTS, lambda: parser, show_progress=False)
    assert (result.cached, result.parsed) == (2, 1)
    assert filled.path.read_bytes() == whole


def test_half_written_header_is_overwritten(filled: GraphCache, parser: CaptionParser) -> None:
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[:10])
    assert filled.graphs_of(TEXTS, lambda: parser, show_progress=False).parsed == 3
    assert filled.path.read_bytes() == whole


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
    cache = GraphCache.in_folder(tmp_path, parser.identity)
    texts = [f"a man lifts {number} boxes" for number in range(2100)]
    with pytest.raises(KeyboardInterrupt):
        cache.graphs_of(texts, lambda: DyingParser(parser, 2050), show_progress=False)
    result = cache.graphs_of(texts, lambda: parser, show_progress=False)
    assert (result.cached, result.parsed) == (2000, 100)


def test_other_parsers_have_other_files(tmp_path: pathlib.Path) -> None:
    identity = parser_identity()
    paths = {
        GraphCache.in_folder(tmp_path, {**identity, "rules_version": version}).path for version in ("1", "2")
    }
    assert len(paths) == 2


def test_file_of_another_parser_is_refused(filled: GraphCache) -> None:
    other = {**filled.identity, "model_version": "0"}
    with pytest.raises(InputError, match="from another parser"):
        GraphCache(filled.path, other).graphs_of(TEXTS, no_parser)


def test_parser_other_than_the_caches_is_refused(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    cache = GraphCache.in_folder(tmp_path, {**parser.identity, "model_version": "0"})
    with pytest.raises(InputError, match="own identity"):
        cache.graphs_of(TEXTS, lambda: parser)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"text": "a dog runs"}', b'{"text": "a dog runs", "graph": 1}', b"\xff"]
)
def test_damaged_line_is_named(filled: GraphCache, line: bytes) -> None:
    header, *rest = filled.path.read_bytes().splitlines(keepends=True)
    filled.path.write_bytes(b"".join([header, line + b"\n", *rest]))
    with pytest.raises(InputError, match=rf"{filled.path.name}, line 2"):
        filled.graphs_of(TEXTS, no_parser)


def test_lines_are_readable(filled: GraphCache) -> None:
    header, first, *_ = map(json.loads, filled.path.read_text("utf-8").splitlines())
    assert header == {"schema_version": 1, "parser": parser_identity()}
    assert first["text"] == "a dog runs"
    assert [node["lemma"] for node in first["graph"]["nodes"]] == ["dog", "run"]


def test_processes_take_turns(tmp_path: pathlib.Path, parser: CaptionParser) -> None:
    """Two processes parse into one file, each for a second; neither loses a line of the other."""
    code = (
        "import pathlib, sys, time\n"
        "from data_pipeline.graphs.graph import SemanticGraph\n"
        "from data_pipeline.graphs.cache import GraphCache\n"
        "from data_pipeline.graphs.parser import parser_identity\n"
        "class SlowParser:\n"
        "    identity = parser_identity()\n"
        "    def parse(self, texts):\n"
        "        for text in texts:\n"
        "            time.sleep(1 / 40)\n"
        "            yield SemanticGraph((), ())\n"
        "cache = GraphCache.in_folder(pathlib.Path(sys.argv[1]), parser_identity())\n"
        "texts = [f'{sys.argv[2]} men hold {number} dogs' for number in range(40)]\n"
        "cache.graphs_of(texts, SlowParser, show_progress=False)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT)
        for name in ("two", "three")
    ]
    assert [process.wait(120) for process in running] == [0, 0]
    texts = [f"{name} men hold {number} dogs" for name in ("two", "three") for number in range(40)]
    result = GraphCache.in_folder(tmp_path, parser.identity).graphs_of(texts, no_parser)
    assert (result.cached, result.parsed) == (80, 0)
