"""A training that begins with the score of an image-text encoder."""

import dataclasses
import itertools
import json
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.levels import ENTITY, GLOBAL
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config, DataConfig, EvaluationConfig, ModelConfig, OptimConfig, TrainConfig
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.models.zero_shot_branch import TOWER
from mcsan_jax.pretrained.text_tower_files import read_text_tower
from mcsan_jax.pretrained.zero_shot_files import find_zero_shot_encoder
from mcsan_jax.recipes.recipe_by_size import begin_with_encoder, recipe_by_size
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import (
    Experiment,
    build_experiment,
    held_count,
    parameter_count,
    variables_of,
)
from mcsan_jax.training.token_state_cache import make_span_cache, make_token_state_cache
from tests.support.zero_shot_data import DATA, ENCODER
from tests.training.runs import Interrupted, StopsBefore, changed, run


@pytest.fixture(scope="module")
def manifest(zero_shot_data: pathlib.Path) -> Manifest:
    return Manifest.load(zero_shot_data / DATA)


@pytest.fixture(scope="module")
def config(zero_shot_data: pathlib.Path) -> Config:
    """Two levels, the cheapest to compile."""
    return Config(
        data=DataConfig(
            max_frames=4, max_tokens=20, max_actions=1, max_entities=2, max_relationships=1, max_modifiers=1
        ),
        model=ModelConfig(
            levels=(GLOBAL, ENTITY),
            context="pretrained",
            pretrained_video=str(zero_shot_data / ENCODER),
            width=16,
        ),
        optim=OptimConfig(average_decay=0.5, warmup_epochs=0),
        train=TrainConfig(batch_size=8, epochs=1, log_every_steps=1),
        evaluation=EvaluationConfig(encode_batch=8),
    )


@pytest.fixture(scope="module")
def experiment(config: Config, manifest: Manifest) -> Experiment:
    return build_experiment(config, manifest, make_mesh(jax.devices()[:1]))


@pytest.fixture(scope="module")
def batches(zero_shot_data: pathlib.Path, manifest: Manifest, config: Config) -> TrainBatches:
    return TrainBatches(zero_shot_data / DATA, manifest, "train", 8, batch_limits(config.data), 0)


@pytest.fixture(scope="module")
def reader(zero_shot_data: pathlib.Path, manifest: Manifest, config: Config) -> SplitReader:
    return SplitReader(zero_shot_data / DATA, manifest, "val", batch_limits(config.data))


def tower_of(state: Any) -> Any:
    return state.params["zero_shot_branch"][TOWER]


def test_steps_change_what_is_learned_and_leave_the_tower(
    experiment: Experiment, batches: TrainBatches, zero_shot_data: pathlib.Path
) -> None:
    first = state = experiment.initial_state()
    published = read_text_tower(str(zero_shot_data / ENCODER)).params()
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(tower_of(first)), published)
    for batch in itertools.islice(batches.from_step(0), 2):
        state, metrics = experiment.train_step(state, put_batch(batch, experiment.mesh))
        assert np.isfinite(float(metrics["loss"]))
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(tower_of(state)), published)
    for side in ("video", "text"):
        maps = state.params["zero_shot_branch"][f"{side}_maps_{GLOBAL}"]
        assert np.asarray(maps["Dense_0"]["kernel"]).any()
    # It has neither moments nor an average, each of which would take its memory again.
    for kept in (state.opt_state, state.average):
        leaves = jax.tree_util.tree_leaves_with_path(kept)
        assert leaves and not any(TOWER in str(path) for path, _ in leaves)
    held = sum(leaf.size for leaf in jax.tree.leaves(published))
    assert held_count(state, experiment.config) == held < parameter_count(state)
    assert jax.tree.structure(variables_of(state)["params"]) == jax.tree.structure(state.params)


def test_what_is_kept_is_what_the_network_reads(experiment: Experiment, reader: SplitReader) -> None:
    """The caches embed short spans and long sentences with programs of their own."""
    state = experiment.initial_state()
    _, texts = next(iter(reader.caption_batches(8)))
    spans = make_span_cache(experiment, state)
    assert spans is not None
    completed = make_token_state_cache(experiment, state).completed(spans.completed(texts))

    def read(network: Any) -> Any:
        return network.zero_shot_branch.read(texts, True)

    found: Any = jax.jit(lambda variables: experiment.model.apply(variables, method=read))(
        variables_of(state)
    )
    np.testing.assert_allclose(completed.span_embeddings, found[0], atol=2e-6)
    np.testing.assert_allclose(completed.token_states, found[1], atol=2e-6)
    assert not completed.span_embeddings[:, 1:][~np.asarray(texts.node_mask)].any()
    assert spans.completed(texts).span_embeddings is not None
    lengths = np.asarray(texts.token_mask).sum(axis=1)
    assert lengths.max() > 16 > lengths.min()


