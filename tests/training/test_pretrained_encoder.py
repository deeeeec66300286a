import dataclasses
import itertools
import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.bert_files import read_bert
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.train_run import describe_trained
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import (
    Experiment,
    build_experiment,
    for_use,
    parameter_count,
    published_count,
    variables_of,
)
from mcsan_jax.training.linear_start import fit_to_split
from mcsan_jax.training.token_state_cache import TokenStateCache, make_token_state_cache
from mcsan_jax.training.train_step import TrainState
from mcsan_jax.training.validation import Validation
from tests.support.prepared_data import Prepared
from tests.support.small_encoder import save_encoder
from tests.training.runs import Interrupted, StopsBefore, changed, run, with_same_programs


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def with_tokenizer_of(manifest: Manifest, encoder: pathlib.Path) -> Manifest:
    """The made-up token ids are below the size of the encoder's vocabulary too."""
    tokenizer = dataclasses.replace(manifest.tokenizer, sha256=read_bert(str(encoder)).tokenizer_sha256[0])
    return dataclasses.replace(manifest, tokenizer=tokenizer)


def with_encoder(config: Config, encoder: pathlib.Path, **optim: float) -> Config:
    return changed(config, model={"context": "pretrained", "pretrained": str(encoder)}, optim=optim)


@pytest.fixture(scope="module")
def frozen(prepared: Prepared, config: Config, encoder: pathlib.Path) -> Experiment:
    """The encoder stays as it was published."""
    return build(prepared, config, encoder)


@pytest.fixture(scope="module")
def learning(prepared: Prepared, config: Config, encoder: pathlib.Path) -> Experiment:
    """The encoder learns from the sixth of nine steps on, after a warm-up of one."""
    return build(prepared, config, encoder, pretrained_learning_rate=1e-3, pretrained_start=0.5)


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
    frozen: Experiment, encoder: pathlib.Path, batches: TrainBatches
) -> None:
    first, last = trained(frozen, batches, 2)[::2]
    assert is_equal(published(first), read_bert(str(encoder)).params())
    assert is_equal(published(last), published(first))
    project = [state.params["text_encoder"]["tokens"]["project"] for state in (first, last)]
    assert not is_equal(*project)
    # It has no moments either: they would take twice its memory.
    moments = [path for path, _ in jax.tree_util.tree_leaves_with_path(last.opt_state)]
    assert not any(PRETRAINED in str(path) and "mu" in str(path) for path in moments)


def test_an_encoder_begins_to_learn_at_its_time(learning: Experiment, batches: TrainBatches) -> None:
    states = trained(learning, batches, 7)
    learned = [not is_equal(published(state), published(states[0])) for state in states]
    assert learning.total_steps == 9
    assert learned == [False, False, False, False, False, False, True, True]


def test_frozen_parameters_are_not_said_to_be_trained(
    frozen: Experiment, learning: Experiment, encoder: pathlib.Path
) -> None:
    state: TrainState = frozen.state_maker.abstract
    held = sum(leaf.size for leaf in jax.tree.leaves(published(state)))
    every = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    assert 0 < held < every
    said = f"trained {every - held:,} parameters, and left {held:,} frozen ones of {encoder}"
    assert describe_trained(frozen.config, state) == said
    assert describe_trained(learning.config, state) == f"trained {every:,} parameters"


@pytest.mark.slow
def test_the_average_leaves_a_frozen_encoder_out(
    prepared: Prepared, config: Config, encoder: pathlib.Path, batches: TrainBatches, tmp_path: pathlib.Path
) -> None:
    """It is held once, and evaluated to the last bit as it was published; the state is saved and read again."""
    experiment = build(prepared, config, encoder, average_decay=0.3)
    state = trained(experiment, batches, 3)[-1]
    held = [leaf.size for leaf in jax.tree.leaves(state.average)]
    assert sum(held) == parameter_count(state) - published_count(state)
    used = variables_of(state)["params"]
    assert is_equal(used["text_encoder"]["tokens"][PRETRAINED], published(state))
    assert not is_equal(used["video_encoder"], state.params["video_encoder"])
    assert jax.tree.structure(used) == jax.tree.structure(state.params)
    with CheckpointStore(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(3, state)
        checkpoints.wait()
        restored = checkpoints.restore(3, like=experiment.state_maker.abstract)
        in_use = checkpoints.restore(3, like=for_use(experiment.state_maker.abstract))
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((restored, state)))
    jax.tree.map(np.testing.assert_array_equal, *jax.device_get((variables_of(in_use), variables_of(state))))


def test_an_encoder_that_learns_is_averaged_too(
    prepared: Prepared, config: Config, encoder: pathlib.Path
) -> None:
    state = build(
        prepared, config, encoder, pretrained_learning_rate=1e-3, average_decay=0.3
    ).state_maker.abstract
    assert jax.tree.structure(state.average) == jax.tree.structure(state.params)


def test_data_of_another_tokenizer_are_refused(
    prepared: Prepared, config: Config, encoder: pathlib.Path
) -> None:
    with pytest.raises(InputError, match=r"prepared with another tokenizer .*--tokenizer_file="):
        build_experiment(with_encoder(config, encoder), prepared.manifest)


