"""Exact evaluation of a whole split: every caption against every video, in blocks."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from mcsan_jax.batch import TextBatch, VideoBatch
from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.evaluation.encoding import Encoders, Variables, encode_all, take_rows
from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.ranking import RankCounter
from mcsan_jax.levels import Encoding, ScoringParameters
from mcsan_jax.scoring.multi_level import FUSED, score
from mcsan_jax.scoring.similarity import product_dtype


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


def evaluate(encoders: Encoders, variables: Variables, split: Split, config: Config, name: str) -> Evaluation:
    """Ranks every caption among all videos and every video among all captions.

    Raises:
        InputError: the split holds no video or no caption.
    """
    batch = config.evaluation.encode_batch
    video_ids, videos = encode_all(
        encoders.videos, variables, split.video_batches(batch), len, f"videos in split {name!r}"
    )
    rows, texts = encode_all(
        encoders.texts,
        variables,
        split.caption_batches(batch),
        lambda info: len(info.videos),
        f"captions in split {name!r}",
    )
    video_of_text = np.concatenate([info.videos for info in rows])
    video_count = sum(map(len, video_ids))

    parameters = encoders.scoring_parameters(variables)
    directions = _rank(videos, texts, video_of_text, video_count, parameters, config)
    foils = [
        (info, encoders.texts(variables, batch_of_foils))
        for info, batch_of_foils in split.foil_batches(batch)
    ]
    compositional, counts = _prefer_true(videos, texts, video_of_text, foils, parameters, config)
    return Evaluation(video_count, len(video_of_text), directions, compositional, counts)


def _rank(
    videos: Encoding,
    texts: Encoding,
    video_of_text: np.ndarray,
    video_count: int,
    parameters: ScoringParameters,
    config: Config,
) -> dict[str, dict[str, Any]]:
    """Metrics of the fused score and of every part. Blocks that hold matched pairs are scored twice."""
    blocks = [
        (one, other)
        for one in _slices(video_count, config.evaluation.video_block)
        for other in _slices(len(video_of_text), config.evaluation.text_block)
    ]
    tile = _TileScorer(videos, texts, parameters, config)
    locate = RankCounter(video_of_text, video_count)
    counters: dict[str, RankCounter] = {}
    for rows, columns in blocks:
        if locate.has_match(rows, columns):
            for part, block in tile(rows, columns).items():
                counter = counters.setdefault(part, RankCounter(video_of_text, video_count))
                counter.see_matches(block, rows, columns)
    for rows, columns in blocks:
        for part, block in tile(rows, columns).items():
            counters[part].count(block, rows, columns)

    result: dict[str, dict[str, Any]] = {}
    for part, counter in counters.items():
        t2v = retrieval_metrics(counter.text_to_video())
        v2t = retrieval_metrics(counter.video_to_text())
        result[part] = {"t2v": t2v, "v2t": v2t, "rsum": recall_sum(t2v, v2t)}
    return result


class _TileScorer:
    """Scores one block of videos and captions; always the same shape, so that it compiles once."""

    def __init__(
        self, videos: Encoding, texts: Encoding, parameters: ScoringParameters, config: Config
    ) -> None:
        self._videos, self._texts, self._parameters = videos, texts, parameters
        self._shape = (config.evaluation.video_block, config.evaluation.text_block)
        self._score = _compiled_scorer(config.similarity, config.model.compute_dtype)

    def __call__(self, rows: slice, columns: slice) -> dict[str, np.ndarray]:
        videos = take_rows(self._videos, rows, self._shape[0])
        texts = take_rows(self._texts, columns, self._shape[1])
        parts = self._score(videos, texts, self._parameters)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return {part: np.asarray(block)[:height, :width] for part, block in parts.items()}


@functools.cache
def _compiled_scorer(similarity: SimilarityConfig, compute_dtype: str) -> Any:
    """The scoring function; kept, so that the next evaluation does not compile it again."""
    dtype = product_dtype(compute_dtype)

    @jax.jit
    def scores(videos: Encoding, texts: Encoding, parameters: ScoringParameters) -> dict[str, jax.Array]:
        result = score(videos, texts, parameters, similarity, dtype)
        return {FUSED: result.fused, **result.parts}

    return scores


def _prefer_true(
    videos: Encoding,
    texts: Encoding,
    video_of_text: np.ndarray,
    foils: list[tuple[FoilRows, Encoding]],
    parameters: ScoringParameters,
    config: Config,
) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """How often a true caption scores above its foil, with the clip to which both belong."""
    scores = _compiled_scorer(config.similarity, config.model.compute_dtype)
    wins: dict[str, list[np.ndarray]] = {}
    kinds: list[str] = []
    size = config.evaluation.encode_batch
    for info, encoded_foils in foils:
        true = np.asarray(info.captions)
        own_videos = take_rows(videos, video_of_text[true], size)
        of_true = scores(own_videos, take_rows(texts, true, size), parameters)
        of_foil = scores(own_videos, encoded_foils, parameters)
        kinds += list(info.kinds)
        for part in of_true:
            difference = np.diagonal(of_true[part] - of_foil[part])[: len(true)]
            wins.setdefault(part, []).append(0.5 * (1.0 + np.sign(difference)))
    of_kind = {kind: np.asarray(kinds) == kind for kind in sorted(set(kinds))}
    accuracies = {
        part: {kind: 100.0 * float(np.mean(np.concatenate(values)[rows])) for kind, rows in of_kind.items()}
        for part, values in wins.items()
    }
    return accuracies, {kind: int(rows.sum()) for kind, rows in of_kind.items()}


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
