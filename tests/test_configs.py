import dataclasses
import functools
import importlib
import itertools
from collections.abc import Callable

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.manifest import FRAMES
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.configs.derived import BASES
from mcsan_jax.configs.sizes import SIZES
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.evaluate_run import splits_to_evaluate
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.experiment import Experiment, build_experiment
from tests.support.prepared_data import Prepared, make_record, make_stream, write_prepared

CONFIGS = list(BASES)
HGR = "peers"
"""The peer whose network and loss are furthest from those of the other configs."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Twelve videos to train on: a whole batch of eight, and half of one."""
    streams = (make_stream("appearance", FRAMES, 6),)
    records = {"train": [make_record(f"train{i}", streams, i) for i in range(12)]}
    return write_prepared(tmp_path_factory.mktemp("prepared"), streams, records)


@pytest.fixture(scope="module")
def build(prepared: Prepared) -> Callable[[str], tuple[Experiment, TrainBatches]]:
    @functools.cache
    def build(name: str) -> tuple[Experiment, TrainBatches]:
        """The experiment of a config in its smallest size, and batches of eight for it."""
        size = "hgr:msrvtt-tiny" if name == HGR else "tiny"
        values = importlib.import_module(f"mcsan_jax.configs.{name}").get_config(size)
        values.train.batch_size = 8
        config = from_config_dict(values)
        experiment = build_experiment(config, prepared.manifest, make_mesh(jax.devices()[:1]))
        limits = batch_limits(experiment.config.data)
        batches = TrainBatches(prepared.folder, prepared.manifest, "train", 8, limits, seed=0)
        return experiment, batches

    return build


def test_the_published_configs_are_there() -> None:
    assert {"demo", "msrvtt", "msrvtt_1ka", "vatex", "msvd", "custom"} <= set(CONFIGS)


@pytest.mark.parametrize("name", [*CONFIGS, HGR])
def test_a_step_of_every_config_keeps_the_form_of_its_state(
    name: str, build: Callable[[str], tuple[Experiment, TrainBatches]]
) -> None:
    """Without compiling anything."""
    experiment, batches = build(name)
    state = experiment.state_maker.abstract
    new_state, metrics = jax.eval_shape(experiment.train_step, state, next(batches.from_step(0)))
    form = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), each) for each in (state, new_state)]
    assert form[0] == form[1]
    assert all((value.shape, value.dtype) == ((), np.float32) for value in metrics.values())
    assert {"loss", "loss/ranking"} <= set(metrics)
    learned = {term.split("/")[1] for term in metrics if term.startswith("loss/")} & {"fbce", "kl"}
    assert learned == (set() if name == HGR else {"fbce", "kl"})


# That of the demo is trained to its end in test_main.
@pytest.mark.slow
@pytest.mark.parametrize("name", [*CONFIGS, HGR])
def test_every_config_runs_two_steps(
    name: str, build: Callable[[str], tuple[Experiment, TrainBatches]]
) -> None:
    experiment, batches = build(name)
    state = experiment.initial_state()
    for batch in itertools.islice(batches.from_step(0), 2):
        state, metrics = experiment.train_step(state, put_batch(batch, experiment.mesh))
    assert int(state.step) == 2
    assert 0 < float(metrics["loss"]) < 10
    assert all(abs(float(value)) < 1e6 for value in metrics.values())


@pytest.mark.parametrize("name", [*CONFIGS, HGR])
def test_every_config_is_judged_on_every_split_that_it_is_not_trained_on(
    name: str, prepared: Prepared
) -> None:
    """And not only on the split that chose its checkpoint; validation and test come first."""
    get_config = importlib.import_module(f"mcsan_jax.configs.{name}").get_config
    config = from_config_dict(get_config("hgr") if name == HGR else get_config())
    train = prepared.manifest.splits["train"]
    for others, judged_on in (
        (("val", "test"), ["val", "test"]),
        (("val",), ["val"]),
        (("held_out", "test", "val"), ["val", "test", "held_out"]),
        (("held_out", "val"), ["val", "held_out"]),
    ):
        manifest = dataclasses.replace(prepared.manifest, splits=dict.fromkeys((*others, "train"), train))
        splits, note = splits_to_evaluate(config, manifest)
        assert splits == judged_on
        assert (note is None) == ("test" in others) and (note is None or "reports show split 'val'" in note)


def test_a_split_without_captions_is_not_judged(prepared: Prepared) -> None:
    config, train = Config(), prepared.manifest.splits["train"]
    silent = dataclasses.replace(train, captions=0)
    splits = {"train": train, "val": train, "test": silent}
    manifest = dataclasses.replace(prepared.manifest, splits=splits)
    assert splits_to_evaluate(config, manifest)[0] == ["val"]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_text_is_relevant_in_data_of_ones_own_alone(name: str) -> None:
    config = from_config_dict(importlib.import_module(f"mcsan_jax.configs.{name}").get_config())
    assert config.evaluation.same_text == ("relevant" if name == "custom" else "wrong")
    assert Config().evaluation.same_text == "wrong"


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_has_every_size_and_a_name_of_its_own(name: str) -> None:
    module = importlib.import_module(f"mcsan_jax.configs.{name}")
    configs = [from_config_dict(module.get_config(size)) for size in SIZES]
    assert len({config.name for config in configs}) == len(SIZES)
    assert all(config.name.startswith(name) for config in configs)
    assert all(config.data.dir and (config.data.prepare_hint or config.data.made_from) for config in configs)
    assert from_config_dict(module.get_config()).name.startswith(name)
    with pytest.raises(InputError, match="size 'huge' of config"):
        module.get_config("huge")
