"""The comparisons with peers and with ablations: real programs on a small data set, most runs of which are made up."""

import dataclasses
import json
import pathlib
import re
import shlex
import statistics
import types

import pytest
from typer.testing import CliRunner

from benchmarks import claims, quality
from benchmarks.baselines import evaluate_ridge
from benchmarks.seed_statistics import PairedTest, Summary
from benchmarks.trained_runs import Model, ModelRuns, train_all
from data_pipeline.manifest import Manifest
from mcsan_jax import cli
from mcsan_jax.errors import InputError
from mcsan_jax.report.results import read_runs
from tests.support import ROOT
from tests.support.benchmark_programs import run_benchmark
from tests.support.finished_runs import SECONDS, finish

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

SHORT = ("--config.train.epochs=1", "--config.train.batch_size=16", "--config.data.test_split=")
PEER = "dual_encoder"


def rows_of(text: str, first: str) -> dict[str, list[str]]:
    """Cells of the Markdown table whose head begins with a word, by the first cell of each row."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} "))
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return {cells[0]: cells[1:] for cells in [table[0], *table[2:]]}


def flags_of(config: str, data: pathlib.Path) -> list[str]:
    return [f"--config={config}", f"--config.data.dir={data}", *SHORT]


def words_of(data: pathlib.Path, out: pathlib.Path, *more: str) -> list[str]:
    own = [str(data), "--mcsan=configs/demo.py:tiny", f"--peers={PEER}", "--seeds=0,1", f"--out={out}", *more]
    return [*own, "--", *SHORT]


def make_ours(data: pathlib.Path, out: pathlib.Path, better: int = 4) -> list[float]:
    flags = flags_of("configs/demo.py:tiny", data)
    return [finish(out / "mcsan" / f"seed{seed}", flags, data, seed, better) for seed in (0, 1)]


def make_peer(data: pathlib.Path, out: pathlib.Path, seed: int) -> float:
    flags = flags_of(f"configs/peers/{PEER}.py:demo-tiny", data)
    return finish(out / PEER / f"seed{seed}", flags, data, seed)


@pytest.fixture(scope="module")
def compared(shapes: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str, str]:
    """One run of a peer is trained, all others are finished; the folder, and what the program said."""
    out = tmp_path_factory.mktemp("quality")
    make_ours(shapes, out)
    make_peer(shapes, out, seed=1)
    done = run_benchmark("quality", *words_of(shapes, out))
    return out, done.stdout, done.stderr


def test_what_is_missing_is_trained_and_all_is_compared(
    compared: tuple[pathlib.Path, str, str], shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out, said, told = compared
    assert re.search(rf"run 1 of 4: \S+{PEER}/seed0$", told, re.MULTILINE)
    assert told.count("is finished") == 3
    assert "trained " in told and "ridge regression, penalty" in told

    ours = make_ours(shapes, tmp_path)
    trained = json.loads((out / PEER / "seed0" / "eval" / "val.json").read_text())
    peer = [trained["rsum"], make_peer(shapes, tmp_path, seed=1)]
    ridge = evaluate_ridge(shapes, "val", None)[1].rsum
    table = rows_of(said, "model")
    assert list(table) == ["model", "ridge", PEER, "mcsan"]
    columns = table["model"]
    for name, rsums in (("ridge", [ridge]), (PEER, peer), ("mcsan", ours)):
        row = dict(zip(columns, table[name], strict=True))
        mean = statistics.fmean(rsums)
        assert row["seeds"] == str(len(rsums))
        assert row["Rsum"] == f"{mean:.1f}"
        assert row["sd"] == (f"{statistics.stdev(rsums):.1f}" if len(rsums) > 1 else "–")
        assert row["/ ridge"] == f"{mean / ridge:.2f}"
        assert row["/ best peer"] == f"{mean / max(ridge, statistics.fmean(peer)):.2f}"
        recalls = [float(cell) for column, cell in row.items() if " R@" in column]
        assert len(recalls) == 6 and sum(recalls) == pytest.approx(mean, abs=0.31)
        low, high = map(float, row["95 % interval"].split(" to "))
        assert low <= mean + 0.05 and mean - 0.05 <= high
        assert row["minutes"] == "–" if name == "ridge" else float(row["minutes"]) >= 0
    assert dict(zip(columns, table["mcsan"], strict=True))["minutes"] == f"{SECONDS / 60:.1f}"
    assert {f"mcsan − {name}" for name in ("ridge", PEER)} < set(rows_of(said, "difference of Rsum"))
    assert "machine: " in said and "versions: python" in said and trained["data_fingerprint"] in said
    assert "OPTIMISTIC for what was trained" in said


def test_the_files_hold_what_was_printed(compared: tuple[pathlib.Path, str, str]) -> None:
    out, said, _ = compared
    assert (out / "quality.md").read_text() == said
    content = json.loads((out / "quality.json").read_text())
    assert [model["name"] for model in content["models"]] == ["ridge", PEER, "mcsan"]
    assert content["seeds"] == [0, 1] and content["split"] == "val"
    assert content["versions"]["jax"] and content["machine"].startswith("machine: ")
    rsums = {model["name"]: model["rsum"] for model in content["models"]}
    verdict = content["verdict"]
    best = max(("ridge", PEER), key=lambda name: rsums[name])
    assert verdict["best_peer"] == best
    assert verdict["ratio"] == pytest.approx(rsums["mcsan"] / rsums[best])
    assert not verdict["reached"] and "not reached." in said
    for test in content["tests"]:
        assert test["difference"] == pytest.approx(rsums["mcsan"] - rsums[test["other"]])
        assert 0 < test["p"] <= test["p_holm"] <= 1
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_finished_comparison_is_only_read(
    compared: tuple[pathlib.Path, str, str], shapes: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, said, _ = compared
    before = {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.parent != out
    }
    quality.main(words_of(shapes, out))
    again = capsys.readouterr()
    assert again.err.count("is finished") == 4 and "ridge" not in again.err
    assert before == {path: path.stat().st_mtime_ns for path in before}
    shown = [text[: text.index("machine: ")] + text[text.index("\n\n|") :] for text in (said, again.out)]
    assert shown[0] == shown[1]


def test_ridge_is_compared_like_a_run(compared: tuple[pathlib.Path, str, str]) -> None:
    out, _, _ = compared
    runs = [str(out / "ridge"), str(out / PEER / "seed0")]
    done = CliRunner().invoke(cli.app, ["compare", *runs, "--split", "val"], catch_exceptions=False)
    assert done.exit_code == 0
    assert rows_of(done.output, "metric").keys() >= {"T2V R@1", "V2T mAP", "Rsum"}


def test_a_trained_model_is_scored_in_other_ways(
    compared: tuple[pathlib.Path, str, str], shapes: pathlib.Path
) -> None:
    [run] = read_runs([compared[0] / PEER / "seed0"], "val")
    model = ModelRuns(PEER, "", [run], None)
    rows = claims.ablated(model, "val", shapes)
    names = ["as trained", "only global", "missing levels count as zero"]
    assert [row["name"] for row in rows][:3] == names
    assert rows[0]["rsums"] == [run.evaluation["rsum"]] and rows[0]["changes"] == [0]
    before = (run.folder / "eval" / "val.json").stat().st_mtime_ns
    [again] = read_runs([run.folder], "val")
    assert claims.ablated(ModelRuns(PEER, "", [again], None), "val", shapes) == rows
    assert (run.folder / "eval" / "val.json").stat().st_mtime_ns == before


def fails(words: list[str], capsys: pytest.CaptureFixture[str], program: types.ModuleType = quality) -> str:
    with pytest.raises(SystemExit) as ended:
        program.main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_run_of_another_configuration_is_refused_before_any_training(
    shapes: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ours(shapes, tmp_path)
    words = [*words_of(shapes, tmp_path), "--config.optim.learning_rate=0.125"]
    error = fails(words, capsys)
    assert "mcsan/seed0 holds a run of another configuration" in error
    assert "optim.learning_rate: 0.005 there, 0.125 now" in error
    assert [path.name for path in tmp_path.iterdir()] == ["mcsan"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--peers=dual_encoder,clip"],
            "expected different ones of dual_encoder, dual_encoder_pretrained, hgr",
        ),
        (["--mcsan=configs/sizes.py"], "say with --base"),
        (["--mcsan=configs/demo.py:huge"], "size 'huge' of config 'demo' is unknown"),
        (["--split=dev"], "no split 'dev' in"),
        (["--seeds=0,0"], "expected different numbers from 0 on, such as 0,1,2, found '0,0'"),
        (["--jobs=0"], "expected 1 or more, found '0'"),
        (["--", "--config.train.seed=3"], "--config.train.seed=3: --seeds decides that"),
        (["--", "--mode=train"], "--mode=train: expected --config.GROUP.FIELD=VALUE"),
        (["--", "--config.train.epoch=3"], 'Did you mean "epochs"'),
        (["--", "--config.model.context=lstm"], "config.model.context is 'lstm'"),
    ],
)
def test_wrong_arguments_are_explained(
    words: list[str],
    message: str,
    shapes: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(shapes), "--mcsan=configs/demo.py:tiny", f"--out={tmp_path}", *words]
    assert message in fails(given, capsys)
    assert not list(tmp_path.iterdir())


def test_absent_data_are_not_made(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No prepared data set in" in fails(words_of(tmp_path / "no", tmp_path), capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("jobs", "place"),
    [pytest.param(1, "above", id="one at a time"), pytest.param(2, "in ", id="side by side")],
)
def test_a_failing_training_is_named(
    jobs: int, place: str, shapes: pathlib.Path, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = flags_of("configs/demo.py:tiny", shapes)
    finish(tmp_path / "good" / "seed0", flags, shapes, 0)
    # With two at a time the second begins beside the one that fails, so that it is a finished one.
    second = "next" if jobs == 1 else "good"
    models = [Model("mcsan", (*flags, "--config.similarity.kernel=pallas")), Model(second, tuple(flags))]
    with pytest.raises(InputError) as failed:
        train_all(models, (0,), "val", tmp_path, jobs)
    command, ended = str(failed.value).split(" ended with status 2; its message stands ")
    assert "mcsan_jax.main --config=configs/demo.py:tiny " in command and ended.startswith(place)
    log = tmp_path / "mcsan" / "seed0.log"
    message = log.read_text() if jobs > 1 else capfd.readouterr().err
    assert "error: config.similarity.kernel is 'pallas'" in message
    assert log.exists() == (str(log) in ended) == (jobs > 1)
    assert not (tmp_path / "next").exists()


def test_models_of_different_data_are_refused(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in shapes.iterdir():
        (other / path.name).symlink_to(path)
    (other / "manifest.json").unlink()
    dataclasses.replace(Manifest.load(shapes), dataset="renamed").save(other)
    models = [
        Model(name, tuple(flags_of("configs/demo.py:tiny", data)))
        for name, data in (("a", shapes), ("b", other))
    ]
    with pytest.raises(InputError, match="are to have different data"):
        train_all(models, (0,), "val", tmp_path / "out")


def attributes(shift: float) -> dict[str, dict[str, dict[str, float]]]:
    return {
        level: {third: {"mAP": 50.0 + shift, "chance": 10.0} for third in ("frequent", "rare")}
        for level in ("entity", "action")
    }


def test_all_claims_are_tested_against_the_whole_model(
    shapes: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = (f"--config.data.dir={shapes}", *SHORT)
    models = {
        model.name: model
        for model in (*claims.ablation_models("demo-tiny", shared), *claims.focal_models("demo-tiny", shared))
    }
    # The whole model has one of the nine pairs of γ and α.
    assert len(models) == 1 + len(claims.ABLATIONS) + 8
    rows = [
        {"name": name, "t2v": {}, "v2t": {}, "rsum": rsum}
        for name, rsum in (("as trained", 9.0), ("zero", 7.5))
    ]
    rsums: dict[str, list[float]] = {}
    for number, (name, model) in enumerate(models.items()):
        for seed in (0, 1):
            folder = tmp_path / "demo-tiny" / name / f"seed{seed}"
            role = {"role": 60.0 + number + 2.0 * seed}
            levels = {} if name == "no_relationships" else {"relationship": role}
            record = {
                "attributes": attributes(number + 2.0 * seed),
                "ablation": rows,
                "compositional": {"fused": role, **levels},
                "foils": {"role": 1200},
            }
            rsums.setdefault(name, []).append(
                finish(folder, model.flags, shapes, seed, better=1 + number % 3, **record)
            )
    words = ["demo-tiny", f"--data={shapes}", "--seeds=0,1", f"--out={tmp_path}", "--", *SHORT]
    claims.main(words)
    told = capsys.readouterr()
    assert told.err.count("is finished") == 2 * len(models)
    ablations, focal = (told.out[told.out.index(title) :] for title in ("## Parts left out in", "## Focal"))
    everything = ("full", *claims.ABLATIONS)
    for text, names in ((ablations, everything), (focal, [*models][len(everything) :])):
        found = rows_of(text, "model")
        assert set(names) <= set(found)
        for name in names:
            assert found[name][found["model"].index("Rsum")] == f"{statistics.fmean(rsums[name]):.1f}"
    tests = rows_of(ablations, "difference of Rsum")
    assert len(tests) == 1 + len(claims.ABLATIONS) and "plain_bce − full" in tests
    precision = rows_of(told.out, "average precision, %")
    assert precision["average precision, %"] == [
        f"{level}, {third}" for level in ("entity", "action") for third in ("frequent", "rare")
    ]
    assert precision["full"] == ["51.0 ± 1.4"] * 4
    assert precision["chance"] == ["10.0"] * 4
    foils = rows_of(told.out, "role")
    assert foils["role foils (1,200), accuracy in %"] == ["fused", "relationship"]
    assert foils["full"] == ["61.0 ± 1.4"] * 2
    assert foils["no_relationships"] == ["62.0 ± 1.4", "–"]
    assert rows_of(told.out, "score")["zero"] == ["7.5 ± 0.0", "-1.5 ± 0.0"]
    assert "full has γ 2 and α 0.5." in told.out
    content = json.loads((tmp_path / "demo-tiny" / "claims.json").read_text())
    assert len(content["focal"]["models"]) == 9 and len(content["focal"]["tests"]) == 8
    assert content["foils"]["full"] == {"role": {"fused": [60.0, 62.0], "relationship": [60.0, 62.0]}}
    assert (tmp_path / "demo-tiny" / "claims.md").read_text() == told.out

    claims.main([*words[:4], "--parts=fusion", *words[4:]])
    assert capsys.readouterr().err.count("is finished") == 2
    claims.main([*words[:4], "--parts=ablations", "--ablations=plain_bce", *words[4:]])
    assert capsys.readouterr().err.count("is finished") == 4
    assert "expected some of ablations, focal, fusion" in fails([*words[:1], "--parts=all"], capsys, claims)
    wrong = fails([*words[:1], "--ablations=no_bce"], capsys, claims)
    assert "--ablations=no_bce: expected some of no_relationships, no_divergence" in wrong
    assert "no experiment 'imagenet'" in fails(["imagenet"], capsys, claims)


def test_ridge_of_other_data_is_refused(
    compared: tuple[pathlib.Path, str, str], shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    out, _, _ = compared
    folder = tmp_path / "ridge"
    (folder / "eval").mkdir(parents=True)
    for name in ("val.json", "val_queries.parquet"):
        (folder / "eval" / name).write_bytes((out / "ridge" / "eval" / name).read_bytes())
    record = json.loads((folder / "eval" / "val.json").read_text())
    (folder / "eval" / "val.json").write_text(json.dumps({**record, "data_fingerprint": "another"}))
    with pytest.raises(InputError, match="was fitted on other data than"):
        quality.fit_ridge(shapes, Manifest.load(shapes), "val", tmp_path)
    with pytest.raises(InputError, match=r"no split 'dev' in .*; it has test, train, val"):
        evaluate_ridge(shapes, "dev", None)


def test_the_commands_in_the_docs_parse() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    shown = re.findall(r"^python -m benchmarks\.(quality|claims) (.*)$", text, re.MULTILINE)
    assert {name for name, _ in shown} == {"quality", "claims"}
    for name, rest in shown:
        arguments, overrides = {"quality": quality, "claims": claims}[name].parse(shlex.split(rest))
        assert arguments.seeds
        if name == "quality":
            assert quality.models_of(arguments, overrides)[-1].name == "mcsan"
        else:
            assert claims.ablation_models(arguments.base, overrides)


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
