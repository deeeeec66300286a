"""The comparison with peers and ridge regression, on runs that are made up."""

import contextlib
import dataclasses
import io
import json
import pathlib
import shutil
import statistics
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.quality import quality
from benchmarks.quality.baselines import evaluate_ridge
from benchmarks.quality.seed_statistics import PairedTest, Summary
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax import cli
from tests.benchmarks.programs import figures_of
from tests.benchmarks.small_comparison import PEER, make_ours, make_peer, rows_of, words_of
from tests.support.fake_run import SECONDS

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


@dataclasses.dataclass(frozen=True)
class Compared:
    """A comparison of finished runs: its folder, what was printed, and the Rsums of every seed by model."""

    out: pathlib.Path
    said: str
    rsums: dict[str, list[float]]

    @property
    def written(self) -> Any:
        return json.loads((self.out / "quality.json").read_text())

    @property
    def content(self) -> Any:
        return self.written["figures"]


@pytest.fixture(scope="module")
def compared(shapes: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    out = tmp_path_factory.mktemp("quality")
    ours, peer = make_ours(shapes, out), [make_peer(shapes, out, seed) for seed in (0, 1)]
    ridge = evaluate_ridge(shapes, "val", out / "ridge")[1].rsum
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(["quality", *words_of(shapes, out)])
    return Compared(out, said.getvalue(), {"ridge": [ridge], PEER: peer, "mcsan": ours})


def test_all_models_are_compared(compared: Compared) -> None:
    written, content = compared.written, compared.content
    assert written["arguments"]["seeds"] == "0,1" and written["arguments"]["split"] == "val"
    assert content["versions"]["jax"] and written["machine"].startswith("machine: ")
    assert [model["name"] for model in content["models"]] == list(compared.rsums)
    for model in content["models"]:
        rsums = compared.rsums[model["name"]]
        assert model["rsums"] == pytest.approx(rsums)
        assert model["rsum"] == pytest.approx(statistics.fmean(rsums))
        assert len(model["recalls"]) == 6 and sum(model["recalls"].values()) == pytest.approx(model["rsum"])
        low, high = model["interval"]
        assert low <= model["rsum"] <= high
        if model["name"] == "ridge":
            assert model["deviation"] is model["minutes"] is None
        else:
            assert model["deviation"] == pytest.approx(statistics.stdev(rsums))
            assert model["minutes"] == pytest.approx(SECONDS / 60)


def test_the_verdict_is_about_the_best_peer(compared: Compared) -> None:
    content = compared.content
    rsums = {model["name"]: model["rsum"] for model in content["models"]}
    verdict = content["verdict"]
    best = max(("ridge", PEER), key=lambda name: rsums[name])
    assert verdict["best_peer"] == best
    assert verdict["ratio"] == pytest.approx(rsums["mcsan"] / rsums[best])
    assert not verdict["reached"] and "not reached." in compared.said
    assert {test["other"] for test in content["tests"]} == {"ridge", PEER}
    for test in content["tests"]:
        assert test["difference"] == pytest.approx(rsums["mcsan"] - rsums[test["other"]])
        assert 0 < test["p"] <= test["p_holm"] <= 1


def test_the_tables_show_the_figures(compared: Compared) -> None:
    content, said = compared.content, compared.said
    assert (compared.out / "quality.md").read_text() == said
    assert not [path for path in compared.out.iterdir() if path.name.startswith(".")]
    table = rows_of(said, "model")
    assert list(table) == ["model", *compared.rsums]
    best = max(model["rsum"] for model in content["models"][:-1])
    for model in content["models"]:
        rsum, several = model["rsum"], len(model["rsums"]) > 1
        assert dict(zip(table["model"], table[model["name"]], strict=True)) == {
            "seeds": str(len(model["rsums"])),
            **{name: f"{value:.1f}" for name, value in model["recalls"].items()},
            "Rsum": f"{rsum:.1f}",
            "sd": f"{model['deviation']:.1f}" if several else "–",
            "95 % interval": "{:.1f} to {:.1f}".format(*model["interval"]),
            "minutes": f"{model['minutes']:.1f}" if several else "–",
            "/ ridge": f"{rsum / content['models'][0]['rsum']:.2f}",
            "/ best peer": f"{rsum / best:.2f}",
        }
    differences = rows_of(said, "difference of Rsum")
    for test in content["tests"]:
        assert differences[f"mcsan − {test['other']}"] == [
            f"{test['difference']:+.1f}",
            f"{test['low']:+.1f} to {test['high']:+.1f}",
            f"{test['p']:.4f}",
            f"{test['p_holm']:.4f}",
        ]
    assert "machine: " in said and "versions: python" in said and content["data_fingerprint"] in said
    assert "OPTIMISTIC for what was trained" in said


def test_a_finished_comparison_is_only_read(
    compared: Compared, shapes: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, said = compared.out, compared.said
    before = {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.parent != out
    }
    main(["quality", *words_of(shapes, out)])
    again = capsys.readouterr()
    assert again.err.count("is finished") == 4 and "ridge" not in again.err
    assert before == {path: path.stat().st_mtime_ns for path in before}
    shown = [text[: text.index("machine: ")] + text[text.index("\n\n|") :] for text in (said, again.out)]
    assert shown[0] == shown[1]


def test_ridge_is_compared_like_a_run(compared: Compared, tmp_path: pathlib.Path) -> None:
    copy = shutil.copytree(compared.out / "ridge", tmp_path / "again")
    runs = [str(compared.out / "ridge"), str(copy)]
    done = CliRunner().invoke(cli.app, ["compare", *runs, "--split", "val"], catch_exceptions=False)
    assert done.exit_code == 0
    assert rows_of(done.output, "metric").keys() >= {"T2V R@1", "V2T mAP", "Rsum"}


def test_ridge_is_fitted_by_a_command(
    compared: Compared, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    found = figures_of("baselines", tmp_path, str(shapes), "--split=val")
    assert found["rsum"] == pytest.approx(compared.rsums["ridge"][0])
    assert (found["split"], found["videos"]) == ("val", 6) and 0 <= found["words_share"] <= 1
    recalls = [found[way][f"R@{k}"] for way in ("t2v", "v2t") for k in (1, 5, 10)]
    assert found["rsum"] == pytest.approx(sum(recalls))


def test_ridge_of_other_data_is_refused(
    compared: Compared, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "ridge"
    (folder / "eval").mkdir(parents=True)
    for name in ("val.json", "val_queries.parquet"):
        (folder / "eval" / name).write_bytes((compared.out / "ridge" / "eval" / name).read_bytes())
    record = json.loads((folder / "eval" / "val.json").read_text())
    (folder / "eval" / "val.json").write_text(json.dumps({**record, "data_fingerprint": "another"}))
    with pytest.raises(InputError, match="was fitted on other data than"):
        quality.fit_ridge(shapes, Manifest.load(shapes), "val", tmp_path)
    with pytest.raises(InputError, match=r"no split 'dev' in .*; it has test, train, val"):
        evaluate_ridge(shapes, "dev", None)


@pytest.mark.parametrize(
    ("ours", "p", "reached"),
    [(300.0, 0.0099, True), (260.0, 0.001, True), (259.9, 0.001, False), (300.0, 0.01, False)],
)
def test_the_lead_is_reached_over_the_best_peer_and_for_sure(ours: float, p: float, reached: bool) -> None:
    rsums = {"ridge": 150.0, "hgr": 200.0, "dual_encoder": 190.0, "mcsan": ours}
    summaries = [
        Summary(name, "", [rsum], {}, rsum, None, (rsum, rsum), None) for name, rsum in rsums.items()
    ]
    tests = [
        PairedTest("mcsan", name, 0.0, 0.0, 0.0, 0.0, p if name == "hgr" else 1.0)
        for name in list(rsums)[:-1]
    ]
    found = quality.verdict(summaries, tests)
    assert (found["best_peer"], found["p_holm"], found["reached"]) == ("hgr", p, reached)
