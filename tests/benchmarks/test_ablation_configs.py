"""What an ablation does to the network, its loss and its scores, and the script that trains all of them."""

import functools
import os
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.levels import LEVELS, NODE_LEVELS
from mcsan_jax.config import Config, SimilarityConfig, defaults, from_config_dict
from mcsan_jax.config_files import config_names, config_of_flags
from mcsan_jax.configs import ablations
from mcsan_jax.configs.derived import BASES
from mcsan_jax.configs.sizes import SIZES
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet, ScoringParameters
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.runs.stored_config import flatten
from mcsan_jax.scoring.loss_formulas import focal_binary_cross_entropy
from mcsan_jax.scoring.multi_level import score
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.objective import make_objective
from tests.support import ROOT
from tests.support.tiny_model import SHAPE, random_batch
from tests.support.tiny_model import SIZES as BATCH_SIZES

SCRIPT = ROOT / "launch" / "ablations.sh"
ABLATIONS = sorted(ablations.ablations_of(defaults()))


def config_of(ablation: str, base: str) -> Config:
    return from_config_dict(ablations.get_config(f"{ablation}:{base}"))


def traced(config: Config) -> tuple[Any, tuple[Encoding, Encoding], set[str]]:
    """Shapes of the parameters and of both encodings, and the names of the terms of the loss."""
    return _traced(
        Config(data=BATCH_SIZES, model=config.model, similarity=config.similarity, loss=config.loss)
    )


@functools.cache
def _traced(config: Config) -> tuple[Any, tuple[Encoding, Encoding], set[str]]:
    model, batch = MCSAN(config, SHAPE), random_batch(4)
    objective = make_objective(config, make_mesh(jax.devices()[:1]))

    def encode_and_compare(variables: Any) -> tuple[Any, Any]:
        videos, texts, parameters = model.apply(variables, batch)
        return (videos, texts), objective(videos, texts, parameters, batch, None)[1]

    variables = jax.eval_shape(model.init, jax.random.key(0), batch)
    sides, terms = jax.eval_shape(encode_and_compare, variables)
    return variables["params"], sides, set(terms)


def lacks_terms(kind: str) -> Callable[[Config, Config], bool]:
    """Whether exactly the terms of this kind are gone from the loss, of all levels that the network has."""

    def shows(config: Config, whole: Config) -> bool:
        del whole
        _, (_, texts), terms = traced(config)
        kinds = {"fbce", "kl"} - {kind}
        return terms == {"ranking"} | {f"{one}/{level}" for one in kinds for level in texts.attribute_logits}

    return shows


def has_plain_cross_entropy(config: Config, whole: Config) -> bool:
    """Whether attributes cost the binary cross-entropy, with the weight of the focal one."""
    logits = jax.random.normal(jax.random.key(0), (4, 7)) * 3
    labels = np.asarray(jax.random.bernoulli(jax.random.key(1), 0.3, (4, 7)))
    loss = config.loss
    costs = focal_binary_cross_entropy(logits, jnp.asarray(labels), loss.focal_alpha, loss.focal_gamma)
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    plain = -np.where(labels, np.log(p), np.log(1 - p)).sum(axis=1)
    found, wanted = loss.focal_weight * np.asarray(costs), whole.loss.focal_weight * plain
    return np.allclose(found, wanted, rtol=1e-5)


def has_separate_projections(config: Config, whole: Config) -> bool:
    """Whether captions have parameters of their own from embeddings to attributes, like those of videos."""
    shared, own = traced(whole)[0], dict(traced(config)[0])
    added = [own.pop(name) for name in set(own) - set(shared)]
    return own == shared and added == [shared["attribute_projector"]]


def has_no_relationships(config: Config, whole: Config) -> bool:
    """Whether one level is gone from both sides and from the loss, and all others are there."""
    del whole
    _, sides, terms = traced(config)
    levels = [level for level in LEVELS if level != "relationship"]
    return not any("relationship" in term for term in terms) and all(
        list(side.embeddings.levels) == levels and set(side.attribute_logits) == set(levels[1:])
        for side in sides
    )


def has_one_level(config: Config, whole: Config) -> bool:
    """Whether captions and videos are one vector each, without nodes, attributes or a term for them."""
    del whole
    _, sides, terms = traced(config)
    others = [term for term in terms if any(level in term for level in NODE_LEVELS)]
    return not others and all(
        list(side.embeddings.levels) == ["global"] and not side.attribute_logits for side in sides
    )


def missing_levels_are_zero(config: Config, whole: Config) -> bool:
    """Whether a caption without nodes has only its share of the score of the video that is like it."""
    del whole
    found = _score_without_nodes(config.similarity)
    assert found == pytest.approx(0.25) or found == pytest.approx(1)
    return found < 0.5


def has_no_linear_branch(config: Config, whole: Config) -> bool:
    """Whether neither side has vectors of a linear branch."""
    assert all(side.linear is not None for side in traced(whole)[1])
    return all(side.linear is None for side in traced(config)[1])


@functools.cache
def _score_without_nodes(similarity: SimilarityConfig) -> float:
    nothing = NodeSet(jnp.ones((1, 2, 4)), jnp.zeros((1, 2), bool))
    side = Encoding(LevelEmbeddings(jnp.ones((1, 4)), dict.fromkeys(NODE_LEVELS, nothing)), {})
    weights = dict.fromkeys(LEVELS, jnp.float32(0.25))
    return float(score(side, side, ScoringParameters(weights, jnp.float32(1)), similarity).fused[0, 0])


