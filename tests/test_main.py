import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ml_collections import ConfigDict
from typer.testing import CliRunner

from mcsan_jax import cli
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.errors import InputError
from mcsan_jax.evaluate_checkpoint import Wishes
from mcsan_jax.main import run
from mcsan_jax.workdir import Workdir
from tests.support import ROOT


def tiny(shapes: pathlib.Path, **train: object) -> ConfigDict:
    from configs import demo

    values = demo.get_config("tiny")
    values.data.dir = str(shapes)
    values.train.update(
        {"batch_size": 16, "epochs": 2, "evaluate_every_epochs": 1, "log_every_steps": 2, **train}
    )
    return values


@pytest.fixture(scope="module")
def config(shapes: pathlib.Path) -> Config:
    return from_config_dict(tiny(shapes))


@pytest.fixture(scope="module")
def finished(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Workdir:
    workdir = Workdir(tmp_path_factory.mktemp("run"))
    run(config, workdir, "train_and_eval")
    return workdir


def start_command(*arguments: str, folder: pathlib.Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mcsan_jax.main", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(*arguments: str, folder: pathlib.Path = ROOT) -> subprocess.CompletedProcess[str]:
    process = start_command(*arguments, folder=folder)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def test_a_run_leaves_results_that_say_how_they_came_about(finished: Workdir, config: Config) -> None:
    for split, videos in (("val", 6), ("test", 10)):
        result = json.loads((finished.folder / "eval" / f"{split}.json").read_text())
        assert result["videos"] == videos
        assert result["captions"] == 5 * videos
        assert set(result["directions"]) == {"global", "entity", "action", "relationship", "fused"}
        assert 0 <= result["rsum"] <= 600
        assert result["config"]["train.seed"] == config.train.seed
        assert result["versions"]["jax"]
        assert result["ties"] == "counted by expectation"
    assert set(result["compositional"]["fused"]) == {"entity", "action", "role"}


def test_evaluating_again_gives_the_same_figures(finished: Workdir, config: Config) -> None:
    before = (finished.folder / "eval" / "test.json").read_text()
    evaluations = run(config, finished, "eval", Wishes(save_scores=True))
    assert (finished.folder / "eval" / "test.json").read_text() == before
    assert evaluations["test"].rsum == json.loads(before)["rsum"]
    scores = np.load(finished.scores_file("test"), allow_pickle=False)
    assert scores.shape == (10, 50)
    own = scores[np.arange(50) // 5, np.arange(50)]
    best = np.mean(own[None] >= scores.max(axis=0))
    assert 100 * best == pytest.approx(evaluations["test"].directions["fused"]["t2v"]["R@1"])


def mcsan(*arguments: object) -> str:
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_evaluated_run_is_looked_at_compared_and_exported(
    finished: Workdir, tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished.folder, other)
    before = json.loads((other / "eval" / "test.json").read_text())
    mcsan("eval", other, "--split", "test", "--ablate", "--hubness")
    result = json.loads((other / "eval" / "test.json").read_text())
    assert [row["name"] for row in result.pop("ablation")][:2] == ["as trained", "only global"]
    assert [row["name"] for row in result.pop("hubness")][-1] == "DSL"
    for key in ("step", "intervals", "hubs", "densities", "attributes", "false_negatives", "config"):
        assert result[key] == before[key], key
    assert result["directions"].items() >= before["directions"].items()
    assert result["protocol"]["lines"][0].startswith("Protocol: moving shapes, split test: 10 videos")

    said = mcsan("compare", finished.folder, other)
    assert result["protocol"]["lines"][0] in said
    row = next(line for line in said.splitlines() if line.startswith("| T2V R@1"))
    assert "+0.00" in row and "1.0000" in row

    page = (other / "eval" / "test_report.html").read_text()
    assert "without relationship" in page and "QB-Norm" in page
    both = tmp_path / "both.html"
    assert f"written to {both}" in mcsan("report", finished.folder, other, "--out", both)
    assert finished.folder.name in both.read_text() and "other" in both.read_text()

    mcsan("export", other, "--out", tmp_path / "trec")
    names = {f"test_{direction}.{kind}" for direction in ("t2v", "v2t") for kind in ("qrels", "run")}
    assert {path.name for path in (tmp_path / "trec").iterdir()} == names

    with pytest.raises(InputError, match=r"no split 'dev' in the prepared data; it has test, train, val"):
        mcsan("eval", other, "--split", "dev")


def test_the_command_line_says_what_is_wrong(tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcsan_jax.cli", "report", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path} was never evaluated") and "Traceback" not in done.stderr


def test_a_run_of_another_configuration_is_refused(finished: Workdir, shapes: pathlib.Path) -> None:
    values = tiny(shapes)
    values.optim.learning_rate = 0.125
    with pytest.raises(InputError, match=r"optim\.learning_rate: 0\.005 there, 0\.125 now") as error:
        run(from_config_dict(values), finished, "train_and_eval")
    assert "train.epochs" not in str(error.value)


def test_evaluating_before_training_is_refused(config: Config, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="holds no evaluated checkpoint; train first"):
        run(config, Workdir(tmp_path), "eval")


def test_an_unknown_split_is_refused(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    values = tiny(shapes)
    values.data.validation_split = "dev"
    with pytest.raises(
        InputError, match=r"validation_split is 'dev', but the prepared data has test, train, val"
    ):
        run(from_config_dict(values), Workdir(tmp_path), "train_and_eval")


def test_the_command_trains_reports_and_survives_kill_9(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    arguments = (
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={shapes}",
        "--config.train.epochs=20",
        "--config.train.batch_size=16",
        "--config.train.evaluate_every_epochs=20",
        "--config.train.checkpoint_every_steps=6",
        # Compiles faster; what is tested here does not depend on it.
        "--config.model.levels=('global', 'entity')",
    )
    whole = command(*arguments, folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert "step 80/80  loss" in whole.stdout
    # The work folder has a default: the config's name.
    assert (tmp_path / "runs" / "demo_tiny" / "eval" / "test.json").is_file()

    killed = start_command(*arguments, f"--workdir={tmp_path}/killed", folder=tmp_path)
    while killed.poll() is None and not (tmp_path / "killed" / "checkpoints" / "18").exists():
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    resumed = command(*arguments, f"--workdir={tmp_path}/killed", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed from the checkpoint at step " in resumed.stdout
    tables = [output.split("split val")[1].split("written")[0] for output in (whole.stdout, resumed.stdout)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--config.optim.learning_rat=1",),
            "unknown config key in --config.optim.learning_rat: 'learning_rat' Did you mean \"learning_rate\"",
        ),
        (
            ("--config.model.context=lstm",),
            "config.model.context is 'lstm'; expected one of 'bigru', 'transformer'",
        ),
    ],
)
def test_a_wrong_key_or_value_ends_with_a_message(arguments: tuple[str, ...], message: str) -> None:
    result = command(f"--config={ROOT}/configs/demo.py", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_data_ends_with_what_to_do(tmp_path: pathlib.Path) -> None:
    result = command(f"--config={ROOT}/configs/msrvtt.py", folder=tmp_path)
    assert result.returncode == 2
    assert f"looked for manifest.json in {tmp_path}/data/msrvtt" in result.stderr
    assert "python -m data_pipeline.prepare --dataset=msrvtt --protocol=full" in result.stderr


def test_a_damaged_record_ends_with_its_file_and_number(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shapes, copy)
    (record_file,) = copy.glob("records/**/*train.tfrecord*")
    content = bytearray(record_file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    record_file.write_bytes(content)
    result = command(
        f"--config={ROOT}/configs/demo.py:tiny",
        f"--config.data.dir={copy}",
        "--config.train.batch_size=16",
        folder=tmp_path,
    )
    assert result.returncode == 2
    assert record_file.name in result.stderr
    assert "record" in result.stderr.lower()
    assert "Traceback" not in result.stderr
