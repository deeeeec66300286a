"""The comparison of the caption parser with itself without its rules and lists."""

import json
import pathlib

import pytest

from benchmarks.quality import parser_ablation
from data_pipeline.graphs import parser as parser_module
from tests.benchmarks.programs import figures_of, refusal_of


def test_every_list_and_many_rules_have_a_switch() -> None:
    switches = {switch.name: switch for switch in parser_ablation.switches()}
    assert {"verbs [seen verbs]", "nouns [paths]", "corrections of spelling"} <= switches.keys()
    assert {"clauses.py: _act_in_picture", "verbs.py: _joins_verb"} <= switches.keys()
    text = "# A.\n[a]\none two\n\n# B.\n[b]\nthree\n"
    without = parser_ablation.Switch("", "", switches["nouns [paths]"].edit)
    assert parser_ablation.without_list(text, "[a]") == "# A.\n[a]\n\n\n[b]\nthree\n"
    assert "staircase" not in without.edit(
        (parser_ablation.GRAPHS / "word_lists" / "nouns.txt").read_text("utf-8")
    )


def test_what_a_rule_is_worth_is_printed(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "caption": "a video game of anime characters fighting",
        "entities": ["game", "character"],
        "actions": ["fight"],
        "triples": ["game|of|character", "fight|agent|character"],
    }
    file = tmp_path / "annotated.jsonl"
    file.write_text(json.dumps(row) + "\n")
    found = figures_of("parser_ablation", tmp_path, str(file), "--only=_act_in_picture")
    assert found["whole"] == dict.fromkeys(("entity", "action", "relationship", "subject>verb"), 1.0)
    assert found["clauses.py: _act_in_picture"] == {
        "entity": 1.0,
        "action": 1.0,
        "relationship": 0.5,
        "subject>verb": 0.0,
    }
    assert "| clauses.py: _act_in_picture | +0.000 | +0.000 | -0.500 | -1.000 |" in capsys.readouterr().out
    # Other code has the parser as it was.
    assert parser_module.CaptionParser is parser_ablation.CaptionParser


def test_captions_without_annotation_are_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"caption": "a dog runs", "foil": "a cat runs"}\nno JSON\n')
    said = refusal_of("parser_ablation", [str(file), str(tmp_path / "absent")], capsys)
    assert "line 1: key 'entities' is missing" in said and "line 2: not JSON" in said and "absent" in said
    file.write_text('{"caption": "runs", "entities": [], "actions": ["run"], "triples": []}\n')
    assert "--only=nothing: no rule or list" in refusal_of(
        "parser_ablation", [str(file), "--only=nothing"], capsys
    )


def test_pairs_with_different_graphs_are_counted(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pairs.jsonl"
    foils = {"entity": "a red bus stops", "modifier": "a blue car stops", "none": "the red car stops"}
    rows = [
        {"video_id": "v", "caption": "a red car stops", "foil": foil, "kind": kind}
        for kind, foil in foils.items()
    ]
    both = ("a man plays a cello and a woman plays a piano", "a woman plays a cello and a man plays a piano")
    rows.append({"video_id": "v", "caption": both[0], "foil": both[1], "kind": "role"})
    file.write_text(json.dumps(rows))
    aspects = figures_of("caption_pairs", tmp_path, str(file))["aspects"]
    assert aspects["entity"] == {"pairs": 1, "lemmas": 1.0, "with_meaning": 1.0, "as_graphs": 1.0}
    assert aspects["modifier"] == {"pairs": 1, "lemmas": 0.0, "with_meaning": 1.0, "as_graphs": 1.0}
    assert aspects["none"] == {"pairs": 1, "lemmas": 0.0, "with_meaning": 0.0, "as_graphs": 0.0}
    # Both graphs have the same lemmas and triples, of nodes that are joined in another way.
    assert aspects["role"] == {"pairs": 1, "lemmas": 0.0, "with_meaning": 0.0, "as_graphs": 1.0}
    capsys.readouterr()
    file.write_text("")
    assert "the file is empty" in refusal_of("caption_pairs", [str(file)], capsys)