@pytest.mark.slow
def test_the_model_before_the_first_step_may_be_the_best(
    experiment: Experiment, batches: TrainBatches, reader: SplitReader, tmp_path: pathlib.Path
) -> None:
    """It is evaluated and kept once, also where the training is interrupted and goes on."""
    workdir, rsums = tmp_path / "run", {0: 300.0, 3: 200.0}
    with pytest.raises(Interrupted):
        run(experiment, StopsBefore(batches, 2), reader, workdir, rsums)
    # Going on evaluates what it has not yet, and step 0 has no figure any more.
    run(experiment, batches, reader, workdir, {3: 200.0})
    with CheckpointStore(workdir / "checkpoints") as checkpoints:
        assert (checkpoints.best_step, checkpoints.last_step) == (0, 3)
        best = checkpoints.restore(0, like=experiment.state_maker.abstract)
    jax.tree.map(
        np.testing.assert_array_equal,
        jax.device_get(best.params),
        jax.device_get(experiment.initial_state().params),
    )
    lines = (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [entry["step"] for entry in map(json.loads, lines) if entry["kind"] == "val"] == [0, 3]


def test_embeddings_are_found_by_who_made_them(manifest: Manifest, config: Config) -> None:
    (stream,) = manifest.streams
    other = dataclasses.replace(
        stream, name="other", provenance=dataclasses.replace(stream.provenance, sha256="0" * 64)
    )
    unknown = dataclasses.replace(stream, provenance=None)

    def found(*streams: Any) -> Any:
        return find_zero_shot_encoder(config, dataclasses.replace(manifest, streams=streams))

    assert found(other, stream).shape.first_feature == stream.dim and not found(other, stream).note
    assert found(unknown).shape.first_feature == 0
    assert "do not say what made the stream 'features'" in found(unknown).note
    for streams in ((other,), (unknown, dataclasses.replace(unknown, name="second"))):
        with pytest.raises(InputError, match=r"no stream of frames has the embeddings of .* found .*extract"):
            found(*streams)


def test_tokens_of_another_encoder_are_refused(manifest: Manifest, config: Config) -> None:
    foreign = dataclasses.replace(manifest.tokenizer, kind="unigram", sha256="0" * 64)
    with pytest.raises(InputError, match=r"another tokenizer \(unigram.*--tokenizer_file="):
        find_zero_shot_encoder(config, dataclasses.replace(manifest, tokenizer=foreign))
    longer = changed(config, data={"max_tokens": 39})
    with pytest.raises(InputError, match=r"reads at most 38 tokens; set --config.data.max_tokens=38"):
        find_zero_shot_encoder(longer, manifest)


def test_the_text_tower_reads_captions_unless_another_context_is_chosen(
    manifest: Manifest, config: Config
) -> None:
    plain = changed(config, model={"context": "bigru"})
    chosen, lines = begin_with_encoder(plain)
    assert chosen.model.context == "pretrained" and "are read by the text tower" in lines[0]
    assert chosen.optim.learning_rate == 1e-4
    for others in ({"model.context"}, {"model.pretrained"}):
        assert begin_with_encoder(plain, others)[0].model.context == "bigru"
    by_hand = {"model.context", "optim.learning_rate"}
    assert begin_with_encoder(plain, by_hand) == (plain, [])
    alone = changed(plain, model={"zero_shot_only": True})
    assert begin_with_encoder(alone) == (alone, [])
    without = changed(plain, model={"pretrained_video": ""})
    assert begin_with_encoder(without) == (without, [])


def test_the_recipe_leaves_the_score_of_the_encoder_as_it_is(manifest: Manifest, config: Config) -> None:
    """Attributes, which are alike before the first step, would count in it; words are not learned from nothing."""
    plain = Config(
        model=ModelConfig(pretrained_video=config.model.pretrained_video), train=TrainConfig(recipe="by_size")
    )
    chosen, choices = recipe_by_size(begin_with_encoder(plain)[0], manifest)
    # Eight validation videos compare two states: the training is never worse than its beginning.
    assert chosen.train.evaluate_every_epochs == chosen.train.epochs
    (said,) = (choice for choice in choices if "validation videos" in choice)
    assert "the better one on split val is taken" in said and "the last state is taken" not in said
    assert chosen.similarity.attribute_share == 0 and chosen.model.pretrained == ""
    assert chosen.model.context == "pretrained" and chosen.train.token_state_cache
    assert chosen.optim.learning_rate == 1e-4
