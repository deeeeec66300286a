"""Scores the caption parser on captions annotated by hand, whole and without each of its rules and word lists.

`python -m benchmarks parser_ablation tests/data_pipeline/graphs/seen_graphs.jsonl` prints the F1 of entities, actions,
relationships and of who does what, and by how much each falls when one rule or list is switched off. A line of a file
is JSON: ``caption``, ``entities`` and ``actions`` (lemmas), and ``triples`` (``source|role|target``).
"""

import ast
import collections
import contextlib
import dataclasses
import importlib
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

import data_pipeline
from data_pipeline.annotations.reading import field, texts_field
from data_pipeline.annotations.text_tables import json_rows
from data_pipeline.errors import Faults, InputError
from data_pipeline.graphs.graph import AGENT, PATIENT, SemanticGraph
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.host.progress_bar import track
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP

GRAPHS = pathlib.Path(data_pipeline.__path__[0], "graphs")
WHO_DOES_WHAT = "subject>verb"
_REPAIRS = ("attachment.py", "clauses.py", "repairs.py", "word_kinds.py")
_WHOLE = "whole"
_PACKAGE = "data_pipeline.graphs"


class Score:
    """Counts of a level, summed over captions."""

    def __init__(self) -> None:
        self.found = self.expected = self.right = 0

    def add(self, found: Sequence[str], expected: Sequence[str]) -> None:
        """Counts a caption; what is repeated counts as often."""
        self.found += len(found)
        self.expected += len(expected)
        self.right += (collections.Counter(found) & collections.Counter(expected)).total()

    @property
    def precision(self) -> float:
        """The share of what was found that is right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of what was expected that was found."""
        return self.right / self.expected if self.expected else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.found + self.expected
        return 2 * self.right / both if both else 1.0

    def __str__(self) -> str:
        """Precision, recall and F1."""
        return f"{self.precision:6.3f} {self.recall:6.3f} {self.f1:6.3f}"


def triples_with_entities(graph: SemanticGraph) -> list[str]:
    """The triples whose target is an entity; the order of actions is not annotated."""
    return [
        triple
        for triple, edge in zip(graph.triples(), graph.relationships, strict=True)
        if graph.nodes[edge.target].level == ENTITY
    ]


def who_does_what(triples: Sequence[str]) -> list[str]:
    """``subject>verb`` of each agent, or of each patient where an action has no agent ("the dog is bathed")."""
    of_action: dict[str, dict[str, list[str]]] = {}
    for triple in triples:
        source, role, target = triple.split("|")
        of_action.setdefault(source, {}).setdefault(role, []).append(target)
    return [
        f"{subject}>{action}"
        for action, ends in of_action.items()
        for subject in ends.get(AGENT) or ends.get(PATIENT, [])
    ]


FOUND: Mapping[str, Callable[[SemanticGraph], Sequence[str]]] = {
    ENTITY: lambda graph: graph.lemmas(ENTITY),
    ACTION: lambda graph: graph.lemmas(ACTION),
    RELATIONSHIP: triples_with_entities,
    WHO_DOES_WHAT: lambda graph: who_does_what(triples_with_entities(graph)),
}
EXPECTED: Mapping[str, Callable[[Mapping[str, Any]], Sequence[str]]] = {
    ENTITY: lambda row: row["entities"],
    ACTION: lambda row: row["actions"],
    RELATIONSHIP: lambda row: row["triples"],
    WHO_DOES_WHAT: lambda row: who_does_what(row["triples"]),
}


def score(rows: Sequence[Mapping[str, Any]], graphs: Sequence[SemanticGraph]) -> dict[str, Score]:
    """The score of each level, and of who does what."""
    scores = {level: Score() for level in FOUND}
    for row, graph in zip(rows, graphs, strict=True):
        for level, total in scores.items():
            total.add(FOUND[level](graph), EXPECTED[level](row))
    return scores


@dataclasses.dataclass(frozen=True)
class Switch:
    """A switch leaves one rule or list out of a copy of the parser.

    Attributes:
        name: what is left out.
        file: the file of the folder of graphs that changes.
        edit: makes its new text of its text.
    """

    name: str
    file: str
    edit: Callable[[str], str]


