"""This module ranks every caption against every video of a split, exactly, and makes the figures of the ranks."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from mcsan_jax.config import Config
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.ranking.counting import count_ranks
from mcsan_jax.ranking.duplicates import merge, relevant_pairs
from mcsan_jax.ranking.encode_split import EncodedCaptions, EncodedSplit, EncodedVideos
from mcsan_jax.ranking.foil_answers import FoilAnswers
from mcsan_jax.ranking.metrics import recall_sum, retrieval_metrics
from mcsan_jax.ranking.ranks import RankCounter
from mcsan_jax.ranking.readable_split import FoilRows
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """An evaluation holds the figures of one split.

    Attributes:
        videos, captions: how many were ranked.
        directions: for "fused" and every component, metrics of ``t2v`` and ``v2t``, and ``rsum``.
        compositional: for every component and kind of foil, the percentage of true captions preferred to the foil
            (ties count half); empty where the data has no foils.
        foils: number of foils of each kind.
    """

    videos: int
    captions: int
    directions: dict[str, dict[str, Any]]
    compositional: dict[str, dict[str, float]]
    foils: dict[str, int]

    @property
    def rsum(self) -> float:
        """Returns the Rsum of the fused score, by which checkpoints are selected."""
        return self.directions[FUSED]["rsum"]


@dataclasses.dataclass(frozen=True)
class ScoredSplit:
    """It holds an encoded split, which of its videos and captions are relevant to each other, and their scores.

    Attributes:
        videos, captions: the two sides; with `evaluation.merge_duplicates` each text is there once.
        matches: the relevant pairs, by `evaluation.same_text`.
        caption_of, video_of_caption: for each caption of the records, its place among `captions`, and its video.
        scorer: the scores of all videos and captions.
        foils: encodes the foils, one batch after the other.
    """

    videos: EncodedVideos
    captions: EncodedCaptions
    matches: Matches
    caption_of: Int[np.ndarray, " records"]
    video_of_caption: Int[np.ndarray, " records"]
    scorer: BlockScorer
    foils: Callable[[], Iterable[tuple[FoilRows, TextCollection]]]

    @classmethod
    def of(cls, encoded: EncodedSplit, config: Config) -> "ScoredSplit":
        """Scores what was encoded by the rules of a configuration."""
        videos, captions = encoded.videos, encoded.captions
        video_of_caption = captions.video_of_text
        if config.evaluation.merge_duplicates:
            merged = merge(captions.texts, captions.video_of_text)
            caption_of = merged.query_of
            captions = captions.rows(merged.kept)
            matches = Matches(merged.videos, merged.queries, len(videos.ids), len(captions.ids))
        else:
            caption_of = np.arange(len(captions.ids))
            rule = config.evaluation.same_text
            matches = relevant_pairs(captions.texts, captions.video_of_text, len(videos.ids), rule)
        scorer = BlockScorer(
            videos.collection, captions.collection, encoded.parameters, config, mesh=encoded.mesh
        )
        return cls(videos, captions, matches, caption_of, video_of_caption, scorer, encoded.foils)


def rank_split(scored: ScoredSplit) -> Evaluation:
    """Ranks every caption among all videos and every video among all captions.

    Raises:
        ValueError: a score is not finite.
    """
    ranks = count_ranks(scored.scorer, scored.matches)
    return figures_of_components(scored, ranks, answer_foils(scored))


def figures_of_components(
    scored: ScoredSplit, ranks: Mapping[str, RankCounter], foils: FoilAnswers
) -> Evaluation:
    """Returns the figures of every component of the score, from its ranks and its answers to the foils."""
    compositional = foils.accuracies()
    return Evaluation(
        len(scored.videos.ids),
        len(scored.captions.ids),
        {component: figures_of(counter) for component, counter in ranks.items()},
        {component: compositional[component] for component in ranks if component in compositional},
        foils.counts(),
    )


def figures_of(counter: RankCounter) -> dict[str, Any]:
    """Returns the metrics of both directions, and Rsum."""
    t2v = retrieval_metrics(counter.text_to_video())
    v2t = retrieval_metrics(counter.video_to_text())
    return {"t2v": t2v, "v2t": v2t, "rsum": recall_sum(t2v, v2t)}


def answer_foils(scored: ScoredSplit) -> FoilAnswers:
    """Asks of each foil of the records whether its true caption scores above it, with the video of both."""
    right: dict[str, list[np.ndarray]] = {}
    kinds: list[str] = []
    videos: list[np.ndarray] = [np.zeros(0, np.int64)]
    texts: list[tuple[str, ...]] = []
    for info, foils in scored.foils():
        captions = np.asarray(info.captions)
        videos.append(scored.video_of_caption[captions])
        of_captions = scored.caption_of[captions]
        kinds += info.kinds
        texts += [
            (scored.captions.texts[row], foil) for row, foil in zip(of_captions, info.texts, strict=True)
        ]
        for component, margins in scored.scorer.margins_over(foils, of_captions, videos[-1]).items():
            right.setdefault(component, []).append(0.5 * (1.0 + np.sign(margins, dtype=np.float64)))
    joined = {component: np.concatenate(values) for component, values in right.items()}
    return FoilAnswers(kinds, np.concatenate(videos), texts, joined)
