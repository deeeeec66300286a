import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import PairBatch, TextBatch, VideoBatch
from data_pipeline.batches.pipeline import SplitReader, TrainBatches
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.ranking.encode_split import encode_split
from mcsan_jax.ranking.rank_split import ScoredSplit, rank_split
from mcsan_jax.ranking.readable_split import CaptionRows, FoilRows
from mcsan_jax.scoring.multi_level import FUSED, LINEAR
from mcsan_jax.sharding import put_batch
from mcsan_jax.training.experiment import Experiment, variables_of
from mcsan_jax.training.linear_start import best_share, choose_linear_share, fit_to_split, prior_weight
from mcsan_jax.training.objective import make_objective
from mcsan_jax.training.train_step import TrainState
from mcsan_jax.training.validation import Validation
from tests.support.counted_encoders import CountedEncoders
from tests.support.prepared_data import Prepared
from tests.training.runs import MakeExperiment, with_same_programs

FOUR_LEVELS = {"levels": ("global", "entity", "action", "relationship")}
SPLIT = "train"
"""21 videos: of the validation split, one batch would be all."""


@pytest.fixture(scope="module")
def whole_reader(prepared: Prepared, config: Config) -> SplitReader:
    return SplitReader(prepared.folder, prepared.manifest, SPLIT, batch_limits(config.data))


def pairs(prepared: Prepared, config: Config, captions: int) -> TrainBatches:
    limits = batch_limits(config.data)
    return TrainBatches(
        prepared.folder, prepared.manifest, SPLIT, 8, limits, seed=3, captions_per_video=captions
    )


def losses_of_training(experiment: Experiment, batches: TrainBatches) -> dict[str, float]:
    """What a training step without dropout computes, on one device, in three batches; the last has five videos."""
    objective = make_objective(experiment.config, experiment.mesh)

    @jax.jit
    def losses_of(state: TrainState, batch: PairBatch) -> dict[str, jax.Array]:
        encoded = experiment.model.apply(variables_of(state), batch, train=False)
        total, terms = objective(*encoded, batch, None)
        return {"loss": total, **{f"loss/{name}": value for name, value in terms.items()}}

    state = experiment.initial_state()
    epoch = list(itertools.islice(batches.from_step(0), 3))
    videos = [int(np.sum(batch.example_mask)) for batch in epoch]
    assert videos == [8, 8, 5]
    found = [jax.device_get(losses_of(state, put_batch(batch, experiment.mesh))) for batch in epoch]
    return {name: float(np.average([losses[name] for losses in found], weights=videos)) for name in found[0]}


@pytest.mark.parametrize(
    ("devices", "captions", "model"),
    [
        pytest.param(1, 1, {}, id="1"),
        pytest.param(8, 1, {}, id="8"),
        pytest.param(1, 2, FOUR_LEVELS, id="levels", marks=pytest.mark.slow),
    ],
)
def test_the_loss_is_that_of_training_without_dropout(
    make_experiment: MakeExperiment,
    prepared: Prepared,
    config: Config,
    whole_reader: SplitReader,
    devices: int,
    captions: int,
    model: dict[str, object],
) -> None:
    experiment = make_experiment(devices, model=model)
    batches = pairs(prepared, config, captions)
    validate = Validation(experiment, whole_reader, SPLIT, batches, batches.steps_per_epoch)
    state = experiment.initial_state()
    same, evaluation, losses = validate(state)
    expected = losses_of_training(make_experiment(1, model=model), batches)
    assert {"loss", "loss/ranking", "loss/fbce/entity", "loss/kl/entity"} <= set(losses)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert same is state and validate(state)[1:] == (evaluation, losses)

    alone = encode_split(experiment.encoders, variables_of(state), whole_reader, 8, SPLIT)
    assert evaluation == rank_split(ScoredSplit.of(alone, experiment.config))


@dataclasses.dataclass(frozen=True)
class OneText:
    """A split whose captions all say the same."""

    split: SplitReader

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        return self.split.video_batches(batch_size)

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        for rows, batch in self.split.caption_batches(batch_size):
            yield dataclasses.replace(rows, texts=["a dog runs"] * len(rows.ids)), batch

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        return self.split.foil_batches(batch_size)


def test_checkpoints_are_chosen_by_the_rule_for_the_same_text(
    make_experiment: MakeExperiment, prepared: Prepared, config: Config, whole_reader: SplitReader
) -> None:
    """If all captions say the same, every answer is right, or all but a video's own are wrong."""
    experiment, batches = make_experiment(1), pairs(prepared, config, 1)
    state = experiment.initial_state()
    rsum = {}
    for rule in ("relevant", "wrong"):
        ruled = with_same_programs(experiment, evaluation={"same_text": rule})
        validate = Validation(ruled, OneText(whole_reader), SPLIT, batches, batches.steps_per_epoch)
        _, evaluation, _ = validate(state)
        rsum[rule] = evaluation.rsum
    assert rsum["relevant"] == 600 and rsum["wrong"] < 500


def test_the_share_of_the_linear_branch_is_chosen_by_the_same_rule(
    make_experiment: MakeExperiment, whole_reader: SplitReader
) -> None:
    """If all captions say the same and every answer is right, the scores tell nothing, and the prior decides."""
    experiment = make_experiment(1, similarity={"linear_branch": True})
    state = fit_to_split(experiment, experiment.initial_state(), whole_reader, None)
    encoded = encode_split(experiment.encoders, variables_of(state), OneText(whole_reader), 8, SPLIT)
    shares = {
        rule: choose_linear_share(encoded, with_same_programs(experiment, evaluation={"same_text": rule}))
        for rule in ("relevant", "wrong")
    }
    scorer = ScoredSplit.of(encoded, experiment.config).scorer
    scores = scorer.scores_of(*(np.arange(count) for count in scorer.shape))
    split = experiment.manifest.splits[SPLIT]
    prior = prior_weight(split.videos, split.captions)
    assert float(encoded.parameters.linear_share) == 0
    everything = np.ones(scorer.shape, bool)
    assert shares["relevant"] == pytest.approx(best_share(scores[FUSED], scores[LINEAR], everything, prior))
    assert shares["relevant"] != shares["wrong"]


def test_each_video_and_caption_is_encoded_once(
    make_experiment: MakeExperiment, prepared: Prepared, config: Config, whole_reader: SplitReader
) -> None:
    experiment = make_experiment(1)
    encoders = CountedEncoders(experiment.encoders)
    batches = pairs(prepared, config, 1)
    counting = dataclasses.replace(experiment, encoders=encoders.counted)
    validate = Validation(counting, whole_reader, SPLIT, batches, batches.steps_per_epoch)
    validate(experiment.initial_state())
    assert encoders.videos.total() == whole_reader.videos == 21
    assert encoders.texts.total() == whole_reader.captions + whole_reader.foils
