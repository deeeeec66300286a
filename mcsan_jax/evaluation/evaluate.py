"""Exact evaluation of a whole split: every caption against every video, in blocks."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from mcsan_jax.batch import TextBatch, VideoBatch
from mcsan_jax.config import Config
from mcsan_jax.evaluation.block_scores import BlockScorer, count_ranks
from mcsan_jax.evaluation.collection import TextCollection, VideoCollection
from mcsan_jax.evaluation.encoding import Encoders, Variables, encoded_batches
from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.ranking import RankCounter
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos


@runtime_checkable
class CaptionRows(Protocol):
    """Which captions the real rows of a batch are."""

    @property
    def videos(self) -> np.ndarray:
        """Index of each caption's video in the order of the videos."""
        ...


@runtime_checkable
class FoilRows(Protocol):
    """Which foils the real rows of a batch are."""

    @property
    def kinds(self) -> Sequence[str]:
        """What each foil changes."""
        ...

    @property
    def captions(self) -> np.ndarray:
        """Index of each foil's true caption in the order of the captions."""
        ...


@runtime_checkable
class Split(Protocol):
    """A split that can be read through, in an order that never changes."""

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """All videos, in padded batches, with the ids of the real rows."""
        ...

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """All captions of all videos."""
        ...

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """All foils: captions that are false of their video."""
        ...


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


def evaluate(
    encoders: Encoders,
    variables: Variables,
    split: Split,
    config: Config,
    name: str,
    scores_file: pathlib.Path | None = None,
) -> Evaluation:
    """Ranks every caption among all videos and every video among all captions.

    Args:
        encoders: of the model.
        variables: its parameters and statistics.
        split: the videos and captions.
        config: the experiment.
        name: of the split, for errors.
        scores_file: where the fused score of every video and caption is written, [v, t] in the format of numpy.

    Raises:
        InputError: the split holds no video or no caption.
    """
    size = config.evaluation.encode_batch
    ids: list[str] = []
    owners: list[np.ndarray] = []

    def videos() -> Iterator[tuple[int, PreparedVideos]]:
        batches = split.video_batches(size)
        for info, rows, encoded in encoded_batches(
            encoders.videos, variables, batches, len, f"videos in split {name!r}"
        ):
            ids.extend(info)
            yield rows, encoded

    def texts() -> Iterator[tuple[int, PreparedTexts]]:
        batches = split.caption_batches(size)
        for info, rows, encoded in encoded_batches(
            encoders.texts, variables, batches, lambda rows: len(rows.videos), f"captions in split {name!r}"
        ):
            owners.append(info.videos)
            yield rows, encoded

    sides = VideoCollection.gather(videos()), TextCollection.gather(texts())
    video_of_text = np.concatenate(owners)
    scorer = BlockScorer(*sides, encoders.scoring_parameters(variables), config)
    directions = {
        part: _figures(counter) for part, counter in count_ranks(scorer, video_of_text, scores_file).items()
    }
    compositional, counts = _prefer_true(encoders, variables, split, scorer, video_of_text, size)
    return Evaluation(len(ids), len(video_of_text), directions, compositional, counts)


def _figures(counter: RankCounter) -> dict[str, Any]:
    t2v = retrieval_metrics(counter.text_to_video())
    v2t = retrieval_metrics(counter.video_to_text())
    return {"t2v": t2v, "v2t": v2t, "rsum": recall_sum(t2v, v2t)}


def _prefer_true(
    encoders: Encoders,
    variables: Variables,
    split: Split,
    scorer: BlockScorer,
    video_of_text: np.ndarray,
    size: int,
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """How often a true caption scores above its foil, with the clip to which both belong."""
    wins: dict[str, list[np.ndarray]] = {}
    kinds: list[str] = []
    for info, batch in split.foil_batches(size):
        foils = TextCollection.gather([(len(info.kinds), encoders.texts(variables, batch))])
        difference = scorer.margins_over(foils, np.asarray(info.captions), video_of_text, size)
        kinds += list(info.kinds)
        for part, margins in difference.items():
            wins.setdefault(part, []).append(0.5 * (1.0 + np.sign(margins)))
    of_kind = {kind: np.asarray(kinds) == kind for kind in sorted(set(kinds))}
    accuracies = {
        part: {kind: 100.0 * float(np.mean(np.concatenate(values)[rows])) for kind, rows in of_kind.items()}
        for part, values in wins.items()
    }
    return accuracies, {kind: int(rows.sum()) for kind, rows in of_kind.items()}
