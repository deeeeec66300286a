from mcsan_jax.evaluation.tables import render_foils, render_table, render_variants
from mcsan_jax.ranking.rank_split import Evaluation


def figures(first: float, tied: float) -> dict[str, object]:
    t2v = {
        "R@1": first,
        "R@5": first + 20,
        "R@10": first + 30,
        "MedR": 4.0,
        "MnR": 17.25,
        "tied_fraction": 0.0,
    }
    v2t = {
        "R@1": first + 1,
        "R@5": first + 21,
        "R@10": 100.0,
        "MedR": 3.5,
        "MnR": 9.96,
        "tied_fraction": tied,
    }
    return {"t2v": t2v, "v2t": v2t, "rsum": 6 * first}


GOLDEN = """\
Protocol: demo, split test.
Queries: every caption.

| score  | T2V R@1 | T2V R@5 | T2V R@10 | MedR | MnR  | V2T R@1 | V2T R@5 | V2T R@10 | MedR | MnR  | Rsum  | tied % |
|--------|---------|---------|----------|------|------|---------|---------|----------|------|------|-------|--------|
| entity | 12.0    | 32.0    | 42.0     | 4.0  | 17.2 | 13.0    | 33.0    | 100.0    | 3.5  | 10.0 | 72.0  | 2.50   |
| fused  | 30.1    | 50.1    | 60.1     | 4.0  | 17.2 | 31.1    | 51.1    | 100.0    | 3.5  | 10.0 | 180.7 | 0.00   |
More than 1 % of the queries tie with a wrong answer; ties count by expectation."""


def test_golden_table() -> None:
    evaluation = Evaluation(
        videos=10,
        captions=35,
        directions={"fused": figures(30.12, 0.0), "entity": figures(12.0, 0.025)},
        compositional={},
        foils={},
    )
    assert render_table(evaluation, ["Protocol: demo, split test.", "Queries: every caption."]) == GOLDEN


FOILS = """\
True captions against foils of x.jsonl (1 question about 1 video), right in %:
| kind  | questions | chance | words alone | entity | fused | 95 %         |
|-------|-----------|--------|-------------|--------|-------|--------------|
| order | 1         | 20.0   | –           | 50.0   | 62.5  | 60.0 to 65.0 |
not asked: 2 questions about 2 videos that the split lacks (a, …)

not asked of y.tsv: 3 questions about 1 video that the split lacks (b)"""


def test_golden_table_of_foils() -> None:
    scores = {
        "fused": {"accuracy": 62.5, "interval": [60.0, 65.0]},
        "entity": {"accuracy": 50.0, "interval": [40.0, 60.0]},
    }
    order = {"kind": "order", "questions": 1, "chance": 20.0, "words": None, "scores": scores}
    asked = {
        "source": "x.jsonl",
        "questions": 1,
        "videos": 1,
        "absent": {"questions": 2, "videos": 2, "examples": ["a"]},
        "kinds": [order],
    }
    absent = {
        "source": "y.tsv",
        "questions": 0,
        "videos": 0,
        "absent": {"questions": 3, "videos": 1, "examples": ["b"]},
        "kinds": [],
    }
    assert render_foils([asked, absent]) == FOILS
    assert render_foils([]) == ""


def test_few_ties_are_not_mentioned() -> None:
    evaluation = Evaluation(10, 35, {"fused": figures(30.12, 0.01)}, {}, {})
    lines = render_table(evaluation, ["demo"]).splitlines()
    assert len(lines) == 5
    assert "1.00" in lines[4]
    assert len({len(line) for line in lines[2:]}) == 1


def test_intervals_stand_below() -> None:
    evaluation = Evaluation(10, 35, {"fused": figures(30.12, 0.01)}, {}, {})
    direction = {"R@1": [20.0, 40.04], "R@5": [1.0, 2.0], "R@10": [3.0, 4.0], "MedR": [2.0, 6.5]}
    intervals = {"t2v": direction, "v2t": direction, "rsum": [170.0, 190.0]}
    last = render_table(evaluation, ["demo"], {"intervals": intervals}).splitlines()[-1]
    assert "T2V R@1 20.0 to 40.0" in last and "V2T MedR 2.0 to 6.5" in last and "Rsum 170.0 to 190.0" in last


def test_the_linear_branch_stands_above_the_fused_score_and_the_lead_below() -> None:
    evaluation = Evaluation(10, 35, {"linear": figures(25.0, 0.0), "fused": figures(30.12, 0.0)}, {}, {})
    details = {"intervals": None, "over_linear": {"rsum": 30.72, "interval": [-4.04, 66.0]}}
    lines = render_table(evaluation, ["demo"], details).splitlines()
    assert [line.split()[1] for line in lines[4:6]] == ["linear", "fused"]
    assert lines[-1].startswith("fused − linear, Rsum: +30.7;") and lines[-1].endswith(": -4.0 to +66.0")
    without = Evaluation(10, 35, {"fused": figures(30.12, 0.0)}, {}, {})
    assert "linear" not in render_table(without, ["demo"], {**details, "over_linear": None})


def test_both_rules_for_the_same_text_are_told_where_they_differ() -> None:
    evaluation = Evaluation(10, 35, {"fused": figures(30.12, 0.0)}, {}, {})
    shared = {"queries": 7, "share": 20.0, "rsum_merged": 190.04, "rsum_apart": 180.72}
    last = render_table(evaluation, ["demo"], {"false_negatives": shared}).splitlines()[-1]
    assert last.startswith(
        "7 captions (20.0 %) are, word for word, also captions of another video; Rsum is 190.0 if"
    )
    assert last.endswith("180.7 if it is wrong")
    alike = {**shared, "rsum_merged": 180.7}
    assert "Rsum is" not in render_table(evaluation, ["demo"], {"false_negatives": alike})


def test_an_ablation_says_what_it_changed() -> None:
    rows = [
        {"name": name, **figures(first, 0.0)} for name, first in (("as trained", 30.0), ("only entity", 12.0))
    ]
    table = render_variants("ablation", rows).splitlines()
    assert table[2].split("|")[1].strip() == "as trained" and table[2].split("|")[-2].strip() == "+0.0"
    assert table[3].split("|")[-2].strip() == "-108.0"
