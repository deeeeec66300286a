"""The precision that the configuration asks of the encoders' products, in the programs that hold them."""

import re

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import TrainBatches
from mcsan_jax.models.bert import Bert, BertShape
from mcsan_jax.sharding import put_batch
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.token_state_cache import TokenStateCache
from tests.training.runs import MakeExperiment

SCORING = {"HIGHEST"}
"""Precision of the products of scores, whatever the encoders have."""
BERT = BertShape(20, 8, 1, 2, 12, 16, 2, 1e-12, 1, 2)


def precisions(program: object) -> set[str]:
    """Of all products of a traced program."""
    text = str(program)
    found = re.findall(r"precision=(None|\(Precision\.(\w+), Precision\.(\w+)\))", text)
    assert len(found) == text.count("dot_general[") > 0
    assert all(left == right for _, left, right in found)
    return {left or "None" for _, left, _ in found}


@pytest.fixture(params=["default", "high", "highest"])
def asked(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def experiment(make_experiment: MakeExperiment, asked: str) -> Experiment:
    return make_experiment(1, model={"matmul_precision": asked})


@pytest.mark.parametrize(("asked", "micro_batches"), [("default", 1), ("high", 2), ("highest", 1)])
def test_training_has_it_forwards_and_backwards(
    make_experiment: MakeExperiment, batches: TrainBatches, asked: str, micro_batches: int
) -> None:
    experiment = make_experiment(1, model={"matmul_precision": asked}, train={"micro_batches": micro_batches})
    batch = put_batch(next(batches.from_step(0)), experiment.mesh)
    step = jax.make_jaxpr(experiment.train_step)(experiment.state_maker.abstract, batch)
    assert precisions(step) == {asked.upper()} | SCORING


def test_evaluation_has_it(experiment: Experiment, batches: TrainBatches, asked: str) -> None:
    variables = variables_of(experiment.state_maker.abstract)
    batch = next(batches.from_step(0))
    videos = jax.make_jaxpr(lambda variables: experiment.encoders.videos(variables, batch.videos))(variables)
    texts = jax.make_jaxpr(lambda variables: experiment.encoders.texts(variables, batch.texts))(variables)
    assert precisions(videos) == {asked.upper()} | SCORING
    assert precisions(texts) == {asked.upper()}


def test_cached_token_states_have_it(asked: str) -> None:
    encoder, ids = Bert(BERT), np.zeros((2, 4), np.int32)
    params = jax.eval_shape(encoder.init, jax.random.key(0), ids, ids == 0)["params"]
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), params)
    kept = TokenStateCache(BERT, params, "float32", asked)
    assert precisions(jax.make_jaxpr(kept._encode)(params, ids, ids == 0)) == {asked.upper()}
