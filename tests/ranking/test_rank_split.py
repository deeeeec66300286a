import dataclasses

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.levels import ENTITY
from mcsan_jax.config import Config, EvaluationConfig
from mcsan_jax.evaluation.evaluate_split import evaluate_split
from mcsan_jax.evaluation.tables import render_table
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.encode_split import encode_split, make_encoders
from mcsan_jax.ranking.metrics import retrieval_metrics
from mcsan_jax.ranking.rank_split import Evaluation, ScoredSplit, rank_split
from mcsan_jax.ranking.ranks import text_to_video_ranks, video_to_text_ranks
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.sharding import make_mesh
from tests.support.memory_split import CAPTIONS, COMPONENTS, VIDEOS, MemorySplit, Setting, scored_split


def run(setting: Setting, split: MemorySplit, encoded_bytes: int = 2**20) -> Evaluation:
    sizes = EvaluationConfig(encode_batch=8, encoded_bytes=encoded_bytes)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    return rank_split(scored_split(setting, split, config))


@pytest.fixture(scope="module")
def evaluation(setting: Setting, split: MemorySplit) -> Evaluation:
    return run(setting, split)


def test_figures_equal_those_of_the_whole_matrix(
    evaluation: Evaluation, matrices: dict[str, np.ndarray], split: MemorySplit
) -> None:
    assert (evaluation.videos, evaluation.captions) == (VIDEOS, CAPTIONS)
    assert set(evaluation.directions) == COMPONENTS
    for component, figures in evaluation.directions.items():
        t2v = retrieval_metrics(text_to_video_ranks(matrices[component], split.owners))
        v2t = retrieval_metrics(video_to_text_ranks(matrices[component], split.owners))
        assert figures["t2v"] == pytest.approx(t2v), component
        assert figures["v2t"] == pytest.approx(v2t), component
        total = sum(direction[f"R@{k}"] for direction in (t2v, v2t) for k in (1, 5, 10))
        assert figures["rsum"] == pytest.approx(total), component
    assert evaluation.rsum == evaluation.directions[FUSED]["rsum"]
    assert evaluation.directions[ENTITY]["t2v"]["tied_fraction"] > 0
    assert evaluation.directions[FUSED]["t2v"]["tied_fraction"] == 0


@pytest.mark.parametrize("encoded_bytes", [1, 9_000, 30_000])
def test_block_sizes_change_nothing(
    setting: Setting, split: MemorySplit, evaluation: Evaluation, encoded_bytes: int
) -> None:
    assert run(setting, split, encoded_bytes) == evaluation


def test_foils(evaluation: Evaluation, matrices: dict[str, np.ndarray], split: MemorySplit) -> None:
    """A foil with the true caption's own text ties in every component, and ties count half."""
    assert evaluation.foils == {"other": 13, "same": 14}
    assert set(evaluation.compositional) == COMPONENTS
    true = np.arange(1, CAPTIONS, 2)
    foil = (true + 5) % CAPTIONS
    for component, figures in evaluation.compositional.items():
        assert figures["same"] == 50.0
        difference = (
            matrices[component][split.owners[true], true] - matrices[component][split.owners[true], foil]
        )
        wins = np.where(difference == 0, 0.5, difference > 0)
        assert figures["other"] == pytest.approx(100 * wins.mean()), component


def test_the_table_shows_every_figure(evaluation: Evaluation) -> None:
    table = render_table(evaluation, ["tiny, split test"])
    for figures in evaluation.directions.values():
        assert f"| {figures['rsum']:.1f} " in table
        for direction in (figures["t2v"], figures["v2t"]):
            assert all(f"| {direction[key]:.1f} " in table for key in ("R@1", "R@5", "R@10", "MedR", "MnR"))


def test_devices_share_the_encoding(setting: Setting, split: MemorySplit, evaluation: Evaluation) -> None:
    assert len(jax.devices()) == 8
    encoders = make_encoders(setting.model, make_mesh())
    assert run(dataclasses.replace(setting, encoders=encoders), split) == evaluation


