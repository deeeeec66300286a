"""Exact evaluation of a whole split: every caption against every video, in blocks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mcsan_jax.config import Config
from mcsan_jax.evaluation.ablation import Fusion
from mcsan_jax.evaluation.block_scores import BlockScorer, count_ranks
from mcsan_jax.evaluation.collection import TextCollection
from mcsan_jax.evaluation.duplicates import merge
from mcsan_jax.evaluation.encoded_split import (
    EncodedCaptions,
    EncodedVideos,
    Split,
    encode_captions,
    encode_videos,
)
from mcsan_jax.evaluation.encoding import Encoders, Variables
from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.ranking import RankCounter
from mcsan_jax.evaluation.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of one split.

    Attributes:
        videos, captions: how many were ranked.
        directions: for "fused" and every part, metrics of ``t2v`` and ``v2t``, and ``rsum``.
        compositional: for every part and kind of foil, the percentage of true captions preferred to the foil
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
        """Fused Rsum, by which checkpoints are selected."""
        return self.directions[FUSED]["rsum"]


@dataclasses.dataclass(frozen=True)
class Trial:
    """A split encoded by a model, and what belongs together in it.

    Attributes:
        videos, captions: the two sides; with `evaluation.merge_duplicates` each text is there once.
        matches: the right pairs.
        caption_of, video_of_caption: for each caption of the records, its place among `captions`, and its video.
        scorer: their scores.
    """

    videos: EncodedVideos
    captions: EncodedCaptions
    matches: Matches
    caption_of: np.ndarray
    video_of_caption: np.ndarray
    scorer: BlockScorer

    @classmethod
    def of(
        cls,
        encoders: Encoders,
        variables: Variables,
        split: Split,
        config: Config,
        name: str,
        fusions: tuple[Fusion, ...] = (),
    ) -> "Trial":
        """Encodes a split; see `evaluate` for the arguments and errors."""
        size = config.evaluation.encode_batch
        videos = encode_videos(encoders, variables, split, size, name)
        captions = encode_captions(encoders, variables, split, size, name)
        video_of_caption = captions.video_of_text
        if config.evaluation.merge_duplicates:
            merged = merge(captions.texts, captions.video_of_text)
            caption_of = merged.query_of
            captions = captions.rows(merged.kept)
            matches = Matches(merged.videos, merged.queries, len(videos.ids), len(captions.ids))
        else:
            caption_of = np.arange(len(captions.ids))
            matches = Matches.of_owners(captions.video_of_text, len(videos.ids))
        scorer = BlockScorer(
            videos.collection, captions.collection, encoders.scoring_parameters(variables), config, fusions
        )
        return cls(videos, captions, matches, caption_of, video_of_caption, scorer)


def evaluate(encoders: Encoders, variables: Variables, split: Split, config: Config, name: str) -> Evaluation:
    """Ranks every caption among all videos and every video among all captions.

    Args:
        encoders: of the model.
        variables: its parameters and statistics.
        split: the videos and captions.
        config: the experiment.
        name: of the split, for errors.

    Raises:
        InputError: the split holds no video or no caption.
    """
    trial = Trial.of(encoders, variables, split, config, name)
    ranks = count_ranks(trial.scorer, trial.matches)
    return summarize(trial, ranks, encoders, variables, split, config.evaluation.encode_batch)


def summarize(
    trial: Trial,
    ranks: Mapping[str, RankCounter],
    encoders: Encoders,
    variables: Variables,
    split: Split,
    size: int,
) -> Evaluation:
    """The figures of all parts of the score, and of the foils."""
    compositional, counts = _prefer_true(encoders, variables, split, trial, size)
    return Evaluation(
        len(trial.videos.ids),
        len(trial.captions.ids),
        {part: figures_of(counter) for part, counter in ranks.items()},
        {part: compositional[part] for part in ranks if part in compositional},
        counts,
    )


def figures_of(counter: RankCounter) -> dict[str, Any]:
    """Metrics of both directions, and Rsum."""
    t2v = retrieval_metrics(counter.text_to_video())
    v2t = retrieval_metrics(counter.video_to_text())
    return {"t2v": t2v, "v2t": v2t, "rsum": recall_sum(t2v, v2t)}


def _prefer_true(
    encoders: Encoders, variables: Variables, split: Split, trial: Trial, size: int
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """How often a true caption scores above its foil, with the clip to which both belong."""
    wins: dict[str, list[np.ndarray]] = {}
    kinds: list[str] = []
    for info, batch in split.foil_batches(size):
        foils = TextCollection.gather([(len(info.kinds), encoders.texts(variables, batch))])
        captions = np.asarray(info.captions)
        videos = trial.video_of_caption[captions]
        difference = trial.scorer.margins_over(foils, trial.caption_of[captions], videos, size)
        kinds += list(info.kinds)
        for part, margins in difference.items():
            wins.setdefault(part, []).append(0.5 * (1.0 + np.sign(margins)))
    of_kind = {kind: np.asarray(kinds) == kind for kind in sorted(set(kinds))}
    accuracies = {
        part: {kind: 100.0 * float(np.mean(np.concatenate(values)[rows])) for kind, rows in of_kind.items()}
        for part, values in wins.items()
    }
    return accuracies, {kind: int(rows.sum()) for kind, rows in of_kind.items()}