EFFECTS: dict[str, Callable[[Config, Config], bool]] = {
    "no_attribute_loss": lacks_terms("fbce"),
    "no_divergence": lacks_terms("kl"),
    "no_linear_branch": has_no_linear_branch,
    "no_relationships": has_no_relationships,
    "only_global": has_one_level,
    "plain_bce": has_plain_cross_entropy,
    "separate_projections": has_separate_projections,
    "zero_missing_levels": missing_levels_are_zero,
}
CHANGED_FIELDS = {
    "no_attribute_loss": {"loss.focal_weight"},
    "no_divergence": {"loss.divergence_weight"},
    "no_linear_branch": {"similarity.linear_branch"},
    "no_relationships": {"model.levels"},
    "only_global": {"model.levels"},
    "plain_bce": {"loss.focal_weight", "loss.focal_gamma", "loss.focal_alpha"},
    "separate_projections": {"model.share_attribute_projection"},
    "zero_missing_levels": {"similarity.missing_levels"},
}
"""What an ablation may change; to which value, its effect tells."""
INCLUDED = {"only_global": ("no_attribute_loss", "no_divergence")}
"""The effects that an ablation has beside its own: without nodes there are no attributes."""


def test_every_ablation_and_every_experiment_is_there() -> None:
    assert {"full", *EFFECTS} == set(ABLATIONS)
    assert {"ablations", "peers", *BASES} == set(config_names())


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablation_has_its_own_effect_and_no_other(ablation: str, base: str) -> None:
    config, whole = (config_of(name, f"{base}-tiny") for name in (ablation, "full"))
    effects = [name for name, shows in EFFECTS.items() if shows(config, whole)]
    assert effects == [name for name in EFFECTS if name in (ablation, *INCLUDED.get(ablation, ()))]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_all_else_is_that_of_the_experiment(ablation: str, base: str) -> None:
    before = flatten(from_config_dict(BASES[base].get_config()))
    after = flatten(config_of(ablation, base))
    assert after["name"] == f"ablations/{base}/{ablation}"
    changed = {key for key in after if after[key] != before[key]} - {"name"}
    assert changed <= CHANGED_FIELDS.get(ablation, set())


@pytest.mark.parametrize("base", BASES)
def test_every_run_of_every_size_has_a_folder_of_its_own(base: str) -> None:
    names = [config_of(ablation, f"{base}-{size}").name for ablation in ABLATIONS for size in SIZES]
    assert len(set(names)) == len(ABLATIONS) * len(SIZES)
    assert config_of("full", f"{base}-tiny").model.width == SIZES["tiny"]["width"]


# ml_collections loads config files in a way that Python is about to drop.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_the_command_line_reads_an_ablation() -> None:
    file = ROOT / "configs" / "ablations.py"
    config = config_of_flags([f"--config={file}:no_divergence:msrvtt_1ka-tiny", "--config.train.epochs=3"])
    assert config.name == "ablations/msrvtt_1ka-tiny/no_divergence"
    assert (config.loss.divergence_weight, config.train.epochs) == (0.0, 3)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (
            "full:imagenet",
            "configs/ablations.py: experiment 'imagenet' is unknown; expected one of demo, msrvtt",
        ),
        ("full:msrvt-tiny", "experiment 'msrvt' is unknown; did you mean 'msrvtt'?"),
        ("full:demo-huge", "size 'huge' of config 'demo'"),
        ("full:demo-", "size '' of config 'demo'"),
        ("no_divergense", "'no_divergense' is unknown; did you mean 'no_divergence'? expected one of full, "),
        ("", "'' is unknown; expected one of full, .* after a colon, .*: configs/ablations.py:full:demo"),
    ],
)
def test_an_unknown_ablation_experiment_or_size(which: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", "[?]")):
        ablations.get_config(which)


def test_without_an_experiment_it_is_that_of_the_demo() -> None:
    assert ablations.get_config("plain_bce") == ablations.get_config("plain_bce:demo")


def sweep(
    folder: pathlib.Path, *arguments: str, failing: str = "-"
) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Runs the script with a Python that notes its arguments and fails at one config; returns what it noted."""
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(
        '#!/usr/bin/env bash\nprintf "%s\\n" "$*" >> calls\n'
        f'if [[ "$*" == *":{failing}:"* ]]; then exit 3; fi\n',
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
    assert configs[0] == "--config=ablations:full:demo-tiny"
    assert sorted(configs) == [f"--config=ablations:{name}:demo-tiny" for name in ABLATIONS]
    for call in calls:
        assert call[:2] == ["-m", "mcsan_jax.main"]
        assert call[3:] == ["--config.train.epochs=1", "--mode=train"]
    assert done.stdout.splitlines()[0] == "ablation 1 of 9: full of demo-tiny"
    assert done.stdout.splitlines()[-1] == "all ablations of demo-tiny are in runs/ablations/demo-tiny"


def test_the_first_failure_ends_the_sweep(tmp_path: pathlib.Path) -> None:
    done, calls = sweep(tmp_path, "demo", failing="no_divergence")
    assert done.returncode == 3
    assert "ablation no_divergence of demo failed with status 3" in done.stderr
    assert [call[2].removeprefix("--config=ablations:") for call in calls] == [
        "full:demo",
        "no_relationships:demo",
        "no_divergence:demo",
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
