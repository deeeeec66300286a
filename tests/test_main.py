"""Training and evaluation by the commands: what a run leaves, what is done with it, what is refused."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.manifest import Manifest
from mcsan_jax.evaluate_run import EvaluationOptions
from mcsan_jax.recipes.recipe_by_size import recipe_by_size
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import open_experiment
from mcsan_jax.sharding import make_mesh
from mcsan_jax.train_run import large_batch_note, train_run
from tests.support import ROOT
from tests.support.command_line import config_of, run_main, run_mcsan
from tests.support.fake_run import write_run
from tests.support.finished_run import SAID, arguments

DEMO = f"--config={ROOT}/configs/demo.py:tiny"
CONTEXTS = "config.model.context is 'lstm'; expected one of 'bigru', 'transformer'"


def start_command(*flags: str, module: str = "main", folder: pathlib.Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"mcsan_jax.{module}", *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def program(
    *flags: str, module: str = "main", folder: pathlib.Path = ROOT
) -> subprocess.CompletedProcess[str]:
    process = start_command(*flags, module=module, folder=folder)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def mcsan(*arguments: object) -> str:
    ended = run_mcsan(*arguments)
    assert ended.status == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def copied(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the run, to be changed."""
    return pathlib.Path(shutil.copytree(finished_run, tmp_path / "other"))


def result_of(run: pathlib.Path, split: str) -> dict[str, Any]:
    return dict(json.loads((run / "eval" / f"{split}.json").read_text()))


def test_a_run_leaves_results_that_say_how_they_came_about(finished_run: pathlib.Path) -> None:
    for split, videos in (("val", 6), ("test", 10)):
        result = result_of(finished_run, split)
        assert result["videos"] == videos
        assert result["captions"] == 5 * videos
        assert set(result["directions"]) == {"global", "entity", "action", "relationship", "linear", "fused"}
        assert 0 <= result["rsum"] <= 600
        assert result["config"]["train.seed"] == 7
        assert result["versions"]["jax"]
        assert result["ties"] == "counted by expectation"
    assert set(result["compositional"]["fused"]) == {"entity", "action", "role"}


def test_a_run_tells_which_splits_it_evaluates_and_what_the_linear_branch_gives(
    finished_run: pathlib.Path,
) -> None:
    said = (finished_run.parent / SAID).read_text(encoding="utf-8")
    assert "evaluating val, test\n" in said
    for split, told in zip(("val", "test"), said.split("Protocol: ")[1:], strict=True):
        lead = result_of(finished_run, split)["over_linear"]
        assert f"fused − linear, Rsum: {lead['rsum']:+.1f}; 95 %" in told
        rows = [line.split()[1] for line in told.splitlines() if line.startswith("| ")]
        assert rows[:7] == ["score", "global", "entity", "action", "relationship", "linear", "fused"]


@pytest.mark.parametrize(
    ("splits", "chosen"), [(("val", "other"), "val"), (("val", "test", "other"), "test")]
)
def test_every_reader_takes_the_same_split_and_says_which(
    splits: tuple[str, ...], chosen: str, tmp_path: pathlib.Path
) -> None:
    run = tmp_path / "run"
    for split in splits:
        write_run(run, split=split)
    for verb, words, file in (
        ("report", (), run / "eval" / f"{chosen}_report.html"),
        ("export", ("--to=trec", "--out", tmp_path / "trec"), tmp_path / "trec" / f"{chosen}_t2v.qrels"),
        ("compare", (run / "eval" / "..",), None),
    ):
        ended = run_mcsan(verb, run, *words)
        assert (ended.status, ended.stderr) == (0, f"split {chosen} (--split names another)\n"), verb
        assert file is None or file.is_file()
    card = mcsan("card", run) and (run / "model_card.md").read_text()
    [shown] = [line for line in card.splitlines() if line.startswith("| splits with results")]
    assert shown.split("|")[2].split(",")[0].strip() == chosen and len(shown.split(",")) == len(splits)


