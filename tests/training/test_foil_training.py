"""Training with a loss on foils: what is read, encoded, kept and resumed."""

import dataclasses
import itertools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.models.bert import Bert, BertShape
from mcsan_jax.models.text_encoder import token_states
from mcsan_jax.sharding import make_mesh, put_batch, split_rows
from mcsan_jax.training.micro_batches import encode_in_micro_batches, encode_whole
from mcsan_jax.training.token_state_cache import TokenStateCache
from tests.support.prepared_data import Prepared
from tests.support.tiny_model import SHAPE, random_batch, random_variables, tiny_model
from tests.training.runs import Interrupted, MakeExperiment, StopsBefore, run
from tests.training.test_micro_batches import whole_batch
from tests.training.test_objective import collectives


@pytest.fixture(scope="module")
def foiled(prepared: Prepared, config: Config) -> TrainBatches:
    """Batches with a foil of each caption that has one; made-up foils exchange roles or replace an action."""
    limits, train = batch_limits(config.data), config.train
    return TrainBatches(
        prepared.folder, prepared.manifest, "train", train.batch_size, limits, train.seed, foils=True
    )


@pytest.mark.slow
def test_a_run_on_foils_is_resumed_bit_for_bit(
    make_experiment: MakeExperiment, foiled: TrainBatches, reader: SplitReader, tmp_path: pathlib.Path
) -> None:
    experiment = make_experiment(1, loss={"foils": 0.5}, model={"levels": (GLOBAL, ACTION)})
    whole = run(experiment, foiled, reader, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(experiment, StopsBefore(foiled, 4), reader, tmp_path / "resumed")
    state = run(experiment, foiled, reader, tmp_path / "resumed")
    jax.tree.map(np.testing.assert_array_equal, state, whole)
    shown = (tmp_path / "whole" / "metrics.jsonl").read_text()
    assert '"loss/foils/action": 0.' in shown and "loss/foils/global" not in shown


@pytest.fixture(scope="module")
def encoded() -> tuple[PairBatch, Any]:
    """Captions with foils on four devices, and the compiled encodings of both."""
    model, batch = tiny_model(), whole_batch()
    variables, mesh = random_variables(model, batch), make_mesh(jax.devices()[:4])

    def encode(batch: PairBatch) -> Any:
        return model.apply(variables, batch, method=model.encode_pairs)[1:]

    rows = split_rows(mesh)
    return batch, jax.jit(encode, in_shardings=(rows,), out_shardings=rows).lower(
        put_batch(batch, mesh)
    ).compile()


def test_no_row_moves_when_foils_are_encoded_beside_captions(encoded: tuple[PairBatch, Any]) -> None:
    """All that passes between devices is how many rows are still going, which is so without foils."""
    tokens = encoded[0].texts.token_ids.shape[1]
    assert collectives(encoded[1]) == {"all-reduce": {f"s32[{tokens}]", "s32[]"}}


def test_foils_are_encoded_as_captions_are(encoded: tuple[PairBatch, Any]) -> None:
    batch, program = encoded
    model = tiny_model()
    variables = random_variables(model, batch)
    alone = jax.jit(lambda texts: model.apply(variables, texts, method=model.encode_texts))
    found = program(put_batch(batch, make_mesh(jax.devices()[:4])))
    for one, texts in zip(found, (batch.texts, batch.foils), strict=True):
        jax.tree.map(
            lambda own, expected: np.testing.assert_allclose(own, expected, atol=2e-6), one, alone(texts)
        )


def test_a_level_without_attributes_is_trained_on_foils_too() -> None:
    sizes = ((ENTITY, 5), (ACTION, 4), (RELATIONSHIP, 0))
    model = tiny_model(dataclasses.replace(SHAPE, attributes=sizes))
    batch = whole_batch()
    for items in (batch.videos, batch.texts, batch.foils):
        assert items is not None
        items.labels[RELATIONSHIP] = items.labels[RELATIONSHIP][:, :0]
    variables = jax.eval_shape(lambda: random_variables(tiny_model(), whole_batch()))
    del variables["params"]["attribute_projector"][RELATIONSHIP]
    mesh = make_mesh(jax.devices()[:1])
    for encode in (encode_whole(model), encode_in_micro_batches(model, mesh, 4)):
        videos, texts, foils = jax.eval_shape(encode, variables, batch, jax.random.key(0))
        assert set(videos.attribute_logits) == {ENTITY, ACTION}
        assert foils is not None and jax.tree.map(jnp.shape, foils) == jax.tree.map(jnp.shape, texts)


ENCODER = BertShape(
    vocabulary_size=200,
    width=8,
    layers=1,
    heads=2,
    inner_width=8,
    places=26,
    segments=1,
    norm_epsilon=1e-6,
    first_token=1,
    last_token=2,
)


def encoder_params(ids: jax.Array) -> Any:
    return Bert(ENCODER).init(jax.random.key(0), ids, jnp.ones(ids.shape, bool))["params"]


def test_states_of_foils_are_kept_too(foiled: TrainBatches) -> None:
    [batch] = itertools.islice(foiled.from_step(0), 1)
    cache = TokenStateCache(ENCODER, encoder_params(jnp.asarray(batch.texts.token_ids)), "float32")
    [attached] = cache.attach([batch])
    assert batch.foils is not None and attached.foils is not None
    for one, plain in ((attached.texts, batch.texts), (attached.foils, batch.foils)):
        np.testing.assert_array_equal(one.token_states, cache.completed(plain).token_states)
        assert np.asarray(one.token_states)[np.asarray(plain.token_mask)].any(axis=1).all()


def test_kept_states_are_those_of_the_encoder_whatever_the_length_and_the_neighbours() -> None:
    """Captions of no token up to as many as there is room for, whose padding holds numbers."""
    room = 24
    ids = np.random.default_rng(0).integers(3, 200, (room + 1, room)).astype(np.int32)
    mask = np.arange(room)[None] < np.arange(room + 1)[:, None]
    params = encoder_params(jnp.asarray(ids))
    expected = jax.jit(Bert(ENCODER).apply)({"params": params}, ids, mask)
    expected = np.where(mask[..., None], token_states(expected), 0.0)

    def kept(rows: slice) -> np.ndarray:
        texts = dataclasses.replace(random_batch(1).texts, token_ids=ids[rows], token_mask=mask[rows])
        found = TokenStateCache(ENCODER, params, "float32").completed(texts).token_states
        assert found is not None
        return np.asarray(found)

    together = kept(slice(None))
    np.testing.assert_allclose(together, expected, atol=1e-5, rtol=0)
    for row in (0, 1, 8, 9, 16, 24):
        np.testing.assert_array_equal(kept(slice(row, row + 1))[0], together[row])
