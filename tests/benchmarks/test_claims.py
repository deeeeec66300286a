"""The comparison of the whole model with what lacks a part of it, on runs that are made up."""

import contextlib
import dataclasses
import io
import json
import pathlib
import statistics

import pytest

from benchmarks.__main__ import main
from benchmarks.quality import claims
from tests.benchmarks.programs import refusal_of
from tests.benchmarks.small_comparison import SHORT, finish, rows_of

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def attributes(shift: float) -> dict[str, dict[str, dict[str, float]]]:
    return {
        level: {third: {"count": 4, "mAP": 50.0 + shift, "chance": 10.0} for third in ("frequent", "rare")}
        for level in ("entity", "action")
    }


@dataclasses.dataclass(frozen=True)
class Claimed:
    """All claims tested on finished runs.

    Attributes:
        out: folder of the result.
        words: of the command line.
        said, told: standard output and error output.
        rsums: of every seed, by model.
    """

    out: pathlib.Path
    words: list[str]
    said: str
    told: str
    rsums: dict[str, list[float]]


@pytest.fixture(scope="module")
def claimed(shapes: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Claimed:
    folder = tmp_path_factory.mktemp("claims")
    shared = (f"--config.data.dir={shapes}", *SHORT)
    models = {
        model.name: model
        for model in (*claims.ablation_models("demo-tiny", shared), *claims.focal_models("demo-tiny", shared))
    }
    rows = [
        {"name": name, "t2v": {}, "v2t": {}, "rsum": rsum}
        for name, rsum in (("as trained", 9.0), ("zero", 7.5))
    ]
    rsums: dict[str, list[float]] = {}
    for number, (name, model) in enumerate(models.items()):
        for seed in (0, 1):
            role = {"role": 60.0 + number + 2.0 * seed}
            levels = {} if name == "no_relationships" else {"relationship": role}
            record = {
                "attributes": attributes(number + 2.0 * seed),
                "ablation": rows,
                "compositional": {"fused": role, **levels},
                "foils": {"role": 1200},
            }
            run = folder / "demo-tiny" / name / f"seed{seed}"
            reached = finish(run, model.flags, shapes, seed, better=1 + number % 3, **record)
            rsums.setdefault(name, []).append(reached)
    words = ["claims", "demo-tiny", f"--data={shapes}", "--seeds=0,1", f"--out={folder}", "--", *SHORT]
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        main(words)
    return Claimed(folder / "demo-tiny", words, said.getvalue(), told.getvalue(), rsums)


EVERYTHING = ("full", *claims.ABLATIONS)


def test_all_claims_are_tested_against_the_whole_model(claimed: Claimed) -> None:
    # The whole model has one of the nine pairs of γ and α.
    assert len(claimed.rsums) == len(EVERYTHING) + 8
    assert claimed.told.count("is finished") == 2 * len(claimed.rsums)
    written = json.loads((claimed.out / "claims.json").read_text())
    assert (written["benchmark"], written["arguments"]["base"]) == ("claims", "demo-tiny")
    content = written["figures"]
    focal = {"full", *claimed.rsums} - set(claims.ABLATIONS)
    for part, names in (("ablations", set(EVERYTHING)), ("focal", focal)):
        models = {model["name"]: model for model in content[part]["models"]}
        assert set(models) == names
        for name, model in models.items():
            assert model["rsum"] == pytest.approx(statistics.fmean(claimed.rsums[name]))
        tests = {test["model"]: test for test in content[part]["tests"]}
        assert set(tests) == names - {"full"}
        for name, test in tests.items():
            assert test["other"] == "full"
            assert test["difference"] == pytest.approx(models[name]["rsum"] - models["full"]["rsum"])
        [of_role] = content[part]["foil_tests"].values()
        assert {test["model"] for test in of_role} == names - {"full"}
        assert all(test["other"] == "full" for test in of_role)
    assert content["foils"]["full"] == {"role": {"fused": [60.0, 62.0], "relationship": [60.0, 62.0]}}
    assert content["foils"]["no_relationships"] == {"role": {"fused": [61.0, 63.0]}}
    assert content["attributes"]["full"] == {
        level: {third: [50.0, 52.0] for third in ("frequent", "rare")} for level in ("entity", "action")
    }
    assert content["fusion"] == [
        {"name": "as trained", "rsums": [9.0, 9.0], "changes": [0.0, 0.0]},
        {"name": "zero", "rsums": [7.5, 7.5], "changes": [-1.5, -1.5]},
    ]


def test_the_tables_show_the_figures(claimed: Claimed) -> None:
    said = claimed.said
    assert (claimed.out / "claims.md").read_text() == said
    ablations, focal = (said[said.index(title) :] for title in ("## Parts left out in", "## Focal"))
    for text, names in ((ablations, EVERYTHING), (focal, [*claimed.rsums][len(EVERYTHING) :])):
        found = rows_of(text, "model")
        assert set(names) <= set(found)
        for name in names:
            rsum = statistics.fmean(claimed.rsums[name])
            assert found[name][found["model"].index("Rsum")] == f"{rsum:.1f}"
    tests = rows_of(ablations, "difference of Rsum")
    assert len(tests) == len(EVERYTHING) and "plain_bce − full" in tests
    precision = rows_of(said, "average precision, %")
    assert precision["average precision, %"] == [
        f"{level}, {third}" for level in ("entity", "action") for third in ("frequent", "rare")
    ]
    assert precision["full"] == ["51.0 ± 1.4"] * 4
    assert precision["chance"] == ["10.0"] * 4
    foils = rows_of(said, "role")
    assert foils["role foils (1,200), accuracy in %"] == ["fused", "relationship"]
    assert foils["full"] == ["61.0 ± 1.4"] * 2
    assert foils["no_relationships"] == ["62.0 ± 1.4", "–"]
    of_role = rows_of(said, "difference of accuracy on role foils")
    better, lower, p, _ = of_role["no_relationships − full"]
    # Split val has six videos, and two of the 64 ways to swap them are as far from zero.
    assert float(better) > 0 and not lower.startswith("-") and float(p) == pytest.approx(2 / 64, abs=0.01)
    assert rows_of(said, "score")["zero"] == ["7.5 ± 0.0", "-1.5 ± 0.0"]
    assert "full has γ 2 and α 0.5." in said


def test_some_claims_need_only_their_runs(claimed: Claimed, capsys: pytest.CaptureFixture[str]) -> None:
    own, flags = claimed.words[:5], claimed.words[5:]
    main([*own, "--parts=fusion", *flags])
    assert capsys.readouterr().err.count("is finished") == 2
    main([*own, "--parts=ablations", "--ablations=plain_bce", *flags])
    assert capsys.readouterr().err.count("is finished") == 4


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal_of("claims", ["demo-tiny", "--parts=all"], capsys)
    assert "expected some of ablations, focal, fusion" in message
    message = refusal_of("claims", ["demo-tiny", "--ablations=no_bce"], capsys)
    assert "--ablations=no_bce: expected some of no_relationships, no_divergence" in message
    assert "experiment 'imagenet' is unknown; expected one of demo" in refusal_of(
        "claims", ["imagenet"], capsys
    )
