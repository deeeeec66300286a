"""The tables of the documents that come from figures in `benchmarks/results/`.

A comment ``<!-- table: NAME MAKER -->`` in a document stands before such a table: it is made of
``benchmarks/results/NAME.json``, which `--json` or a comparison of trained models wrote, by a maker of `MAKERS`
(``ranking.losses``: of the models in the part `losses`), or of the rows that stand at that place of the figures.
"""

import datetime
import functools
import json
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.quality.run_tables import mean_and_deviation
from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text
from data_pipeline.levels import NODE_LEVELS, RELATIONSHIP
from mcsan_jax.evaluation.attribute_precision import FREQUENCIES
from mcsan_jax.evaluation.tables import aligned

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = ("README.md", "benchmarks/README.md", "docs/*.md")

_NAMES = {
    "full": "the whole model",
    "no_relationships": "without the relationship level",
    "only_global": "the global level alone",
}
"""What configs of `configs/ablations.py` are called here."""

_MARKED = re.compile(r"(<!-- table: (\w+) ([\w.]+) -->\n)(?:Measured on [^\n]*\n\n(?:\|[^\n]*\n)*)?")


def with_tables(text: str) -> str:
    """A document with its marked tables made anew, each below a line that says when it was measured.

    Raises:
        InputError: there are no such figures.
    """
    return _MARKED.sub(lambda found: found[1] + _block(found[2], found[3]), text)


def write_tables() -> None:
    """Makes the tables of the documents anew from the figures in `benchmarks/results/`."""
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            made = with_tables(text)
            if made != text:
                write_text(path, made)
                print(f"written to {path.relative_to(ROOT)}")


def ranking_table(figures: Mapping[str, Any], part: str) -> list[list[str]]:
    """A row per trained model: recalls, Rsum, what it is more than that of the first one, and foils by kind."""
    section = figures[part]
    tests = {test["model"]: test for test in section["tests"]}
    kinds = list(figures["questions"])
    head = ["trained", "T2V R@1", "V2T R@1", "Rsum", "minus the first, 95 %, p (Holm)"]
    rows = [[*head, *(f"{kind} foils" for kind in kinds)]]
    for model in section["models"]:
        name = model["name"]
        of_kind = figures["foils"].get(name, {})
        rows.append(
            [
                _words(name),
                *(f"{model['recalls'][recall]:.1f}" for recall in ("T2V R@1", "V2T R@1")),
                mean_and_deviation(model["rsums"]),
                _difference(tests.get(name)),
                *(mean_and_deviation(of_kind.get(kind, {}).get("fused", [])) for kind in kinds),
            ]
        )
    return rows


def foil_table(figures: Mapping[str, Any], part: str) -> list[list[str]]:
    """A row per kind of foil: every model, what it is more than the first one, and the relationship level alone."""
    section, foils = figures[part], figures["foils"]
    base, *others = [model["name"] for model in section["models"]]
    head = ["foils (questions)", *map(_words, (base, *others))]
    head += [f"{_words(other)} minus {_words(base)}, 95 %, p (Holm)" for other in others]
    rows = [[*head, f"relationship level alone, {_words(base)}"]]
    for kind, count in figures["questions"].items():
        tests = {test["model"]: test for test in section["foil_tests"][kind]}
        rows.append(
            [
                f"{kind} ({count:,})",
                *(mean_and_deviation(foils[name][kind]["fused"]) for name in (base, *others)),
                *(_difference(tests[other]) for other in others),
                mean_and_deviation(foils[base][kind].get(RELATIONSHIP, [])),
            ]
        )
    return rows


def attribute_table(figures: Mapping[str, Any], part: str) -> list[list[str]]:
    """A row per model of a part, and chance: average precision of attributes by level and frequency."""
    rows = [["average precision, %", *(f"{level}: {' / '.join(FREQUENCIES)}" for level in NODE_LEVELS)]]
    known = {model["name"]: figures["attributes"][model["name"]] for model in figures[part]["models"]}
    for name, by_level in {**known, "chance": figures["chance"]}.items():
        cells = [
            " / ".join(f"{sum(values) / len(values):.1f}" for values in by_level.get(level, {}).values())
            for level in NODE_LEVELS
        ]
        rows.append([_words(name), *cells])
    return rows


Maker = Callable[[Mapping[str, Any], str], list[list[str]]]

MAKERS: Mapping[str, Maker] = {
    "ranking": ranking_table,
    "foils": foil_table,
    "attributes": attribute_table,
}


def row_table(rows: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Rows of figures, with a column for each figure; what is nested has the names of both."""
    named = [{"": _words(name), **row} for name, row in rows.items()] if isinstance(rows, Mapping) else rows
    flat = [dict(_flat(row)) for row in named]
    heads = list(dict.fromkeys(name for row in flat for name in row))
    return [list(map(_words, heads)), *([_cell(row.get(name, "")) for name in heads] for row in flat)]


def _block(name: str, maker: str) -> str:
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise InputError(f"{path} is missing; write it with --json of the benchmark")
    content = json.loads(path.read_text(encoding="utf-8"))
    day = datetime.date.fromisoformat(content["date"])
    kind, _, part = maker.partition(".")
    figures = content["figures"]
    made = MAKERS[kind](figures, part) if kind in MAKERS else row_table(_at(figures, maker))
    table = "\n".join(aligned(made))
    return f"Measured on {day.day} {day:%B %Y} ({content['commit']}).\n\n{table}\n"


def _at(figures: Mapping[str, Any], place: str) -> Any:
    return functools.reduce(lambda found, key: found[key], place.split("."), figures)


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", figure) for inner, figure in _flat(value))
        else:
            yield name, value


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    return _NAMES.get(name, name.replace("_", " ").replace(" kl ", " KL "))


def _difference(test: Mapping[str, Any] | None) -> str:
    if test is None:
        return ""
    told = f"{test['difference']:+.1f}, {test['low']:.1f} to {test['high']:.1f}, {test['p_holm']:.2g}"
    return told.replace("-", "−")
