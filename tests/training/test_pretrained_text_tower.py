"""Training with the text tower of an image–text encoder in the place of BERT."""

import dataclasses
import itertools
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from mcsan_jax.config import Config
from mcsan_jax.image_text.text_tower import TextTower
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.text_tower_files import read_text_tower
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.experiment import Experiment, build_experiment
from mcsan_jax.training.token_state_cache import make_token_state_cache
from mcsan_jax.training.train_step import TrainState
from tests.support.image_text_folder import save_encoder_with_tokenizer
from tests.support.prepared_data import Prepared
from tests.training.runs import changed


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("encoders")
    return {kind: save_encoder_with_tokenizer(folder / kind, kind) for kind in ("clip", "siglip")}


def build(prepared: Prepared, config: Config, encoder: pathlib.Path, **groups: Any) -> Experiment:
    """The made-up token ids are below the size of the encoder's vocabulary too."""
    sha256 = read_text_tower(str(encoder)).tokenizer_sha256[-1]
    tokenizer = dataclasses.replace(prepared.manifest.tokenizer, sha256=sha256)
    reads = changed(config, model={"context": "pretrained", "pretrained": str(encoder)}, **groups)
    manifest = dataclasses.replace(prepared.manifest, tokenizer=tokenizer)
    return build_experiment(reads, manifest, make_mesh(jax.devices()[:1]))


def tower_of(state: TrainState) -> Any:
    return jax.device_get(state.params["text_encoder"]["tokens"][PRETRAINED])


def trained(experiment: Experiment, batches: TrainBatches, steps: int) -> TrainState:
    state = experiment.initial_state()
    for batch in itertools.islice(batches.from_step(0), steps):
        state, metrics = experiment.train_step(state, put_batch(batch, experiment.mesh))
        assert np.isfinite(float(metrics["loss"]))
    return state


@pytest.mark.slow
def test_a_frozen_tower_gives_the_states_that_are_kept(
    prepared: Prepared, config: Config, encoders: dict[str, pathlib.Path], batches: TrainBatches
) -> None:
    encoder = encoders["clip"]
    experiment = build(prepared, config, encoder)
    published = read_text_tower(str(encoder))
    state = trained(experiment, batches, 2)
    jax.tree.map(np.testing.assert_array_equal, tower_of(state), published.params())
    batch = next(iter(make_token_state_cache(experiment, state).attach(batches.from_step(0))))
    texts = batch.texts
    expected, _ = jax.jit(TextTower(published.shape).apply)(
        {"params": tower_of(state)}, texts.token_ids, texts.token_mask
    )
    np.testing.assert_allclose(texts.token_states, expected, rtol=0, atol=1e-5)
    assert np.abs(expected).max() > 0.1
    # The step computes the same where no states are given.
    losses = [
        float(experiment.train_step(state, put_batch(given, experiment.mesh))[1]["loss"])
        for given in (batch, dataclasses.replace(batch, texts=dataclasses.replace(texts, token_states=None)))
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_a_tower_that_learns_changes_wherever_states_come_from(
    prepared: Prepared, config: Config, encoders: dict[str, pathlib.Path], batches: TrainBatches
) -> None:
    """All of it but the projection, of which states are not made."""
    optim = {"pretrained_learning_rate": 1e-3, "pretrained_start": 0.0, "weight_decay": 0.0}
    learned = tower_of(trained(build(prepared, config, encoders["siglip"], optim=optim), batches, 3))
    same = jax.tree.map(np.array_equal, learned, read_text_tower(str(encoders["siglip"])).params())
    assert all(jax.tree.leaves(same.pop("projection")))
    assert not any(jax.tree.leaves(same))


def test_texts_that_are_too_long_or_of_another_tokenizer_are_refused(
    prepared: Prepared, config: Config, encoders: dict[str, pathlib.Path]
) -> None:
    encoder = encoders["clip"]
    longest = read_text_tower(str(encoder)).longest_text
    with pytest.raises(InputError, match=rf"max_tokens is {longest + 1}; .* reads at most {longest} tokens"):
        build(prepared, config, encoder, data={"max_tokens": longest + 1})
    with pytest.raises(InputError, match=rf"another tokenizer .*--tokenizer_file={encoder}"):
        build_experiment(
            changed(config, model={"context": "pretrained", "pretrained": str(encoder)}), prepared.manifest
        )