def switches() -> Iterator[Switch]:
    """Yields a switch for each word list, each repair, each way to recognise a misread verb, and some whole parts."""
    for file in sorted((GRAPHS / "word_lists").glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                name = f"word_lists/{file.name}"
                yield Switch(f"{file.stem} {line}", name, lambda text, line=line: without_list(text, line))
    yield _ending("corrections of spelling", "spelling.py", "Spelling.correct = lambda self, word: word")
    yield _ending("misread verbs, all", "verbs.py", "misread_verbs = lambda words: {}")
    yield _ending("base forms of verbs that are known", "words.py", "LEMMAS = {}")
    for module in _REPAIRS:
        for name in _functions(module, "None"):
            yield _ending(f"{module}: {name}", module, f"{name} = lambda *_: None")
    for name in _functions("verbs.py", "bool"):
        if not name.startswith("_is_seen") and not name.startswith("ends"):
            yield _ending(f"verbs.py: {name}", "verbs.py", f"{name} = lambda *_: False")


def _ending(name: str, file: str, line: str) -> Switch:
    return Switch(name, file, lambda text: f"{text}\n\n{line}\n")


def without_list(text: str, heading: str) -> str:
    """The text of a file of word lists, with the list under a heading empty."""
    before, _, after = text.partition(heading)
    return before + heading + "\n\n" + "".join(after.partition("\n[")[1:])


def _functions(module: str, returned: str) -> list[str]:
    tree = ast.parse((GRAPHS / module).read_text(encoding="utf-8"))
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == returned
    ]


@contextlib.contextmanager
def parser_without(switch: Switch | None) -> Iterator[CaptionParser]:
    """Loads the parser from a copy of its folder that a switch has changed; other code keeps the parser as it is."""
    whole = {name: module for name, module in sys.modules.items() if name.startswith(_PACKAGE)}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(GRAPHS, pathlib.Path(folder, "graphs"), ignore=shutil.ignore_patterns("__pycache__"))
        if switch is not None:
            changed = pathlib.Path(folder, "graphs", switch.file)
            changed.write_text(switch.edit(changed.read_text(encoding="utf-8")), encoding="utf-8")
        _forget_modules()
        data_pipeline.__path__.insert(0, folder)
        importlib.invalidate_caches()
        try:
            yield importlib.import_module(f"{_PACKAGE}.parser").CaptionParser()
        finally:
            data_pipeline.__path__.remove(folder)
            _forget_modules()
            sys.modules.update(whole)


def _forget_modules() -> None:
    for name in [name for name in sys.modules if name.startswith(_PACKAGE)]:
        del sys.modules[name]


def score_without(switch: Switch | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The F1 of each level by a parser that lacks what the switch leaves out."""
    with parser_without(switch) as parser:
        graphs = list(parser.parse(row["caption"] for row in rows))
    return {level: total.f1 for level, total in score(rows, graphs).items()}


def read_annotated(paths: Sequence[pathlib.Path]) -> list[dict[str, Any]]:
    """Returns the annotated captions of files.

    Raises:
        InputError: a file cannot be read, or a caption lacks its annotation; all faults are told at once.
    """
    faults, rows = Faults(), []
    for path in paths:
        with faults.gathered():
            for where, row in json_rows(path, faults):
                with faults.gathered():
                    field(row, "caption", str, where, "")
                    for key in ("entities", "actions", "triples"):
                        texts_field(row, key, where)
                    rows.append(row)
    faults.check()
    return rows


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The F1 of the whole parser, and what each is worth by what falls without it, as a Markdown table."""
    whole = figures[_WHOLE]
    lines = ["| without | " + " | ".join(whole) + " |", "|---" * (len(whole) + 1) + "|"]
    lines.append("| nothing | " + " | ".join(f"{value:.3f}" for value in whole.values()) + " |")
    for name, found in figures.items():
        if name != _WHOLE:
            cells = (f"{found[level] - value:+.3f}" for level, value in whole.items())
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(
    files: Annotated[list[pathlib.Path], typer.Argument(help="Annotated captions, JSON lines.")],
    only: Annotated[str, typer.Option(help="Try only rules and lists with this in their names.")] = "",
) -> dict[str, dict[str, float]]:
    """Scores and prints.

    Raises:
        InputError: a file cannot be used, or no rule or list has such a name.
    """
    rows = read_annotated(files)
    chosen = [switch for switch in switches() if only in switch.name]
    if not chosen:
        raise InputError(f"--only={only}: no rule or list has this in its name; give a shorter part of one")
    figures = {_WHOLE: score_without(None, rows)}
    for switch in track(chosen, len(chosen), "scoring", "parsers"):
        figures[switch.name] = score_without(switch, rows)
    print(table(figures))
    return figures
