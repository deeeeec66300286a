"""How well the parser does on captions annotated by hand; the table is printed at the end of the test run.

The rules were written with the errors on ``gold_graphs.jsonl``, ``seen_graphs.jsonl`` (which were kept back until rules
version 4) and ``real_graphs.jsonl`` (captions of MSR-VTT's training videos) in view. Nobody looked at
``unseen_graphs.jsonl`` for that, which has captions of validation and test videos of MSR-VTT and MSVD: its scores are
what to expect of other captions, as long as no rule is made for them. The order of actions, modifiers and negation
have tests of their own.
"""

import collections
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.quality.parser_ablation import WHO_DOES_WHAT, Score, score
from data_pipeline.graphs.graph import PREPOSITIONS, ROLES
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ACTION, ENTITY, RELATIONSHIP

BARS = {
    "gold_graphs.jsonl": {ENTITY: 0.99, ACTION: 0.99, RELATIONSHIP: 0.97, WHO_DOES_WHAT: 0.99},
    "seen_graphs.jsonl": {ENTITY: 0.97, ACTION: 0.98, RELATIONSHIP: 0.92, WHO_DOES_WHAT: 0.95},
    "real_graphs.jsonl": {ENTITY: 0.95, ACTION: 0.98, RELATIONSHIP: 0.89, WHO_DOES_WHAT: 0.93},
    "unseen_graphs.jsonl": {ENTITY: 0.95, ACTION: 0.95, RELATIONSHIP: 0.85, WHO_DOES_WHAT: 0.88},
}


def read_gold(name: str) -> list[dict[str, Any]]:
    lines = pathlib.Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_gold_graphs_are_in_the_form_of_graphs() -> None:
    gold, *others = map(read_gold, BARS)
    assert len(gold) >= 150
    assert min(collections.Counter(row["case"] for row in gold).values()) >= 10
    rows = [*gold, *(row for other in others for row in other)]
    assert len({row["caption"] for row in rows}) == len(rows)
    for row in rows:
        for triple in row["triples"]:
            source, role, target = triple.split("|")
            assert source in row["entities"] + row["actions"], row["caption"]
            assert role in ROLES, row["caption"]
            assert target in row["entities"], row["caption"]
            assert role in (*PREPOSITIONS, "attribute", "other") or source in row["actions"], row["caption"]


@pytest.mark.parametrize("name", BARS)
def test_scores_reach_the_bars(
    parser: CaptionParser, name: str, record_property: Callable[[str, object], None]
) -> None:
    rows = read_gold(name)
    graphs = list(parser.parse([row["caption"] for row in rows]))
    scores = score(rows, graphs)
    table = [f"parser on {name}, {len(rows)} captions: precision, recall, F1"]
    table += [f"{level:28s} {total}" for level, total in scores.items()]
    for case in sorted({row["case"] for row in rows}):
        chosen = [(row, graph) for row, graph in zip(rows, graphs, strict=True) if row["case"] == case]
        parts = score([row for row, _ in chosen], [graph for _, graph in chosen])
        table += [f"  {case:17s} {level:8.8s} {total}" for level, total in parts.items()]
    for line in table:
        record_property("summary", line)
    for level, bar in BARS[name].items():
        assert scores[level].f1 >= bar, "\n".join(table)


def test_score_counts_repetitions() -> None:
    one = Score()
    one.add(["it", "it", "dog"], ["it", "cat"])
    assert (one.precision, one.recall, one.f1) == (1 / 3, 1 / 2, 2 / 5)
