import dataclasses
import itertools
import pathlib

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from data_pipeline.records.schema import EncodedCaption
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.models.linear_fit import TrainingSplit, fit_linear_branch
from mcsan_jax.ranking.rank_split import Evaluation
from mcsan_jax.scoring.multi_level import FUSED, LINEAR
from mcsan_jax.sharding import put_batch
from mcsan_jax.training import linear_start
from mcsan_jax.training.checkpointing import CheckpointStore
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.linear_start import best_share, fit_to_split, prior_weight, with_linear_share
from mcsan_jax.training.token_state_cache import TokenStateCache
from mcsan_jax.training.train_loop import PairStream, train
from mcsan_jax.training.train_step import TrainState
from mcsan_jax.training.validation import Validation
from tests.support.plain_decoding import expected_frames, expected_text
from tests.support.prepared_data import Prepared
from tests.training.runs import Interrupted, MakeExperiment, StopsBefore

LINEAR_BRANCH = {"linear_branch": True}


@pytest.fixture(scope="module")
def experiment(make_experiment: MakeExperiment) -> Experiment:
    return make_experiment(1, similarity=LINEAR_BRANCH)


@pytest.fixture(scope="module")
def train_reader(prepared: Prepared, config: Config) -> SplitReader:
    return SplitReader(prepared.folder, prepared.manifest, "train", batch_limits(config.data))


def branch_of(state: TrainState) -> dict[str, np.ndarray]:
    return jax.device_get(dict(state.statistics["linear_branch"]))


def affirmed_tokens(caption: EncodedCaption, limits: BatchLimits) -> np.ndarray:
    """The tokens without those of denied nodes and of their modifiers."""
    text = expected_text(caption, limits)
    denied: set[int] = set()
    for slot in np.flatnonzero(text["node_mask"] & text["node_negated"]):
        denied.update(range(*text["node_spans"][slot]))
        for modifier in np.flatnonzero(text["modifier_mask"] & (text["modifier_nodes"] == slot)):
            denied.update(range(*text["modifier_spans"][modifier]))
    read = caption.token_ids[: limits.max_tokens]
    return np.array([token for place, token in enumerate(read) if place not in denied], np.int64)


