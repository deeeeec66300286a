"""The model card of a run that was really trained: every fact is one of its files'."""

import dataclasses
import json
import pathlib
import re
import shlex
import shutil
from typing import Any

import pytest

from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.card.model_card import write_card
from mcsan_jax.config import EvaluationConfig
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import open_experiment
from mcsan_jax.runs.stored_config import flatten
from mcsan_jax.training.experiment import parameter_count
from tests.support.command_line import config_of, run_mcsan
from tests.support.fake_run import write_run
from tests.support.finished_run import arguments

COMPONENTS = ("fused", "global", "entity", "action", "relationship")


@pytest.fixture
def run(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy, to be damaged."""
    return pathlib.Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture(scope="module")
def card(finished_run: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("card") / "card.md"
    assert run_mcsan("card", finished_run, "--out", out) == (0, f"written to {out}\n", "")
    return out.read_text(encoding="utf-8")


def section(card: str, title: str) -> str:
    [body] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    return body


def cells(text: str, name: str) -> list[str]:
    """The cells of the one row that begins with a name."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    [found] = [row[1:] for row in rows if row[0] == name]
    return found


def result(run: pathlib.Path, split: str) -> dict[str, Any]:
    return dict(json.loads((run / "eval" / f"{split}.json").read_text()))


def change(path: pathlib.Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_data_and_features_are_those_of_the_manifest(card: str, shapes: pathlib.Path) -> None:
    manifest = Manifest.load(shapes)
    data = section(card, "Data")
    assert cells(data, "data set") == ["moving_shapes"]
    assert cells(data, "fingerprint of the prepared data") == [manifest.fingerprint]
    uses = {"train": "training", "val": "choosing the checkpoint, results", "test": "results"}
    for split, summary in manifest.splits.items():
        counts = [f"{count:,}" for count in (summary.videos, summary.captions, summary.foils)]
        assert cells(data, split) == [*counts, uses[split]]
    for stream in manifest.streams:
        regions = str(stream.regions) if stream.regions else "–"
        assert cells(section(card, "Features"), stream.name) == [
            stream.kind,
            str(stream.dim),
            regions,
            stream.source,
        ]
    text = section(card, "Text")
    assert cells(text, "tokenizer") == [f"unigram, {manifest.tokenizer.size} tokens"]
    assert cells(text, "pretrained encoder") == ["none"]
    assert all(str(value) in cells(text, "parser")[0] for value in manifest.parser.values())


def test_parameters_are_those_of_the_checkpoint(card: str, finished_run: pathlib.Path) -> None:
    experiment, _ = open_experiment(RunFolder(finished_run))
    state = experiment.initial_state()
    assert cells(card.partition("## ")[0], "parameters") == [f"{parameter_count(state):,}"]


def test_the_training_is_told(card: str) -> None:
    training = section(card, "Training")
    assert cells(training, "seed") == ["7"]
    assert cells(training, "batch") == ["16 videos with 1 caption(s) each"]
    assert cells(training, "steps") == ["8"]


def test_the_command_is_the_one_that_was_given(
    card: str, finished_run: pathlib.Path, shapes: pathlib.Path
) -> None:
    [line] = [line for line in section(card, "Training").splitlines() if line.startswith("python -m")]
    assert f"```text\n{line}\n```" in card
    python, minus_m, module, *given = shlex.split(line)
    assert (python, minus_m, module) == ("python", "-m", "mcsan_jax.main")
    assert given == arguments(shapes, pathlib.Path(RunFolder(finished_run).identity()["command"][-1][10:]))
    assert flatten(config_of(*given)) == flatten(RunFolder(finished_run).stored_config())


def test_a_run_of_an_earlier_version_has_no_command(run: pathlib.Path) -> None:
    content = json.loads((run / "config.json").read_text())
    del content["command"]
    (run / "config.json").write_text(json.dumps(content))
    training = section(write_card(run).read_text(), "Training")
    assert "python -m" not in training
    assert "does not say by which command it was trained" in training
    assert "`config.json` in the run has every field" in training


def test_an_evaluation_with_merged_duplicates_is_told_apart(run: pathlib.Path) -> None:
    merging = dataclasses.replace(
        RunFolder(run).stored_config(), evaluation=EvaluationConfig(merge_duplicates=True)
    )
    before = write_card(run).read_text()
    write_run(run, config=merging, fingerprint=RunFolder(run).identity()["data_fingerprint"])
    told = write_card(run).read_text()
    assert section(told, "Results on split test") == section(before, "Results on split test")
    rsum = RunFolder(run).read_record("test", merged=True).rsum
    merged = section(told, "Results on split test, duplicates merged")
    assert cells(merged, "Rsum, both directions")[0].startswith(f"{rsum:.1f} [")
    assert "Split test, duplicates merged has 12 videos" in section(told, "Limits")


@pytest.mark.parametrize("split", ["val", "test"])
def test_figures_are_those_of_the_evaluation(card: str, finished_run: pathlib.Path, split: str) -> None:
    found, told = result(finished_run, split), section(card, f"Results on split {split}")
    for line in found["protocol"]["lines"]:
        assert f"- {line}" in told
    fused, intervals = found["directions"]["fused"], found["intervals"]
    low, high = intervals["rsum"]
    assert cells(told, "Rsum, both directions") == [f"{found['rsum']:.1f} [{low:.1f}, {high:.1f}]", "–"]
    for metric in ("R@1", "R@10", "mAP"):
        expected = [
            f"{fused[way][metric]:.1f} [{intervals[way][metric][0]:.1f}, {intervals[way][metric][1]:.1f}]"
            for way in ("t2v", "v2t")
        ]
        assert cells(told, metric) == expected
    levels = re.split("True caption|Mean average", told[told.index("Each score") :])[0]
    for component in COMPONENTS:
        assert cells(levels, component)[1] == f"{found['directions'][component]['rsum']:.1f}"
    for level, thirds in found["attributes"].items():
        for third, figures in thirds.items():
            row = f"{level} {third} {figures['count']} {figures['mAP']:.1f} {figures['chance']:.1f}"
            assert row in re.sub(r"[ |]+", " ", told)


def test_foils_are_told_where_there_are_some(card: str, finished_run: pathlib.Path) -> None:
    found, told = result(finished_run, "test"), section(card, "Results on split test")
    for kind, count in found["foils"].items():
        foils = told[told.index("True caption") : told.index("Mean average precision")]
        accuracies = [f"{found['compositional'][component][kind]:.1f}" for component in COMPONENTS]
        row = cells(foils, kind)
        assert row[:2] == [f"{count:,}", "50.0"] and row[3].startswith(f"{accuracies[0]} [")
        assert row[4:8] == accuracies[1:5]
    assert "True caption" not in section(card, "Results on split val")


def test_limits_follow_from_the_files(card: str, finished_run: pathlib.Path) -> None:
    told = section(card, "Limits")
    assert "The figures of split val are optimistic: split val itself chose the checkpoint" in told
    assert "The figures of split test are optimistic" not in told
    assert "does not have the counts of moving shapes" in told
    assert "Split val has 6 videos: one of them is 16.67 points" in told
    low, high = result(finished_run, "val")["intervals"]["rsum"]
    assert f"the 95 % interval of Rsum is {high - low:.1f} wide" in told
    assert "One seed (7)" in told and "best of 2 evaluations" in told
    ties = result(finished_run, "test")["directions"]["fused"]["v2t"]["tied_fraction"]
    assert f"{ties:.2%} video to text" in told
    assert "a parser for English" in told


def test_what_a_run_cannot_know_of_licences_is_to_be_filled_in(card: str, run: pathlib.Path) -> None:
    assert "none needed" in cells(section(card, "Licences of the inputs"), "captions and features")[0]
    assert "fill in" not in card
    change(run / "config.json", **{"data.dir": str(run / "nowhere")})
    told = section(write_card(run).read_text(), "Licences of the inputs")
    for kind in ("captions", "features"):
        assert cells(told, kind)[0].startswith("UNKNOWN to the run, fill in")


def test_a_pretrained_encoder_is_told_and_counted_where_it_is(run: pathlib.Path) -> None:
    change(
        run / "config.json",
        **{
            "model.context": "pretrained",
            "model.pretrained": str(run / "encoder"),
            "optim.pretrained_learning_rate": 2e-5,
        },
    )
    content = write_card(run).read_text()
    assert cells(section(content, "Text"), "pretrained encoder") == [
        f"{run / 'encoder'}, learning at 2e-05 after 50% of the training"
    ]
    [parameters] = cells(content.partition("## ")[0], "parameters")
    assert parameters.startswith("not counted: ") and str(run / "encoder") in parameters
    [licence] = cells(section(content, "Licences of the inputs"), "pretrained text encoder")
    assert licence.startswith("UNKNOWN to the run, fill in")
    change(run / "config.json", **{"model.pretrained": "minilm", "optim.pretrained_learning_rate": 0.0})
    content = write_card(run).read_text()
    assert "Apache-2.0" in cells(section(content, "Licences of the inputs"), "pretrained text encoder")[0]
    assert cells(section(content, "Text"), "pretrained encoder") == ["minilm, as it was published"]


def test_without_the_data_the_card_says_so(run: pathlib.Path, shapes: pathlib.Path) -> None:
    change(run / "config.json", **{"data.dir": str(run / "nowhere")})
    path = write_card(run)
    assert path == run / "model_card.md" and not list(run.glob(".*"))
    content = path.read_text()
    fingerprint = result(run, "val")["data_fingerprint"]
    assert f"(fingerprint {fingerprint}) was not found" in section(content, "Data")
    assert "## Features" not in content and "parameters" not in content
    assert "Rsum, both directions" in content
    assert "| train | 60" in re.sub(" +", " ", write_card(run, data=shapes).read_text())


def test_other_data_is_not_taken_for_the_runs(run: pathlib.Path, shapes: pathlib.Path) -> None:
    change(run / "config.json", data_fingerprint="0" * 64)
    assert "was not found" in section(write_card(run).read_text(), "Data")
    with pytest.raises(InputError, match=r"is not the data of this run: its fingerprint is .*--data"):
        write_card(run, data=shapes)


def test_a_name_is_no_markup(run: pathlib.Path) -> None:
    change(run / "config.json", name="one of <b>my|own</b>")
    assert write_card(run).read_text().startswith("# Model card: one of &lt;b>my\\|own&lt;/b>\n")


def test_what_is_no_evaluated_run_is_refused(run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"absent holds no run: there is no config\.json"):
        write_card(tmp_path / "absent")
    figures_alone = write_run(tmp_path / "figures alone")
    (figures_alone / "config.json").unlink()
    with pytest.raises(InputError, match="holds no run"):
        write_card(figures_alone)
    with pytest.raises(InputError, match=r"a folder that exists; give another --out"):
        write_card(run, out=run)
    shutil.rmtree(run / "eval")
    with pytest.raises(InputError, match="was never evaluated; do so with: mcsan eval"):
        write_card(run)
    assert not (run / "model_card.md").exists()


def test_the_command_line_says_what_is_wrong(tmp_path: pathlib.Path) -> None:
    ended = run_mcsan("card", tmp_path)
    assert ended.status == 2
    assert ended.stderr.startswith(f"error: {tmp_path} holds no run")
