import importlib
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.derived.bases import BASES
from configs.sizes import SIZES
from mcsan_jax.config import Config, flatten, from_config_dict
from mcsan_jax.errors import InputError
from mcsan_jax.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.scoring.attribute_losses import focal_binary_cross_entropy
from tests.support import ROOT

SCRIPT = ROOT / "launch" / "ablations.sh"
ABLATIONS = sorted(
    path.stem for path in (ROOT / "configs" / "ablations").glob("*.py") if path.stem != "__init__"
)

CHANGES: dict[str, dict[str, object]] = {
    "full": {},
    "no_divergence": {"loss.divergence_weight": 0.0},
    "no_attribute_loss": {"loss.attribute_weight": 0.0},
    "plain_bce": {"loss.focal_gamma": 0.0, "loss.attribute_weight": 0.2},
    "separate_projections": {"model.share_attribute_projection": False},
    "no_relationships": {"model.levels": (GLOBAL, ENTITY, ACTION)},
    "zero_missing_levels": {"similarity.missing_levels": "zero"},
}


def config_of(ablation: str, base: str) -> Config:
    return from_config_dict(importlib.import_module(f"configs.ablations.{ablation}").get_config(base))


def test_every_ablation_and_every_experiment_is_there() -> None:
    assert set(CHANGES) == set(ABLATIONS)
    experiments = {path.stem for path in (ROOT / "configs").glob("*.py")} - {
        "__init__",
        "sizes",
        "pretrained_text",
    }
    assert set(BASES) == experiments


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablation_changes_what_it_says_and_nothing_else(ablation: str, base: str) -> None:
    before = flatten(from_config_dict(BASES[base].get_config()))
    after = flatten(config_of(ablation, base))
    assert {key: after[key] for key in after if after[key] != before[key]} == {
        "name": f"ablations/{base}/{ablation}",
        **CHANGES[ablation],
    }


@pytest.mark.parametrize("base", BASES)
def test_every_run_of_every_size_has_a_folder_of_its_own(base: str) -> None:
    names = [config_of(ablation, f"{base}-{size}").name for ablation in ABLATIONS for size in SIZES]
    assert len(set(names)) == len(ABLATIONS) * len(SIZES)
    assert config_of("full", f"{base}-tiny").model.width == SIZES["tiny"]["width"]


def test_plain_binary_cross_entropy_has_the_weight_of_the_focal_one() -> None:
    plain, full = (config_of(ablation, "msrvtt").loss for ablation in ("plain_bce", "full"))
    logits = jax.random.normal(jax.random.key(0), (4, 7)) * 3
    labels = np.asarray(jax.random.bernoulli(jax.random.key(1), 0.3, (4, 7)))
    found = plain.attribute_weight * focal_binary_cross_entropy(
        logits, jnp.asarray(labels), plain.focal_alpha, plain.focal_gamma
    )
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    wanted = full.attribute_weight * -np.where(labels, np.log(p), np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_command_line_reads_an_ablation() -> None:
    program = (
        "from absl import app\nfrom ml_collections import config_flags\n"
        "config = config_flags.DEFINE_config_file('config')\n"
        "show = lambda _: print(config.value.name, config.value.loss.divergence_weight, config.value.train.epochs)\n"
        "app.run(show)"
    )
    file = ROOT / "configs" / "ablations" / "no_divergence.py"
    arguments = [f"--config={file}:msrvtt_1ka-tiny", "--config.train.epochs=3"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["ablations/msrvtt_1ka-tiny/no_divergence", "0.0", "3"], done.stderr


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("imagenet", "configs/ablations/full.py: no experiment 'imagenet'; expected one of demo, msrvtt"),
        ("", "no experiment ''"),
        ("demo-huge", "size 'huge' of config 'demo'"),
        ("demo-", "size '' of config 'demo'"),
    ],
)
def test_an_unknown_experiment_or_size(base: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        config_of("full", base)


def sweep(
    folder: pathlib.Path, *arguments: str, failing: str = "-"
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Runs the script with a Python that notes its arguments and fails at one config; returns what it noted."""
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(
        '#!/usr/bin/env bash\nprintf "%s\\n" "$*" >> calls\n'
        f'if [[ "$*" == *"/{failing}.py"* ]]; then exit 3; fi\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    done = subprocess.run(
        [str(SCRIPT), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    calls = folder / "calls"
    return done, [line.split() for line in calls.read_text().splitlines()] if calls.exists() else []


def test_all_ablations_are_trained_one_after_the_other(tmp_path: pathlib.Path) -> None:
    done, calls = sweep(tmp_path, "demo-tiny", "--config.train.epochs=1", "--mode=train")
    assert done.returncode == 0, done.stderr
    configs = [call[2] for call in calls]
    assert configs[0] == f"--config={ROOT}/configs/ablations/full.py:demo-tiny"
    assert sorted(configs) == [f"--config={ROOT}/configs/ablations/{name}.py:demo-tiny" for name in ABLATIONS]
    for call in calls:
        assert call[:2] == ["-m", "mcsan_jax.main"]
        assert call[3:] == ["--config.train.epochs=1", "--mode=train"]
    assert done.stdout.splitlines()[0] == "ablation 1 of 7: full of demo-tiny"
    assert done.stdout.splitlines()[-1] == "all ablations of demo-tiny are in runs/ablations/demo-tiny"


def test_the_first_failure_ends_the_sweep(tmp_path: pathlib.Path) -> None:
    done, calls = sweep(tmp_path, "demo", failing="no_attribute_loss")
    assert done.returncode == 3
    assert "ablation no_attribute_loss of demo failed with status 3" in done.stderr
    assert [call[2].rsplit("/", 1)[1] for call in calls] == [
        "full.py:demo",
        "no_divergence.py:demo",
        "no_attribute_loss.py:demo",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "BASE is the name of an experiment"),
        (["--config=configs/demo.py"], "BASE is the name of an experiment"),
        (["demo", "--config=configs/demo.py"], "give BASE and no --config"),
        (["demo", "--workdir=runs/x"], "give no --workdir"),
    ],
)
def test_wrong_arguments_print_the_usage(arguments: list[str], message: str, tmp_path: pathlib.Path) -> None:
    done, calls = sweep(tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage: launch/ablations.sh BASE" in done.stderr
    assert message in done.stderr
    assert not calls
