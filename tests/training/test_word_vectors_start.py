from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.text.word_vectors import WordVectors
from mcsan_jax.config import Config
from mcsan_jax.sharding import make_mesh
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, build_experiment
from mcsan_jax.training.train_step import TrainState
from tests.support.prepared_data import Prepared
from tests.training.runs import changed

TOKENS, WIDTH = 50, 8


def some_vectors(seed: int, tokens: int = TOKENS, width: int = WIDTH) -> WordVectors:
    draw = np.random.default_rng(seed)
    known = draw.random(tokens) < 0.6
    vectors = np.where(known[:, None], draw.normal(size=(tokens, width)), 0.0)
    return WordVectors(vectors.astype(np.float32), known)


@pytest.fixture(scope="module")
def build(prepared: Prepared, config: Config) -> Callable[..., Experiment]:
    def make(vectors: WordVectors | None, devices: int = 1, **model: Any) -> Experiment:
        mesh = make_mesh(jax.devices()[:devices])
        return build_experiment(changed(config, model=model), prepared.manifest, mesh, vectors)

    return make


def embedding(state: TrainState) -> np.ndarray:
    return np.asarray(state.params["text_encoder"]["tokens"]["embedding"]["embedding"])


@pytest.mark.parametrize(("devices", "context"), [(1, "bigru"), (8, "bigru"), (1, "transformer")])
def test_known_words_start_from_their_vectors_and_all_else_as_without(
    build: Callable[..., Experiment], devices: int, context: str
) -> None:
    given = some_vectors(0)
    experiment = build(given, devices, context=context)
    state = experiment.initial_state()
    table, plain = embedding(state), build(None, devices, context=context).initial_state()
    np.testing.assert_array_equal(table[given.known], given.vectors[given.known])
    np.testing.assert_array_equal(table[~given.known], embedding(plain)[~given.known])
    assert 0 < given.known.sum() < TOKENS

    differs = jax.tree.map(lambda a, b: not np.array_equal(a, b), state, plain)
    assert sum(jax.tree.leaves(differs)) == 1
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), experiment.state_maker.abstract
    )


def test_a_resumed_run_does_not_start_from_them_again(
    build: Callable[..., Experiment], workdir: Path
) -> None:
    trained = build(some_vectors(0)).initial_state()
    with CheckpointStore(workdir) as checkpoints:
        checkpoints.save(1, trained)
        checkpoints.wait()
        restored = checkpoints.restore(1, like=build(some_vectors(1)).state_maker.abstract)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(restored), jax.device_get(trained))


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (
            some_vectors(0, width=50),
            r"word vectors have 50 dimensions, but model\.word_width is 8; set --config\.model\.word_width=50",
        ),
        (some_vectors(0, tokens=49), "word vectors of 49 tokens, but the tokenizer has 50"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    build: Callable[..., Experiment], vectors: WordVectors, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(vectors)