def test_texts_longer_than_the_encoder_reads_are_refused(
    prepared: Prepared, config: Config, encoder: pathlib.Path
) -> None:
    longer = dataclasses.replace(config, data=dataclasses.replace(config.data, max_tokens=11))
    with pytest.raises(InputError, match=r"max_tokens is 11; .* reads at most 10 tokens"):
        build(prepared, longer, encoder)


def test_cached_token_states_are_those_of_the_step(frozen: Experiment, batches: TrainBatches) -> None:
    state = frozen.initial_state()
    shape = frozen.model.pretrained
    assert shape is not None
    kept = TokenStateCache(shape, published(state), "float32")
    epochs = list(itertools.islice(batches.from_step(0), 6))
    attached = list(kept.attach(epochs))
    for batch, with_states in zip(epochs, attached, strict=True):
        assert with_states.texts.token_states is not None
        losses = [
            float(frozen.train_step(state, put_batch(one, frozen.mesh))[1]["loss"])
            for one in (batch, with_states)
        ]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    # What is encoded again beside other captions is the same to the last bit.
    again = next(TokenStateCache(shape, published(state), "float32").attach(epochs[4:5]))
    np.testing.assert_array_equal(again.texts.token_states, attached[4].texts.token_states)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many captions were encoded at a time to be kept."""
    counts: list[int] = []
    keep = TokenStateCache._encode_rows

    def counting(self: TokenStateCache, ids: Any, mask: Any, keys: list[bytes], rows: Any) -> None:
        counts.append(len(rows))
        keep(self, ids, mask, keys, rows)

    monkeypatch.setattr(TokenStateCache, "_encode_rows", counting)
    return counts


def test_cached_token_states_change_no_run(
    frozen: Experiment,
    batches: TrainBatches,
    reader: SplitReader,
    workdir: pathlib.Path,
    encoded: list[int],
) -> None:
    anew = trained(frozen, batches, frozen.total_steps)[-1]
    keeping = with_same_programs(frozen, train={"token_state_cache": True})
    kept = run(keeping, batches, reader, workdir)
    assert encoded
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-2, atol=1e-3),
        kept.params,
        anew.params,
    )


def test_a_linear_branch_reads_sentences_of_a_frozen_encoder_alone(
    prepared: Prepared, config: Config, encoder: pathlib.Path, encoded: list[int]
) -> None:
    """With token states that are kept or not; an encoder that learns would leave the map behind."""
    with_branch = changed(config, similarity={"linear_branch": True})
    experiment = build(prepared, with_branch, encoder)
    state = experiment.initial_state()
    split = SplitReader(prepared.folder, prepared.manifest, "train", batch_limits(config.data))
    cache = make_token_state_cache(experiment, state)
    branch, anew = (
        jax.device_get(fit_to_split(experiment, state, split, kept).statistics["linear_branch"])
        for kept in (cache, None)
    )
    jax.tree.map(np.testing.assert_array_equal, branch, anew)
    assert branch["states_to_sentences"].any() and 0.0 < branch["words_share"] < 1.0
    # The cache that was given holds all captions now, and no other was filled.
    before = len(encoded)
    fit_to_split(experiment, state, split, cache)
    assert len(encoded) == before

    # What its tokens add makes up the vector of a caption.
    variables = {**variables_of(state), "statistics": {**state.statistics, "linear_branch": branch}}
    _, texts = next(iter(split.caption_batches(8)))
    words, sentences = experiment.encoders.linear_tokens(variables, texts)
    assert words.shape[:2] == sentences.shape[:2] == texts.token_ids.shape and np.asarray(sentences).any()
    whole = experiment.encoders.texts(variables, texts)[0].linear
    np.testing.assert_allclose(np.concatenate([words, sentences], axis=2).sum(axis=1), whole, atol=1e-6)

    learning = build(prepared, with_branch, encoder, pretrained_learning_rate=1e-3)
    assert "sentence_mean" not in learning.state_maker.abstract.statistics["linear_branch"]


@pytest.mark.parametrize(("which", "token_state_cache"), [("frozen", False), ("learning", True)])
def test_states_are_kept_on_request_and_of_a_frozen_encoder_only(
    which: str,
    token_state_cache: bool,
    request: pytest.FixtureRequest,
    batches: TrainBatches,
    reader: SplitReader,
    workdir: pathlib.Path,
    encoded: list[int],
) -> None:
    experiment = with_same_programs(
        request.getfixturevalue(which), train={"token_state_cache": token_state_cache}
    )
    with pytest.raises(Interrupted):
        run(experiment, StopsBefore(batches, 1), reader, workdir)
    assert not encoded


def test_validations_read_each_caption_once_with_a_frozen_encoder(
    frozen: Experiment, prepared: Prepared, reader: SplitReader, encoded: list[int]
) -> None:
    config = frozen.config
    batches = TrainBatches(prepared.folder, prepared.manifest, "val", 8, batch_limits(config.data), seed=3)
    state = frozen.initial_state()
    _, *anew = Validation(frozen, reader, "val", batches, 1)(state)
    assert not encoded
    keeping = with_same_programs(frozen, train={"token_state_cache": True})
    validate = Validation(keeping, reader, "val", batches, 1)
    _, figures, losses = validate(state)
    assert 0 < sum(encoded) <= reader.captions + reader.foils
    assert figures == anew[0]
    assert losses == pytest.approx(anew[1], rel=1e-5)
    before = sum(encoded)
    assert validate(state)[1:] == (figures, losses)
    assert sum(encoded) == before