@pytest.mark.parametrize("most", [10**4, 11])
def test_the_branch_is_that_of_the_records(
    experiment: Experiment,
    prepared: Prepared,
    train_reader: SplitReader,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frames and tokens are those that the model is given, but for what captions deny; the first videos are taken."""
    monkeypatch.setattr(linear_start, "MOST_VIDEOS", most)
    state = fit_to_split(experiment, experiment.initial_state(), train_reader, None)
    assert "sentence_mean" not in state.statistics["linear_branch"]
    limits = experiment.config.data
    pooled, tokens, owners = [], [], []
    ids = [video for videos, _ in train_reader.video_batches(8) for video in videos]
    assert len(ids) == 21
    for owner, video in enumerate(ids[:most]):
        record = prepared.records["train"][video]
        frames, _ = expected_frames(record, prepared, limits.max_frames)
        exact = frames.astype(np.float64)
        pooled.append(np.concatenate([exact.mean(axis=0), exact.max(axis=0)]))
        for caption in record.captions:
            tokens.append(affirmed_tokens(caption, batch_limits(limits)))
            owners.append(owner)
    inputs, size = np.array(pooled), prepared.manifest.tokenizer.size
    split = TrainingSplit(inputs, tokens, np.array(owners), None, size, means=inputs.shape[1] // 2)
    expected = fit_linear_branch(split)
    found = branch_of(state)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_no_step_changes_the_branch_and_the_branch_no_step(
    experiment: Experiment, make_experiment: MakeExperiment, batches: TrainBatches, train_reader: SplitReader
) -> None:
    without = make_experiment(1)
    plain = without.initial_state()
    state = fit_to_split(experiment, experiment.initial_state(), train_reader, None)
    state = with_linear_share(state, 0.4)
    before = branch_of(state)
    assert before["share"] == np.float32(0.4) and before["tokens_to_words"].any()
    for batch in itertools.islice(batches.from_step(0), 2):
        state, metrics = experiment.train_step(state, put_batch(batch, experiment.mesh))
        plain, expected = without.train_step(plain, put_batch(batch, without.mesh))
        jax.tree.map(np.testing.assert_array_equal, metrics, expected)
    jax.tree.map(np.testing.assert_array_equal, branch_of(state), before)
    statistics = {name: value for name, value in state.statistics.items() if name != "linear_branch"}
    jax.tree.map(np.testing.assert_array_equal, dataclasses.replace(state, statistics=statistics), plain)


@pytest.mark.parametrize("planted", [0.25, 1.0])
def test_the_share_is_the_planted_one(planted: float) -> None:
    """Each side has the same signal with noise of its own; the best weight is the inverse ratio of the variances."""
    draw = np.random.default_rng(0)
    count = 300
    relevant = np.eye(count, dtype=bool)
    deviations = {"own": 1.0, "linear": 1.0 / np.sqrt(planted)}
    own, linear = (
        (3.0 * relevant + deviation * draw.normal(size=relevant.shape)).astype(np.float32)
        for deviation in deviations.values()
    )
    # The sum own + w · linear says most with w = planted; scores on another scale do not matter.
    for scale in (1.0, 100.0):
        share = best_share(own, linear / scale, relevant, prior=0.7)
        assert share / (1.0 - share) == pytest.approx(planted * scale, rel=0.3)


@pytest.mark.parametrize("prior", [0.1, 0.5, 2.0])
def test_few_videos_leave_the_prior_alone(prior: float) -> None:
    draw = np.random.default_rng(1)
    own, linear = draw.normal(size=(2, 2, 2)).astype(np.float32)
    share = best_share(own, linear, np.eye(2, dtype=bool), prior)
    weight = share / (1.0 - share) * linear.std() / own.std()
    assert weight == pytest.approx(prior, rel=0.5)


def test_a_score_that_tells_nothing_apart_has_no_say() -> None:
    relevant = np.eye(3, dtype=bool)
    flat = np.zeros((3, 3), np.float32)
    says = relevant.astype(np.float32)
    assert best_share(says, flat, relevant, 1.0) == best_share(flat, flat, relevant, 1.0) == 0.0
    assert 0.0 < best_share(flat, says, relevant, 1.0) < 1.0


def test_the_prior_falls_with_the_captions() -> None:
    found = [prior_weight(1000, captions) for captions in (0, 1, 750, 3000, 12000, 10**7)]
    assert found == [4.0, 4.0, 2.0, 1.0, 0.5, 0.1]


def test_few_videos_leave_the_score_to_the_closed_form() -> None:
    assert [prior_weight(videos, 3000) for videos in (0, 25, 50, 100)] == [4.0, 4.0, 1.0, 1.0]
    assert 1.0 < prior_weight(40, 3000) < 2.0


class Validates:
    """The evaluator of a run: validates, and prints nothing."""

    def __init__(self, experiment: Experiment, prepared: Prepared, reader: SplitReader) -> None:
        limits = batch_limits(experiment.config.data)
        held_out = TrainBatches(prepared.folder, prepared.manifest, "val", 8, limits, seed=3)
        self._validate = Validation(experiment, reader, "val", held_out, 1)
        self.shares: list[float] = []
        self.evaluations: list[Evaluation] = []

    def __call__(self, state: TrainState, step: int) -> tuple[TrainState, Evaluation, dict[str, float], str]:
        with jax.transfer_guard("allow"):
            state, evaluation, losses = self._validate(state)
        self.shares.append(losses["linear_share"])
        self.evaluations.append(evaluation)
        return state, evaluation, losses, f"step {step}"


@pytest.mark.slow
def test_a_resumed_run_keeps_its_branch_and_its_share(
    experiment: Experiment,
    prepared: Prepared,
    batches: TrainBatches,
    reader: SplitReader,
    train_reader: SplitReader,
    tmp_path: pathlib.Path,
) -> None:
    """To the last bit, and it is fitted once; the checkpoint holds what was evaluated."""
    fitted = []

    def start(state: TrainState, states: TokenStateCache | None) -> TrainState:
        fitted.append(int(state.step))
        return fit_to_split(experiment, state, train_reader, states)

    def run(batches: PairStream, folder: pathlib.Path) -> tuple[TrainState, Validates]:
        folder.mkdir(exist_ok=True)
        validates = Validates(experiment, prepared, reader)
        with CheckpointStore(folder / "checkpoints") as checkpoints:
            state = train(experiment, batches, validates, checkpoints, folder, starter=start)
            checkpoints.wait()
            saved = checkpoints.restore(9, like=experiment.state_maker.abstract)
        jax.tree.map(np.testing.assert_array_equal, *jax.device_get((saved, state)))
        return jax.device_get(state), validates

    whole, validated = run(batches, tmp_path / "whole")
    branch = branch_of(whole)
    assert fitted == [0] and branch["frames_to_words"].any()
    assert len(validated.shares) == 2 and branch["share"] == np.float32(validated.shares[-1])
    assert 0.0 < validated.shares[-1] < 1.0
    with pytest.raises(Interrupted):
        run(StopsBefore(batches, 7), tmp_path / "stopped")
    resumed, again = run(batches, tmp_path / "stopped")
    assert fitted == [0, 0]
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    assert again.shares == validated.shares[1:] and again.evaluations == validated.evaluations[1:]
    # What is opened for use scores with the same share.
    parameters = experiment.encoders.scoring_parameters(variables_of(resumed))
    assert parameters.linear_share == branch["share"]
    assert {FUSED, LINEAR} <= set(again.evaluations[-1].directions)
