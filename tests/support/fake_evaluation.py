"""What an evaluation finds, from random scores that are ranked and summed up as real ones are."""

import copy
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.levels import LEVELS, NODE_LEVELS
from mcsan_jax.calibration.fit import fit_calibration, judge_calibration
from mcsan_jax.calibration.judged_queries import JudgedQueries
from mcsan_jax.evaluation.foil_figures import PREPARED, AskedFoils
from mcsan_jax.evaluation.significance import bootstrap_intervals, query_values
from mcsan_jax.ranking.counting import ScoreDensities
from mcsan_jax.ranking.foil_answers import FoilAnswers
from mcsan_jax.ranking.metrics import whole_list_metrics
from mcsan_jax.ranking.occurrences import TopAnswers, hub_summary
from mcsan_jax.ranking.pair_ranks import PairCounter
from mcsan_jax.ranking.rank_split import Evaluation, figures_of
from mcsan_jax.ranking.ranks import RankCounter
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED

ANSWERS = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """Ids of videos and captions, what the captions say, and the index of each caption's video."""

    videos: list[str]
    captions: list[str]
    texts: list[str]
    owners: np.ndarray

    @classmethod
    def numbered(cls, videos: int, captions_each: int) -> "Clips":
        names = [f"clip{video:02}" for video in range(videos)]
        captions = [f"{name}#{number}" for name in names for number in range(captions_each)]
        texts = [f"what happens in {caption}" for caption in captions]
        return cls(names, captions, texts, np.repeat(np.arange(videos), captions_each))


SMALL = Clips.numbered(12, 3)


