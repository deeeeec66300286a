import dataclasses
import json
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import TextBatch
from data_pipeline.levels import ENTITY, LEVELS
from mcsan_jax.config import EvaluationConfig, SimilarityConfig
from mcsan_jax.evaluation.evaluate_split import EvaluatedSplit, evaluate_split
from mcsan_jax.evaluation.query_table import QueryTable, read_query_table, write_query_table
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.ranking.encode_split import make_encoders
from mcsan_jax.ranking.rank_split import rank_split
from mcsan_jax.ranking.ranks import RankCounter, text_to_video_ranks, video_to_text_ranks
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED, LINEAR, ablations
from mcsan_jax.sharding import make_mesh
from tests.support.memory_split import CAPTIONS, VIDEOS, Captions, MemorySplit, Setting, scored_split
from tests.support.tiny_model import SHAPE, random_batch, random_variables

COUNTS = {level: range(size, 0, -1) for level, size in SHAPE.attributes}


def look(setting: Setting, split: MemorySplit, file: pathlib.Path | None, **values: object) -> EvaluatedSplit:
    sizes = EvaluationConfig(encode_batch=8, encoded_bytes=9_000, **values)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    return evaluate_split(scored_split(setting, split, config), config, COUNTS, file, ablate=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("scores") / "new" / "test.npy"


@pytest.fixture(scope="module")
def evaluated(setting: Setting, split: MemorySplit, file: pathlib.Path) -> EvaluatedSplit:
    return look(setting, split, file)


@pytest.fixture(scope="module")
def queries(evaluated: EvaluatedSplit, tmp_path_factory: pytest.TempPathFactory) -> QueryTable:
    path = tmp_path_factory.mktemp("queries") / "test.parquet"
    write_query_table(path, evaluated.queries)
    return read_query_table(path)


def test_the_figures_are_those_of_an_evaluation(
    setting: Setting, split: MemorySplit, evaluated: EvaluatedSplit
) -> None:
    sizes = EvaluationConfig(encode_batch=8)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    plain = rank_split(scored_split(setting, split, config))
    found = json.loads(json.dumps(dataclasses.asdict(evaluated.evaluation)))
    for direction in ("t2v", "v2t"):
        fused = found["directions"]["fused"][direction]
        assert 0 < fused.pop("mAP") <= 100 and 0 < fused.pop("nDCG@10") <= 100
        low, high = evaluated.details["intervals"][direction]["R@5"]
        assert low <= fused["R@5"] <= high
    assert found == dataclasses.asdict(plain)


def test_the_matrix_of_scores_is_written_on_request(
    evaluated: EvaluatedSplit, matrices: dict[str, np.ndarray], file: pathlib.Path
) -> None:
    np.testing.assert_allclose(np.load(file, allow_pickle=False), matrices[FUSED], atol=1e-6)
    assert list(file.parent.iterdir()) == [file]


def test_queries_carry_ranks_and_best_answers(
    queries: QueryTable, split: MemorySplit, file: pathlib.Path, matrices: dict[str, np.ndarray]
) -> None:
    scores = np.load(file, allow_pickle=False)
    captions, videos = queries.of_direction("t2v"), queries.of_direction("v2t")
    assert list(captions["query"]) == [f"caption{row}" for row in range(CAPTIONS)]
    assert list(captions["video"]) == [f"video{owner}" for owner in split.owners]
    ranks = text_to_video_ranks(scores, split.owners)
    np.testing.assert_array_equal(captions["rank"], ranks.expected_rank())
    np.testing.assert_allclose(captions["ap"], 1 / ranks.expected_rank())
    expected = text_to_video_ranks(matrices[ENTITY], split.owners).expected_rank()
    np.testing.assert_array_equal(captions["rank_entity"], expected)
    np.testing.assert_array_equal(captions["relevant_score"], scores[split.owners, np.arange(CAPTIONS)])
    np.testing.assert_array_equal(captions["nodes_entity"] > 0, np.any(matrices[ENTITY] != 0, axis=0))
    for row in range(CAPTIONS):
        order = np.argsort(-scores[:, row], kind="stable")
        assert captions["answers"][row] == [f"video{video}" for video in order]
        np.testing.assert_array_equal(np.float32(captions["answer_scores"][row]), scores[order, row])
    np.testing.assert_array_equal(videos["rank"], video_to_text_ranks(scores, split.owners).expected_rank())
    assert len(videos) == VIDEOS and all(text is None for text in videos["text"])
    assert videos["relevant_items"][3] == [f"caption{row}" for row in np.flatnonzero(split.owners == 3)]


def test_details_fit_the_scores(evaluated: EvaluatedSplit, split: MemorySplit, file: pathlib.Path) -> None:
    scores = np.load(file, allow_pickle=False)
    details = json.loads(json.dumps(evaluated.details))
    assert set(details["level_weights"]) == set(LEVELS)
    densities = details["densities"]
    assert sum(densities["matched"]) == CAPTIONS
    assert sum(densities["matched"]) + sum(densities["others"]) == scores.size
    everything = np.histogram(scores, densities["edges"])[0]
    np.testing.assert_allclose(np.add(densities["matched"], densities["others"]), everything, atol=1)
    ranks = text_to_video_ranks(scores, split.owners).expected_rank()
    worst = details["failure_cases"]
    assert [query["rank"] for query in worst] == sorted(ranks[ranks > 1], reverse=True)[: len(worst)]
    for query in worst:
        caption = int(query["query"].removeprefix("caption"))
        best = [video for video in np.argsort(-scores[:, caption]) if video != split.owners[caption]]
        assert [each["video"] for each in query["returned"]] == [f"video{video}" for video in best[:3]]
        gaps = {
            level: details["level_weights"][level]
            * (query["components"][level]["returned"] - query["components"][level]["relevant"])
            for level in LEVELS
        }
        assert query["blame"] == max(gaps, key=lambda level: gaps[level])
        relevant = query["components"]["fused"]["relevant"]
        assert relevant == pytest.approx(scores[split.owners[caption], caption], abs=1e-6)
    assert details["hubs"]["t2v"]["k"] == 10 and len(details["hubs"]["v2t"]["top"]) == 10
    for level, thirds in details["attributes"].items():
        assert set(thirds) <= {"frequent", "medium", "rare"}, level
        assert all(0 < third["mAP"] <= 100 for third in thirds.values())


def test_an_ablation_leaves_out_each_level(
    evaluated: EvaluatedSplit, matrices: dict[str, np.ndarray], split: MemorySplit
) -> None:
    rows = {row["name"]: row for row in evaluated.details["ablation"]}
    names = ["as trained", *(f"only {name}" for name in (*LEVELS, "attributes"))]
    names += [f"without {level}" for level in LEVELS]
    names += ["missing levels count as zero", "without attributes"]
    assert list(rows) == names
    assert set(evaluated.evaluation.directions) == {FUSED, *LEVELS, "attributes"}


def test_fusions_equal_their_formulas(
    setting: Setting, split: MemorySplit, matrices: dict[str, np.ndarray]
) -> None:
    config = setting.config
    scorer = scored_split(setting, split, config).scorer.with_fusions(ablations(config))
    scores = scorer.scores_of(np.arange(VIDEOS), np.arange(CAPTIONS))
    present = {level: np.any(matrices[level] != 0, axis=0) for level in LEVELS}
    assert not all(of_level.all() for of_level in present.values())
    agreement = 0.2 * matrices["attributes"]
    weights = {level: float(w) for level, w in scorer.parameters.level_weights.items()}

    def fused(levels: list[str], shares: dict[str, np.ndarray]) -> np.ndarray:
        total = np.maximum(sum(weights[level] * shares[level] for level in levels), 1e-30)
        return sum(weights[level] * matrices[level] for level in levels) / total

    for left_out in LEVELS:
        mean = fused([level for level in LEVELS if level != left_out], present)
        np.testing.assert_allclose(scores[f"without {left_out}"], 0.8 * mean + agreement, atol=1e-6)
    all_present = {level: np.ones(CAPTIONS) for level in LEVELS}
    of_all = 0.8 * fused(list(LEVELS), all_present) + agreement
    np.testing.assert_allclose(scores["missing levels count as zero"], of_all, atol=1e-6)
    np.testing.assert_allclose(scores["without attributes"], fused(list(LEVELS), present), atol=1e-6)


def rsum_of(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Rsum of scores [v, t] without ties, from which of the pairs [v, t] are relevant."""
    rsum = 0.0
    for own, right in ((scores.T, relevant.T), (scores, relevant)):
        best = np.where(right, own, -np.inf).max(axis=1, keepdims=True)
        places = 1 + np.sum(own > best, axis=1)
        rsum += sum(100 * float(np.mean(places <= k)) for k in (1, 5, 10))
    return rsum


@pytest.mark.parametrize("rule", ["relevant", "wrong"])
def test_the_same_text_is_relevant_or_wrong_as_the_config_says(
    setting: Setting, split: MemorySplit, matrices: dict[str, np.ndarray], rule: str
) -> None:
    """Three captions each say the same; both rules' Rsum is told, and what is exported follows the rule."""
    texts = [f"text {row % 9}" for row in range(CAPTIONS)]
    found = look(setting, Repeating.of(split, texts), None, same_text=rule)
    own = split.owners[None] == np.arange(VIDEOS)[:, None]
    same = np.array(texts)[:, None] == np.array(texts)[None]
    relevant = {"wrong": own, "relevant": (own.astype(int) @ same) > 0}
    rsums = {name: rsum_of(matrices[FUSED], pairs) for name, pairs in relevant.items()}
    assert rsums["wrong"] < rsums["relevant"]
    assert found.evaluation.rsum == pytest.approx(rsums[rule])
    assert (found.evaluation.captions, found.captions) == (CAPTIONS, CAPTIONS)
    shared = found.details["false_negatives"]
    told = shared["rsum_merged"], shared["rsum_apart"]
    assert told == pytest.approx((rsums["relevant"], rsums["wrong"]))
    assert sum(found.details["densities"]["matched"]) == relevant[rule].sum()
    for row in range(CAPTIONS):
        assert found.queries["video"][row] == f"video{split.owners[row]}"
        assert found.queries["relevant_items"][row] == [
            f"video{video}" for video in np.flatnonzero(relevant[rule][:, row])
        ]


def test_the_fused_score_is_compared_with_the_linear_branch(
    setting: Setting, split: MemorySplit, evaluated: EvaluatedSplit
) -> None:
    """The interval is that of a bootstrap over videos which draws the same ones for both scores."""
    assert evaluated.details["over_linear"] is None
    config = dataclasses.replace(setting.config, similarity=SimilarityConfig(linear_branch=True))
    model = MCSAN(config, SHAPE)
    variables = random_variables(model, random_batch(2))
    variables["statistics"]["linear_branch"]["share"] = np.float32(0.3)
    with_branch = Setting(model, variables, make_encoders(model, make_mesh(jax.devices()[:1])), config)
    scored = scored_split(with_branch, split, config)
    found = evaluate_split(scored, config, COUNTS)
    scores = scored.scorer.scores_of(np.arange(VIDEOS), np.arange(CAPTIONS))
    draw = np.random.default_rng(0)
    times = draw.multinomial(VIDEOS, np.full(VIDEOS, 1 / VIDEOS), 2000)
    sums = {}
    for component in (FUSED, LINEAR):
        t2v = text_to_video_ranks(scores[component], split.owners)
        v2t = video_to_text_ranks(scores[component], split.owners)
        sums[component] = sum(
            100
            * np.average(np.broadcast_to(ranks.hit_probability(k), weights.shape), axis=1, weights=weights)
            for ranks, weights in ((t2v, times[:, split.owners]), (v2t, times))
            for k in (1, 5, 10)
        )
    lead = found.details["over_linear"]
    directions = found.evaluation.directions
    assert lead["rsum"] == pytest.approx(directions[FUSED]["rsum"] - directions[LINEAR]["rsum"])
    assert lead["rsum"] != 0
    assert lead["interval"] == pytest.approx(np.quantile(sums[FUSED] - sums[LINEAR], (0.025, 0.975)))
    assert all(LINEAR in case["components"] for case in found.details["failure_cases"])


class Repeating(MemorySplit):
    """A split with other texts."""

    texts_instead: list[str]

    @classmethod
    def of(cls, split: MemorySplit, texts: list[str]) -> "Repeating":
        made = cls(**{field.name: getattr(split, field.name) for field in dataclasses.fields(split)})
        object.__setattr__(made, "texts_instead", texts)
        return made

    def caption_batches(self, batch_size: int) -> Iterator[tuple[Captions, TextBatch]]:
        start = 0
        for info, batch in super().caption_batches(batch_size):
            texts = self.texts_instead[start : start + len(info.texts)]
            start += len(texts)
            yield dataclasses.replace(info, texts=texts), batch


def test_captions_of_the_same_text_can_be_one_query(
    setting: Setting, split: MemorySplit, matrices: dict[str, np.ndarray]
) -> None:
    """Captions 0 and 1 say the same, of different videos."""
    twice = Repeating.of(split, ["text 0", "text 0", *(f"text {row}" for row in range(2, CAPTIONS))])
    assert split.owners[0] != split.owners[1]
    merged = look(setting, twice, None, merge_duplicates=True)
    assert (merged.evaluation.captions, merged.captions) == (CAPTIONS - 1, CAPTIONS)
    assert sum(merged.evaluation.foils.values()) == CAPTIONS
    kept = [0, *range(2, CAPTIONS)]
    videos = np.array([split.owners[1], *split.owners[kept]])
    texts = np.array([0, *range(CAPTIONS - 1)])
    counter = RankCounter(Matches(videos, texts, VIDEOS, CAPTIONS - 1))
    scores = matrices[FUSED][:, kept]
    everywhere = slice(0, VIDEOS), slice(0, CAPTIONS - 1)
    counter.see_matches(scores, *everywhere)
    counter.count(scores, *everywhere)
    fused = merged.evaluation.directions[FUSED]
    assert fused["t2v"]["MnR"] == pytest.approx(counter.text_to_video().expected_rank().mean())
    assert fused["v2t"]["MnR"] == pytest.approx(counter.video_to_text().expected_rank().mean())
    apart = look(setting, twice, None)
    assert apart.details["false_negatives"]["queries"] == 2
    assert apart.details["false_negatives"]["rsum_merged"] >= apart.evaluation.rsum
