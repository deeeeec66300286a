"""The comparison of the losses on attributes, on runs that are made up."""

import json
import pathlib

import pytest

from benchmarks.__main__ import main
from benchmarks.quality import losses
from benchmarks.quality.trained_runs import Model
from data_pipeline.errors import InputError
from tests.benchmarks.programs import refusal_of
from tests.benchmarks.small_comparison import SHORT, finish, rows_of

# ml_collections loads config files in a way that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def test_each_loss_is_taken_at_its_best_weight(
    shapes: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = (
        f"--config={losses.CONFIGS / 'ablations.py'}:full:demo-tiny",
        f"--config.data.dir={shapes}",
        *SHORT,
    )
    weighted = losses.weighted_models(shared, (0.1, 1.0))
    better = {("focal", 0.1): 1, ("focal", 1.0): 3, ("plain", 0.1): 4, ("plain", 1.0): 2}
    rsums = {
        key: finish(tmp_path / "demo-tiny" / model.name / "seed0", model.flags, shapes, 0, better[key])
        for key, model in weighted.items()
    }
    second = [losses.none_model(shared), weighted["focal", 1.0], weighted["plain", 0.1]]
    models = [*second, *losses.divergence_models(weighted["plain", 0.1])]
    for model in models:
        for seed in (0, 1):
            folder = tmp_path / "demo-tiny" / model.name / f"seed{seed}"
            if not folder.is_dir():
                finish(folder, model.flags, shapes, seed, 4 if model.name == "plain_0.1" else 0)

    words = [
        "demo-tiny",
        f"--data={shapes}",
        "--seeds=0,1",
        "--weights=0.1,1",
        f"--out={tmp_path}",
        "--",
        *SHORT,
    ]
    main(["losses", *words])
    said = capsys.readouterr()
    assert said.err.count("is finished") == 4 + 2 * len(models)
    found = rows_of(said.out, "loss at weight")
    assert found["focal"] == [f"{rsums['focal', weight]:.1f}" for weight in (0.1, 1.0)]
    content = json.loads((tmp_path / "demo-tiny" / "losses.json").read_text())["figures"]
    forms = [second[-1], *models[len(second) :]]
    for part, compared, first in (("losses", second, "none"), ("forms", forms, "plain_0.1")):
        assert [model["name"] for model in content[part]["models"]] == [model.name for model in compared]
        assert [(test["model"], test["other"]) for test in content[part]["tests"]] == [
            (model.name, first) for model in compared[1:]
        ]
    told = said.out[said.out.index("## The divergence") :]
    assert "plain_0.1_kl_symmetric_4" in rows_of(told, "model")
    assert (tmp_path / "demo-tiny" / "losses.md").read_text() == said.out

    def fail(best: Model) -> list[Model]:
        raise InputError("what follows fails")

    monkeypatch.setattr(losses, "divergence_models", fail)
    assert "what follows fails" in refusal_of("losses", words, capsys)
    content = json.loads((tmp_path / "demo-tiny" / "losses.json").read_text())["figures"]
    assert [model["name"] for model in content["losses"]["models"]] == [model.name for model in second]
    assert "forms" not in content


def test_what_is_compared_is_not_set_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["demo-tiny", "--", "--config.loss.focal_gamma=1"]
    assert "--config.loss.focal_gamma=1: the losses on attributes are what is compared" in refusal_of(
        "losses", words, capsys
    )
    words = ["demo-tiny", "--weights=0,1"]
    assert "--weights: expected different numbers above 0" in refusal_of("losses", words, capsys)