class Ranked:
    """Random scores of each level, higher for matched pairs, and the fused ones; and how they rank.

    `better` raises the scores of matched pairs: of the same seed, no rank is worse then, and most are better.
    """

    def __init__(self, clips: Clips, seed: int, better: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.clips = clips
        self.matches = Matches.of_owners(clips.owners, len(clips.videos))
        matched = clips.owners[None] == np.arange(len(clips.videos))[:, None]
        levels = {
            level: 0.2 * random.standard_normal(matched.shape) + 0.05 * (place + better) * matched
            for place, level in enumerate(LEVELS)
        }
        fused = np.mean(list(levels.values()), axis=0)
        self.scores = {
            component: scores.clip(-1, 1).astype(np.float32)
            for component, scores in {FUSED: fused, **levels}.items()
        }
        self.counters = {component: RankCounter(self.matches) for component in self.scores}
        self.pairs, self.densities = PairCounter(self.matches), ScoreDensities(self.matches)
        self.answers = TopAnswers(ANSWERS, *matched.shape)
        whole = slice(0, matched.shape[0]), slice(0, matched.shape[1])
        for counter, scores in zip(self.counters.values(), self.scores.values(), strict=True):
            counter.see_matches(scores, *whole)
            counter.count(scores, *whole)
        self.pairs.see_matches(self.scores[FUSED], *whole)
        for fused_counter in (self.pairs, self.densities, self.answers):
            fused_counter.count(self.scores[FUSED], *whole)


@functools.cache
def _ranked(clips: Clips, seed: int, better: int) -> Ranked:
    return Ranked(clips, seed, better)


def query_columns(clips: Clips = SMALL, seed: int = 0, better: int = 0) -> dict[str, Any]:
    """The columns of ``eval/<split>_queries.parquet``: first all captions, then all videos."""
    ranked = _ranked(clips, seed, better)
    fused = ranked.counters[FUSED]
    pairs = (ranked.pairs.text_to_video(), ranked.pairs.video_to_text())
    best = [of_direction.best() for of_direction in pairs]
    answers = (ranked.answers.text_to_video(), ranked.answers.video_to_text())
    captions, unknown = len(clips.captions), [None] * len(clips.videos)
    nodes = np.random.default_rng(6).integers(0, 5, (len(NODE_LEVELS), captions))
    own = [[clips.captions[row] for row in rows] for rows in ranked.matches.texts_of_videos()]
    return {
        "direction": ["t2v"] * captions + ["v2t"] * len(clips.videos),
        "query": clips.captions + clips.videos,
        "text": clips.texts + unknown,
        "video": [clips.videos[owner] for owner in clips.owners] + clips.videos,
        "words": [len(text.split()) for text in clips.texts] + unknown,
        **{
            f"nodes_{level}": counts.tolist() + unknown
            for level, counts in zip(NODE_LEVELS, nodes, strict=True)
        },
        "relevant_score": np.concatenate([fused.best_of_text, fused.best_of_video]),
        **{
            name: np.concatenate([getattr(ranks, name) for ranks in best])
            for name in ("greater", "tied", "relevant")
        },
        "rank": np.concatenate([ranks.expected_rank() for ranks in best]),
        **{
            f"rank_{component}": np.concatenate(
                [counter.text_to_video().expected_rank(), counter.video_to_text().expected_rank()]
            )
            for component, counter in ranked.counters.items()
        },
        "ap": np.concatenate([of_direction.average_precision() for of_direction in pairs]),
        "ndcg10": np.concatenate([of_direction.ndcg(10) for of_direction in pairs]),
        "relevant_items": [[clips.videos[owner]] for owner in clips.owners] + own,
        "answers": [
            [names[item] for item in items if item >= 0]
            for of_direction, names in zip(answers, (clips.videos, clips.captions), strict=True)
            for items in of_direction.items
        ],
        "answer_scores": [
            scores[items >= 0].tolist()
            for of_direction in answers
            for items, scores in zip(of_direction.items, of_direction.scores, strict=True)
        ],
    }


def evaluation_of(clips: Clips, seed: int, better: int = 0) -> tuple[Evaluation, dict[str, Any]]:
    """The figures of ``eval/<split>.json``, and all that explains them."""
    ranked = _ranked(clips, seed, better)
    directions = {component: figures_of(counter) for component, counter in ranked.counters.items()}
    pairs = {"t2v": ranked.pairs.text_to_video(), "v2t": ranked.pairs.video_to_text()}
    for direction, of_direction in pairs.items():
        directions[FUSED][direction] |= whole_list_metrics(of_direction)
    evaluation = Evaluation(
        videos=len(clips.videos),
        captions=len(clips.captions),
        directions=directions,
        compositional={component: {"action": 91.5, "entity": 73.25} for component in directions},
        foils={"action": 200, "entity": 240},
    )
    owners = {"t2v": clips.owners, "v2t": np.arange(len(clips.videos))}
    values = {
        direction: query_values(
            of_direction.best(), owners[direction], of_direction.average_precision(), of_direction.ndcg(10)
        )
        for direction, of_direction in pairs.items()
    }
    hubs = {
        "t2v": hub_summary(ranked.answers.text_to_video().items, clips.videos),
        "v2t": hub_summary(ranked.answers.video_to_text().items, clips.captions),
    }
    details = {
        "intervals": bootstrap_intervals(values, resamples=100),
        "foil_tests": [foil_test(list(directions))],
        "level_weights": dict.fromkeys(LEVELS, 1 / len(LEVELS)),
        "attributes": attributes(seed),
        "densities": ranked.densities.summary(),
        "calibration": copy.deepcopy(calibration_of(ranked)),
        "hubs": hubs,
        "failure_cases": failure_cases(ranked),
        "false_negatives": {
            "queries": 3,
            "share": 1.25,
            "examples": [
                {
                    "query": clips.captions[0],
                    "text": clips.texts[0],
                    "video": clips.videos[0],
                    "other": clips.videos[-1],
                    "rank": 5.5,
                }
            ],
            "rsum_merged": evaluation.rsum + 1,
        },
        "ablation": [
            {"name": "as trained", **directions[FUSED]},
            *({"name": f"only {level}", **directions[level]} for level in LEVELS),
        ],
        "hubness": [
            {
                "name": name,
                "transductive": name == "DSL",
                "temperature": temperature,
                **directions["relationship"],
                "hubs": hubs,
            }
            for name, temperature in (
                ("no correction", None),
                ("inverted softmax", 0.05),
                ("CSLS", None),
                ("DSL", 0.01),
            )
        ],
    }
    return evaluation, details


def foil_test(components: list[str]) -> dict[str, Any]:
    """What foils of the prepared data say, two kinds with the same accuracies of all scores."""
    kinds = [
        {
            "kind": kind,
            "questions": count,
            "videos": 12,
            "chance": 50.0,
            "words": {"accuracy": 51.5, "interval": [48.0, 55.0]},
            "scores": {
                name: {"accuracy": accuracy, "interval": [accuracy - 2, accuracy + 2]} for name in components
            },
        }
        for kind, count, accuracy in (("action", 200, 91.5), ("entity", 240, 73.25))
    ]
    absent: dict[str, Any] = {"questions": 0, "videos": 0, "examples": []}
    return {
        "source": "prepared data",
        "form": "prepared data",
        "questions": 440,
        "videos": 12,
        "absent": absent,
        "kinds": kinds,
    }


def answers_to_foils(clips: Clips, counts: Mapping[str, int], seed: int = 0, better: int = 0) -> AskedFoils:
    """Answers to as many questions of each kind, more of them right the better the run is."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    videos = np.arange(len(kinds)) % len(clips.videos)
    texts = [(f"true {number}", f"false {number}") for number in range(len(kinds))]
    right = np.random.default_rng(seed).random(len(kinds)) < 0.5 + 0.1 * better
    answers = FoilAnswers(kinds, videos, texts, {FUSED: right.astype(float)})
    return AskedFoils(PREPARED, PREPARED, answers, np.full(len(kinds), 0.5))


@functools.cache
def calibration_of(ranked: Ranked) -> dict[str, Any]:
    """What a calibration that is fitted to the captions says of these same captions."""
    owners = ranked.clips.owners
    own = owners[:, None] == np.arange(len(ranked.clips.videos))
    judged = JudgedQueries(ranked.scores[FUSED].T, own, own, owners)
    calibration = fit_calibration(judged, "val", 1, "wrong", [["entity"]])
    assert calibration is not None
    return judge_calibration(calibration, judged)


def attributes(seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Precision of each level's frequent, medium and rare attributes."""
    random = np.random.default_rng(seed)
    return {
        level: {
            third: {
                "count": 33,
                "mAP": 50 / (1 + place) + float(random.uniform(0, 5)),
                "chance": 6.0 / (1 + place),
            }
            for place, third in enumerate(("frequent", "medium", "rare"))
        }
        for level in NODE_LEVELS
    }


def failure_cases(ranked: Ranked) -> list[dict[str, Any]]:
    """The twenty captions with the greatest ranks."""
    clips, fused = ranked.clips, ranked.scores[FUSED]
    ranks = ranked.counters[FUSED].text_to_video().expected_rank()
    found = []
    for caption in np.argsort(-ranks, kind="stable")[:20]:
        relevant = clips.owners[caption]
        returned = [video for video in np.argsort(-fused[:, caption]) if video != relevant][:3]
        components = {
            component: {
                "relevant": float(scores[relevant, caption]),
                "returned": float(scores[returned[0], caption]),
            }
            for component, scores in ranked.scores.items()
        }
        lead = {level: components[level]["returned"] - components[level]["relevant"] for level in LEVELS}
        found.append(
            {
                "query": clips.captions[caption],
                "text": clips.texts[caption],
                "video": clips.videos[relevant],
                "rank": float(ranks[caption]),
                "returned": [
                    {
                        "video": clips.videos[video],
                        "score": float(fused[video, caption]),
                        "text": clips.texts[int(np.argmax(clips.owners == video))],
                    }
                    for video in returned
                ],
                "components": components,
                "blame": max(LEVELS, key=lead.__getitem__),
            }
        )
    return found
