import dataclasses
import itertools
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.input_pipeline import SplitReader, TrainBatches
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config
from mcsan_jax.errors import InputError
from mcsan_jax.evaluation.evaluate import Evaluation, evaluate
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.bert_files import read_bert
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, batch_limits, build_experiment, variables_of
from mcsan_jax.training.kept_states import KeptStates
from mcsan_jax.training.sharding import make_mesh, put_batch
from mcsan_jax.training.train_loop import train
from mcsan_jax.training.train_step import TrainState
from tests.support.prepared_data import Prepared
from tests.support.small_encoder import save_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def with_tokenizer_of(manifest: Manifest, encoder: pathlib.Path) -> Manifest:
    """The made-up token ids are below the size of the encoder's vocabulary too."""
    tokenizer = dataclasses.replace(manifest.tokenizer, sha256=read_bert(str(encoder)).tokenizer_sha256[0])
    return dataclasses.replace(manifest, tokenizer=tokenizer)


def with_encoder(config: Config, encoder: pathlib.Path, **optim: float) -> Config:
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, context="pretrained", pretrained=str(encoder)),
        optim=dataclasses.replace(config.optim, **optim),
    )


def trained(experiment: Experiment, batches: TrainBatches, steps: int) -> list[TrainState]:
    states = [experiment.initial_state()]
    for batch in itertools.islice(batches.from_step(0), steps):
        state, metrics = experiment.train_step(states[-1], put_batch(batch, experiment.mesh))
        assert np.isfinite(float(metrics["loss"]))
        states.append(state)
    return jax.device_get(states)


def published(state: TrainState) -> Any:
    return state.params["text_encoder"]["tokens"][PRETRAINED]


def is_equal(first: Any, second: Any) -> bool:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


def build(prepared: Prepared, config: Config, encoder: pathlib.Path, **optim: float) -> Experiment:
    manifest = with_tokenizer_of(prepared.manifest, encoder)
    return build_experiment(with_encoder(config, encoder, **optim), manifest, make_mesh(jax.devices()[:1]))


def test_an_encoder_is_left_as_it_was_published(
    prepared: Prepared, config: Config, encoder: pathlib.Path, batches: TrainBatches
) -> None:
    experiment = build(prepared, config, encoder)
    first, last = trained(experiment, batches, 2)[::2]
    assert is_equal(published(first), read_bert(str(encoder)).params())
    assert is_equal(published(last), published(first))
    project = [state.params["text_encoder"]["tokens"]["project"] for state in (first, last)]
    assert not is_equal(*project)
    # It has no moments either: they would take twice its memory.
    moments = [path for path, _ in jax.tree_util.tree_leaves_with_path(last.opt_state)]
    assert not any(PRETRAINED in str(path) and "mu" in str(path) for path in moments)


def test_an_encoder_begins_to_learn_at_its_time(
    prepared: Prepared, config: Config, encoder: pathlib.Path, batches: TrainBatches
) -> None:
    # Nine steps in all, of which it learns from the sixth on, after a warm-up of one.
    experiment = build(prepared, config, encoder, pretrained_learning_rate=1e-3, pretrained_start=0.5)
    states = trained(experiment, batches, 7)
    learned = [not is_equal(published(state), published(states[0])) for state in states]
    assert experiment.total_steps == 9
    assert learned == [False, False, False, False, False, False, True, True]


def test_data_of_another_tokenizer_are_refused(
    prepared: Prepared, config: Config, encoder: pathlib.Path
) -> None:
    with pytest.raises(InputError, match=r"prepared with another tokenizer .*--tokenizer_file="):
        build_experiment(with_encoder(config, encoder), prepared.manifest)


def test_texts_longer_than_the_encoder_reads_are_refused(
    prepared: Prepared, config: Config, encoder: pathlib.Path
) -> None:
    longer = dataclasses.replace(config, data=dataclasses.replace(config.data, max_tokens=11))
    with pytest.raises(InputError, match=r"max_tokens is 11; .* reads at most 10"):
        build(prepared, longer, encoder)


def test_kept_states_are_those_of_the_step(
    prepared: Prepared, config: Config, encoder: pathlib.Path, batches: TrainBatches
) -> None:
    experiment = build(prepared, config, encoder)
    state = experiment.initial_state()
    shape = experiment.model.pretrained
    assert shape is not None
    kept = KeptStates(shape, published(state), "float32")
    epochs = list(itertools.islice(batches.from_step(0), 6))
    attached = list(kept.attach(epochs))
    for batch, with_states in zip(epochs, attached, strict=True):
        assert with_states.texts.token_states is not None
        losses = [
            float(experiment.train_step(state, put_batch(one, experiment.mesh))[1]["loss"])
            for one in (batch, with_states)
        ]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    # What is encoded again beside other captions is the same to the last bit.
    again = next(KeptStates(shape, published(state), "float32").attach(epochs[4:5]))
    np.testing.assert_array_equal(again.texts.token_states, attached[4].texts.token_states)


@pytest.mark.parametrize("rate", [pytest.param(0.0, id="frozen"), pytest.param(1e-3, id="learning")])
def test_states_are_kept_of_a_frozen_encoder_and_change_no_run(
    prepared: Prepared,
    config: Config,
    encoder: pathlib.Path,
    batches: TrainBatches,
    tmp_path: pathlib.Path,
    rate: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[int] = []
    keep = KeptStates._keep

    def counting(self: KeptStates, ids: Any, mask: Any, keys: list[bytes], rows: list[int]) -> None:
        encoded.append(len(rows))
        keep(self, ids, mask, keys, rows)

    monkeypatch.setattr(KeptStates, "_keep", counting)

    def run(name: str, keep_states: bool) -> TrainState:
        chosen = dataclasses.replace(
            config,
            train=dataclasses.replace(config.train, keep_states=keep_states),
            optim=dataclasses.replace(config.optim, pretrained_learning_rate=rate, pretrained_start=0.0),
        )
        experiment = build(prepared, chosen, encoder)
        reader = SplitReader(prepared.folder, prepared.manifest, "val", batch_limits(chosen.data))

        def evaluator(state: TrainState, step: int) -> tuple[Evaluation, str]:
            return evaluate(experiment.encoders, variables_of(state), reader, chosen, "val"), f"step {step}"

        (tmp_path / name).mkdir()
        with CheckpointStore(tmp_path / name / "checkpoints") as checkpoints:
            return train(experiment, batches, evaluator, checkpoints, tmp_path / name)

    anew = run("anew", False)
    assert not encoded
    kept = run("kept", True)
    assert bool(encoded) == (rate == 0.0)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-2, atol=1e-3),
        kept.params,
        anew.params,
    )