def test_stored_scores_give_the_stored_figures(finished_run: pathlib.Path) -> None:
    scores = np.load(RunFolder(finished_run).scores_file("test"), allow_pickle=False)
    assert scores.shape == (10, 50)
    own = scores[np.arange(50) // 5, np.arange(50)]
    best = np.mean(own[None] >= scores.max(axis=0))
    result = result_of(finished_run, "test")
    assert 100 * best == pytest.approx(result["directions"]["fused"]["t2v"]["R@1"])


def test_evaluating_again_gives_the_same_figures(
    shapes: pathlib.Path, copied: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The validation split alone: the other one is evaluated again below."""
    before = result_of(copied, "val")
    (copied / "eval" / "val.json").unlink()
    config = config_of(*arguments(shapes, copied))
    evaluations = train_run(config, RunFolder(copied), "eval", EvaluationOptions(["val"]))
    assert "trained" not in capsys.readouterr().out
    assert {split: evaluation.rsum for split, evaluation in evaluations.items()} == {"val": before["rsum"]}
    assert result_of(copied, "val") == before


def test_a_missing_test_split_ends_no_run(
    shapes: pathlib.Path, copied: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The run as if it had been trained on data with the splits train and val alone."""
    data = pathlib.Path(shutil.copytree(shapes, tmp_path / "data"))
    manifest = Manifest.load(data)
    splits = {name: summary for name, summary in manifest.splits.items() if name != "test"}
    dataclasses.replace(manifest, splits=splits).save(data)
    identity = json.loads((copied / "config.json").read_text())
    identity["data_fingerprint"] = Manifest.load(data).fingerprint
    (copied / "config.json").write_text(json.dumps(identity))
    before = result_of(copied, "val")
    shutil.rmtree(copied / "eval")
    ended = run_main(*arguments(data, copied), "--mode=eval")
    assert ended.status == 0, ended.stderr
    assert "the prepared data has no split 'test'" in ended.stdout
    assert not (copied / "eval" / "test.json").exists()
    assert result_of(copied, "val")["rsum"] == before["rsum"]


@pytest.mark.slow
def test_a_run_is_evaluated_from_its_folder_alone(finished_run: pathlib.Path, copied: pathlib.Path) -> None:
    before = result_of(copied, "test")
    mcsan("eval", copied, "--split", "test", "--ablate", "--save-scores")
    result = result_of(copied, "test")
    assert [row["name"] for row in result.pop("ablation")][:2] == ["as trained", "only global"]
    assert before.pop("ablation") == []
    # Parts of the score that only show what if are judged, too.
    for key in ("directions", "compositional"):
        assert result.pop(key).items() >= before.pop(key).items()
    [foils], [fewer] = (found.pop("foil_tests") for found in (result, before))
    for kind, same in zip(foils["kinds"], fewer["kinds"], strict=True):
        assert kind["scores"].items() >= same["scores"].items() and kind["words"] == same["words"]
    worst, earlier = ([row["query"] for row in found.pop("failure_cases")] for found in (result, before))
    assert worst == earlier and result == before
    name = "eval/test_scores.npy"
    assert (copied / name).read_bytes() == (finished_run / name).read_bytes()
    assert "without relationship" in (copied / "eval" / "test_report.html").read_text()

    refused = run_mcsan("eval", copied, "--split", "dev")
    assert refused.status == 2
    assert "no split 'dev' in the prepared data; it has test, train, val" in refused.stderr


def test_merging_duplicates_leaves_the_standard_results_alone(
    copied: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    before = {path.name: path.read_bytes() for path in (copied / "eval").iterdir()}
    said = mcsan("eval", copied, "--split", "test", "--merge-duplicates", "--save-scores")
    after = {path.name: path.read_bytes() for path in (copied / "eval").iterdir()}
    assert {name: after[name] for name in before} == before
    added = (
        "test.merged.json",
        "test.merged_foils.parquet",
        "test.merged_queries.parquet",
        "test.merged_report.html",
        "test.merged_scores.npy",
    )
    assert sorted(set(after) - set(before)) == sorted(added)
    assert "captions of the same text are one query" in said and f"{copied}/eval/test.merged.json" in said
    plain, merged = result_of(copied, "test"), result_of(copied, "test.merged")
    assert merged["merged_duplicates"] and not plain["merged_duplicates"]
    assert merged["protocol"]["duplicate_captions"] != plain["protocol"]["duplicate_captions"]
    assert np.load(copied / "eval" / "test.merged_scores.npy").shape == (10, merged["captions"])

    assert "(HGR's rule)" in mcsan("compare", copied, copied / "eval" / "..", "--merge-duplicates")
    mcsan("export", copied, "--to=trec", "--merge-duplicates", "--out", tmp_path / "trec")
    assert (tmp_path / "trec" / "test.merged_t2v.qrels").is_file()
    assert f"{copied}/eval/test.merged_report.html" in mcsan("report", copied, "--merge-duplicates")


def test_a_run_is_corrected_against_hubs(copied: pathlib.Path) -> None:
    before = result_of(copied, "val")
    mcsan("eval", copied, "--split", "val", "--hubness")
    result = result_of(copied, "val")
    assert [row["name"] for row in result.pop("hubness")][-1] == "DSL"
    assert before.pop("hubness") == []
    assert result == before
    assert "QB-Norm" in (copied / "eval" / "val_report.html").read_text()


def test_an_evaluated_run_is_compared_shown_and_exported(
    finished_run: pathlib.Path, copied: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    said = mcsan("compare", finished_run, copied)
    protocol = result_of(copied, "test")["protocol"]["lines"][0]
    assert protocol.startswith("Protocol: moving shapes, split test: 10 videos") and protocol in said
    row = next(line for line in said.splitlines() if line.startswith("| T2V R@1"))
    assert "+0.00" in row and "1.0000" in row

    both = tmp_path / "both.html"
    assert f"written to {both}" in mcsan("report", finished_run, copied, "--out", both)
    assert finished_run.name in both.read_text() and "other" in both.read_text()

    mcsan("export", copied, "--to=trec", "--out", tmp_path / "trec")
    names = {f"test_{direction}.{kind}" for direction in ("t2v", "v2t") for kind in ("qrels", "run")}
    assert {path.name for path in (tmp_path / "trec").iterdir()} == names


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("export", "--to=trec"), "trec/test_t2v.run"),
        (("export",), "model/config.json"),
        (("report",), "both.html"),
        (("card",), "card.md"),
    ],
)
def test_a_file_that_is_there_is_replaced_on_demand_alone(
    words: tuple[str, ...], name: str, finished_run: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / name
    out = file.parent if words[0] == "export" else file
    mcsan(*words, finished_run, "--out", out)
    written = file.read_bytes()
    other = written.replace(b"20", b"21")
    file.write_bytes(other)
    ended = run_mcsan(*words, finished_run, "--out", out)
    assert ended.status == 2 and "Traceback" not in ended.stderr
    *_, message = ended.stderr.splitlines()
    assert message.startswith("error: th") and f"already: {file.parent}" in message
    assert message.endswith("; choose another --out, or give --overwrite to replace what is there")
    assert file.read_bytes() == other
    mcsan(*words, finished_run, "--out", out, "--overwrite")
    assert file.read_bytes() == written


def test_splits_are_exported_side_by_side(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for split in ("val", "test"):
        mcsan("export", finished_run, "--to=trec", "--out", tmp_path, "--split", split)
    assert len(list(tmp_path.iterdir())) == 8


def test_a_run_of_another_configuration_is_refused(shapes: pathlib.Path, finished_run: pathlib.Path) -> None:
    ended = run_main(
        *arguments(shapes, finished_run), "--config.optim.learning_rate=0.125", "--config.data.cache=false"
    )
    assert ended.status == 2
    assert "optim.learning_rate: 0.005 there, 0.125 now" in ended.stderr
    assert "train.epochs" not in ended.stderr and "data.cache" not in ended.stderr


def test_evaluating_before_training_is_refused(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    ended = run_main(*arguments(shapes, tmp_path), "--mode=eval")
    assert ended.status == 2
    assert "holds no run" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--config.optim.learning_rat=1",),
            "Unknown command line flag 'config.optim.learning_rat'. Did you mean: config.optim.learning_rate ?",
        ),
        (("--config.model.context=lstm",), CONTEXTS),
        (("--mode=test",), "flag --mode=test: value should be one of <train_and_eval|train|eval>"),
        (("--process_count=2",), "--coordinator, --process_count and --process_index belong together"),
    ],
)
def test_wrong_flags_end_with_a_message(flags: tuple[str, ...], message: str) -> None:
    ended = run_main(DEMO, *flags)
    assert ended.status == 2
    assert ended.stderr.startswith("error: ") and message in ended.stderr


@pytest.mark.parametrize("key", ["train_split", "validation_split", "test_split"])
def test_an_unknown_split_is_refused(key: str, shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    ended = run_main(*arguments(shapes, tmp_path), f"--config.data.{key}=dev")
    assert ended.status == 2
    assert f"{key} is 'dev'; the prepared data has test, train, val" in ended.stderr


def test_steps_of_one_video_are_refused(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    ended = run_main(*arguments(shapes, tmp_path / "run"), "--config.train.batch_size=1")
    assert ended.status == 2
    assert "config.train.batch_size is 1, so that a step has one video" in ended.stderr
    assert "use 2 or more, such as --config.train.batch_size=60" in ended.stderr

    manifest = Manifest.load(shapes)
    alone = dataclasses.replace(manifest.splits["train"], videos=1)
    dataclasses.replace(manifest, splits={**manifest.splits, "train": alone}).save(tmp_path / "data")
    ended = run_main(*arguments(tmp_path / "data", tmp_path / "run"))
    assert ended.status == 2
    assert "split 'train' of the prepared data, which is trained on, has 1 video(s)" in ended.stderr
    assert not (tmp_path / "run").exists()


def test_a_batch_that_is_larger_than_the_training_split_is_told(finished_run: pathlib.Path) -> None:
    """Sixty videos on eight devices."""
    experiment, _ = open_experiment(RunFolder(finished_run))

    def note(batch_size: int) -> str | None:
        train = dataclasses.replace(experiment.config.train, batch_size=batch_size)
        config = dataclasses.replace(experiment.config, train=train)
        return large_batch_note(dataclasses.replace(experiment, config=config))

    assert note(16) is None and note(64) is None
    told = note(128)
    assert told is not None and told.startswith(
        "note: the batch has 128 rows and the training split 60 videos"
    )
    assert "--config.train.batch_size=64" in told


@pytest.mark.parametrize(("videos", "batch"), [(25, 32), (121, 128), (129, 72)])
def test_what_the_recipe_chooses_contradicts_no_note(
    videos: int, batch: int, finished_run: pathlib.Path
) -> None:
    experiment, _ = open_experiment(RunFolder(finished_run))
    training = dataclasses.replace(experiment.manifest.splits["train"], videos=videos)
    splits = {**experiment.manifest.splits, "train": training}
    manifest = dataclasses.replace(experiment.manifest, splits=splits)
    config, _ = recipe_by_size(config_of("--config=custom"), manifest)
    one_device = make_mesh(jax.devices()[:1])
    chosen = dataclasses.replace(experiment, config=config, manifest=manifest, mesh=one_device)
    assert config.train.batch_size == batch and large_batch_note(chosen) is None

    train = dataclasses.replace(config.train, batch_size=2 * videos)
    by_hand = dataclasses.replace(chosen, config=dataclasses.replace(config, train=train))
    told = large_batch_note(by_hand)
    assert told is not None and f"--config.train.batch_size={videos} " in told


def test_missing_data_ends_with_what_to_do(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run_main(f"--config={ROOT}/configs/msrvtt.py")
    assert ended.status == 2
    assert f"looked for manifest.json in {tmp_path}/data/msrvtt" in ended.stderr
    assert "python -m data_pipeline.prepare --dataset=msrvtt --protocol=full" in ended.stderr


def test_a_damaged_record_ends_with_its_file_and_number(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shapes, copy)
    (record_file,) = copy.glob("records/**/*train.tfrecord*")
    content = bytearray(record_file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    record_file.write_bytes(content)
    ended = run_main(*arguments(copy, tmp_path / "run"))
    assert ended.status == 2
    assert record_file.name in ended.stderr
    assert "record" in ended.stderr.lower()


@pytest.mark.parametrize(
    ("module", "flags", "message"),
    [
        ("main", (f"--config={ROOT}/configs/demo.py", "--config.model.context=lstm"), CONTEXTS),
        ("cli", ("report", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_the_programs_end_with_a_message(module: str, flags: tuple[str, ...], message: str) -> None:
    done = program(*flags, module=module)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_program_trains_reports_and_survives_kill_9(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    flags = (
        DEMO,
        f"--config.data.dir={shapes}",
        "--config.train.epochs=20",
        "--config.train.batch_size=16",
        "--config.train.evaluate_every_epochs=20",
        "--config.train.checkpoint_every_steps=6",
        # Compiles faster; what is tested here does not depend on it.
        "--config.model.levels=('global', 'entity')",
    )
    whole = program(*flags, folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert "step 80/80  loss" in whole.stdout
    # The work folder has a default: the config's name.
    assert (tmp_path / "runs" / "demo_tiny" / "eval" / "test.json").is_file()

    killed = start_command(*flags, f"--workdir={tmp_path}/killed", folder=tmp_path)
    while killed.poll() is None and not (tmp_path / "killed" / "checkpoints" / "18").exists():
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    resumed = program(*flags, f"--workdir={tmp_path}/killed", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed from the checkpoint at step " in resumed.stdout
    tables = [output.split("split val")[1].split("written")[0] for output in (whole.stdout, resumed.stdout)]
    assert tables[0] == tables[1]