def scored_on(
    setting: Setting, split: MemorySplit, devices: int, encoded_bytes: int
) -> tuple[ScoredSplit, Config]:
    """Encoded by one device and compared by some."""
    sizes = EvaluationConfig(encode_batch=8, encoded_bytes=encoded_bytes)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    encoded = encode_split(setting.encoders, setting.variables, split, sizes.encode_batch, "test")
    mesh = make_mesh(jax.devices()[:devices])
    return ScoredSplit.of(dataclasses.replace(encoded, mesh=mesh), config), config


@pytest.mark.parametrize("devices", [2, 4, 8])
@pytest.mark.parametrize("encoded_bytes", [4_000, 2**20])
def test_devices_share_the_ranking(
    setting: Setting, split: MemorySplit, devices: int, encoded_bytes: int
) -> None:
    """Scores are the same to the last bit, and so are ranks and ties, whether or not the devices fill a block."""
    alone, config = scored_on(setting, split, 1, encoded_bytes)
    shared, _ = scored_on(setting, split, devices, encoded_bytes)
    expected, found = (evaluate_split(scored, config, {}) for scored in (alone, shared))
    assert found.evaluation == expected.evaluation
    assert found.evaluation.directions[ENTITY]["t2v"]["tied_fraction"] > 0
    assert found.details == expected.details
    for name, column in expected.queries.items():
        for one, other in zip(found.queries[name], column, strict=True):
            assert np.array_equal(one, other), name


def test_each_device_holds_captions_of_its_own(setting: Setting, split: MemorySplit) -> None:
    alone, _ = scored_on(setting, split, 1, 4_000)
    shared, _ = scored_on(setting, split, 4, 4_000)
    widths, together = (
        [columns.stop - columns.start for (_, columns), *_ in scored.scorer.blocks()]
        for scored in (alone, shared)
    )
    assert len(widths) > 1 and together[0] == sum(widths[:4])
    texts = shared.scorer.texts_on_devices(slice(0, together[0]))
    assert texts.pooled is not None
    assert [shard.data.shape[0] for shard in texts.pooled.addressable_shards] == [widths[0]] * 4
    assert len({shard.device for shard in texts.pooled.addressable_shards}) == 4


@pytest.mark.parametrize("devices", [1, 2])
def test_videos_stay_on_the_devices(setting: Setting, split: MemorySplit, devices: int) -> None:
    """Once every video was compared, captions alone go to the devices, for whoever compares the same videos."""
    scored, config = scored_on(setting, split, devices, 4_000)
    scorer = scored.scorer
    first, second, *_ = scorer.blocks()
    assert len(first) > 1
    before = [scores[FUSED] for _, scores in scorer.scores(first)]
    again = BlockScorer(scorer.videos, scorer.texts, scorer.parameters, config, mesh=scorer.mesh)
    for strip in (second, first):
        again.texts_on_devices(strip[0][1])
        with jax.transfer_guard_host_to_device("disallow_explicit"):
            found = [scores[FUSED] for _, scores in again.scores(strip)]
    for one, other in zip(before, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_scores_that_are_not_numbers_raise(setting: Setting, split: MemorySplit) -> None:
    params = {**setting.variables["params"], "level_weight_logits": np.full(4, np.nan, np.float32)}
    broken = dataclasses.replace(setting, variables={**setting.variables, "params": params})
    weights = dataclasses.replace(setting.config.similarity, learn_level_weights=True)
    broken = dataclasses.replace(broken, config=dataclasses.replace(setting.config, similarity=weights))
    with pytest.raises(ValueError, match="scores must be finite"):
        run(broken, split)


def test_an_empty_split_is_refused(setting: Setting, split: MemorySplit) -> None:
    no_videos = jax.tree.map(lambda array: array[:0], split.videos)
    with pytest.raises(InputError, match="no videos in split 'test'"):
        run(setting, dataclasses.replace(split, videos=no_videos))
    empty = dataclasses.replace(split, owners=split.owners[:0])
    with pytest.raises(InputError, match="no captions in split 'test'"):
        run(setting, empty)
