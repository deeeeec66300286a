"""Runs that a comparison trains or only reads, on a small data set."""

import dataclasses
import json
import pathlib
import re

import pytest

from benchmarks.quality import claims
from benchmarks.quality.trained_runs import Model, ModelRuns, train_all
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.report.results import read_runs
from tests.benchmarks.programs import refusal_of, started
from tests.benchmarks.small_comparison import PEER, finish, flags_of, make_ours, make_peer, words_of

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


@pytest.fixture(scope="module")
def trained(shapes: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    """A comparison by the program, which trained one run of a peer and fitted ridge regression; and what it told."""
    out = tmp_path_factory.mktemp("trained")
    make_ours(shapes, out)
    make_peer(shapes, out, seed=1)
    return out, started("quality", *words_of(shapes, out)).stderr


@pytest.mark.slow
def test_what_is_missing_is_trained(trained: tuple[pathlib.Path, str]) -> None:
    out, told = trained
    assert re.search(rf"run 1 of 4: \S+{PEER}/seed0$", told, re.MULTILINE)
    assert told.count("is finished") == 3
    assert "trained " in told and "ridge regression, share of words" in told
    content = json.loads((out / "quality.json").read_text())["figures"]
    rsums = {model["name"]: model["rsums"] for model in content["models"]}
    for name, seeds in (("ridge", ["."]), (PEER, ["seed0", "seed1"]), ("mcsan", ["seed0", "seed1"])):
        records = [json.loads((out / name / seed / "eval" / "val.json").read_text()) for seed in seeds]
        assert rsums[name] == [record["rsum"] for record in records]
    metrics = (out / PEER / "seed0" / "metrics.jsonl").read_text().splitlines()
    assert any(json.loads(line)["kind"] == "train" for line in metrics)


@pytest.mark.slow
def test_a_trained_model_is_scored_in_other_ways(
    trained: tuple[pathlib.Path, str], shapes: pathlib.Path
) -> None:
    [run] = read_runs([trained[0] / PEER / "seed0"], "val")
    model = ModelRuns(PEER, "", [run], None)
    rows = claims.ablated(model, "val", shapes)
    names = ["as trained", "only global", "missing levels count as zero"]
    assert [row["name"] for row in rows][:3] == names
    assert rows[0]["rsums"] == [run.record.rsum] and rows[0]["changes"] == [0]
    before = (run.folder / "eval" / "val.json").stat().st_mtime_ns
    [again] = read_runs([run.folder], "val")
    assert claims.ablated(ModelRuns(PEER, "", [again], None), "val", shapes) == rows
    assert (run.folder / "eval" / "val.json").stat().st_mtime_ns == before


def test_a_run_of_another_configuration_is_refused_before_any_training(
    shapes: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ours(shapes, tmp_path)
    words = [*words_of(shapes, tmp_path), "--config.optim.learning_rate=0.125"]
    error = refusal_of("quality", words, capsys)
    assert "mcsan/seed0 holds a run of another configuration" in error
    assert "optim.learning_rate: 0.005 there, 0.125 now" in error
    assert [path.name for path in tmp_path.iterdir()] == ["mcsan"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--peers=dual_encoder,clip"],
            "expected different ones of dual_encoder, hgr, hgr_info_nce",
        ),
        (["--mcsan=configs/sizes.py"], "say with --base"),
        (["--mcsan=configs/demo.py:huge"], "size 'huge' of config 'demo' is unknown"),
        (["--split=dev"], "no split 'dev' in"),
        (["--seeds=0,0"], "expected different numbers from 0 on, such as 0,1, found '0,0'"),
        (["--jobs=0"], "Invalid value for '--jobs': Input should be greater than or equal to 1"),
        (["--", "--config.train.seed=3"], "--config.train.seed=3: --seeds decides that"),
        (["--", "--mode=train"], "--mode=train: expected --config.GROUP.FIELD=VALUE"),
        (["--", "--config.train.epoch=3"], "Did you mean: config.train.epochs"),
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
    assert message in refusal_of("quality", given, capsys)
    assert not list(tmp_path.iterdir())


def test_absent_data_are_not_made(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No prepared data set in" in refusal_of("quality", words_of(tmp_path / "no", tmp_path), capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("jobs", "place"),
    [
        pytest.param(1, "above", id="one at a time", marks=pytest.mark.slow),
        pytest.param(2, "in ", id="side by side"),
    ],
)
def test_a_failing_training_is_named(
    jobs: int, place: str, shapes: pathlib.Path, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = flags_of("configs/demo.py:tiny", shapes)
    finish(tmp_path / "good" / "seed0", flags, shapes, 0)
    # With two at a time the second begins beside the one that fails, so that it is a finished one.
    second = "next" if jobs == 1 else "good"
    models = [Model("mcsan", (*flags, "--config.train.micro_batches=3")), Model(second, tuple(flags))]
    with pytest.raises(InputError) as failed:
        train_all(models, (0,), "val", tmp_path, jobs)
    command, ended = str(failed.value).split(" ended with status 2; its message stands ")
    assert "mcsan_jax.main --config=configs/demo.py:tiny " in command and ended.startswith(place)
    log = tmp_path / "mcsan" / "seed0.log"
    message = log.read_text() if jobs > 1 else capfd.readouterr().err
    assert "error: config.train.micro_batches" in message
    assert log.exists() == (str(log) in ended) == (jobs > 1)
    assert not (tmp_path / "next").exists()


def test_a_run_whose_patience_ran_out_is_not_trained_on(
    shapes: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*flags_of("configs/demo.py:tiny", shapes), "--config.train.patience=1"]
    folder = tmp_path / "mcsan" / "seed0"
    stopped = "stopped after step 4 of 8: 1 evaluation without a better one"
    rsum = finish(folder, flags, shapes, 0, early_stop=stopped)
    curves = folder / "metrics.jsonl"
    curves.write_text("".join(curves.read_text().splitlines(keepends=True)[:6]))
    made, _ = train_all([Model("mcsan", tuple(flags))], (0,), "val", tmp_path)
    assert [run.record.rsum for run in made[0].runs] == [rsum]
    assert f"run 1 of 1: {folder} is finished" in capsys.readouterr().err


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
