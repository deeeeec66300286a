"""This module compares the metrics and hubs of a split before and after each correction of `hubness.METHODS`."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from data_pipeline.batches.batch import TextBatch, VideoBatch, pad_rows
from data_pipeline.errors import InputError
from mcsan_jax.config import Config
from mcsan_jax.evaluation.hubness import (
    METHODS,
    T2V,
    V2T,
    Correction,
    CrossDomainScaling,
    DualSoftmax,
    NoCorrection,
    corrected_blocks,
    corrected_ranks,
    fit_correction,
)
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.counting import write_scores
from mcsan_jax.ranking.encode_split import (
    EncodedCaptions,
    EncodedVideos,
    Encoders,
    Variables,
    encode_captions,
    encode_videos,
)
from mcsan_jax.ranking.metrics import CUTOFFS, recall_sum, retrieval_metrics
from mcsan_jax.ranking.occurrences import HUB_ANSWERS, BestItems, hub_summary
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.ranking.readable_split import CaptionRows, FoilRows, Split
from mcsan_jax.ranking.relevance import Matches

TEMPERATURES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclasses.dataclass(frozen=True)
class Bank:
    """A bank holds videos and captions of the training split, by which hubs are recognised."""

    videos: EncodedVideos
    captions: EncodedCaptions

    @classmethod
    def of(
        cls, encoders: Encoders, variables: Variables, split: Split, captions: int, config: Config, name: str
    ) -> "Bank":
        """Encodes all videos of a training split, and `evaluation.bank_captions` captions drawn from all of it.

        Args:
            encoders: of the model.
            variables: its parameters and statistics.
            split: the training split.
            captions: how many captions it has.
            config: the experiment.
            name: of the split, for errors.

        Raises:
            InputError: the split holds no video or no caption.
        """
        size = config.evaluation.encode_batch
        drawn = DrawnCaptions(split, captions, config.evaluation.bank_captions)
        return cls(
            encode_videos(encoders, variables, split, size, name),
            encode_captions(encoders, variables, drawn, size, name),
        )


@dataclasses.dataclass(frozen=True)
class DrawnCaptions:
    """It is a split with only some of its captions, drawn from all of them without replacement.

    The draw depends on the two numbers alone, so that runs on the same data have the same bank. Captions are read in
    their order, and no more of them are held at a time than are read to fill one batch.

    Attributes:
        split: all videos and captions.
        captions: how many captions it has.
        drawn: how many of them are drawn; all where there are no more.
    """

    split: Split
    captions: int
    drawn: int

    @functools.cached_property
    def places(self) -> Int[np.ndarray, " drawn"]:
        """Returns the places of the drawn captions among all, ascending."""
        rng = np.random.default_rng(0)
        return np.sort(rng.choice(self.captions, min(self.drawn, self.captions), replace=False))

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """Yields all videos, in padded batches."""
        return self.split.video_batches(batch_size)

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """Yields the drawn captions, in padded batches."""
        captions = self._one_by_one(batch_size)
        while some := list(itertools.islice(captions, batch_size)):
            ids, texts, videos, rows = zip(*some, strict=True)
            missing = batch_size - len(some)
            batch = jax.tree.map(lambda *arrays, missing=missing: pad_rows(np.stack(arrays), missing), *rows)
            yield _Rows(ids, texts, np.array(videos)), batch

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """Yields all foils, in padded batches."""
        return self.split.foil_batches(batch_size)

    def _one_by_one(self, batch_size: int) -> Iterator[tuple[str, str, int, TextBatch]]:
        """Yields the id, text, video and row of each drawn caption."""
        first = 0
        for info, batch in self.split.caption_batches(batch_size):
            begin, end = np.searchsorted(self.places, (first, first + len(info.ids)))
            for row in self.places[begin:end] - first:
                of_row = jax.tree.map(lambda array, row=row: array[row], batch)
                yield info.ids[row], info.texts[row], info.videos[row], of_row
            first += len(info.ids)


@dataclasses.dataclass(frozen=True)
class _Rows:
    """They say which drawn captions the rows of a batch are, as `encode_split.CaptionRows` does."""

    ids: Sequence[str]
    texts: Sequence[str]
    videos: Int[np.ndarray, " rows"]


def choose_temperature(
    method: str,
    scores: Float[np.ndarray, "v t"],
    matches: Matches,
    banks: Mapping[str, Float[np.ndarray, "_ _"]],
    grid: Sequence[float],
) -> float:
    """Chooses the temperature with the greatest sum of recalls on the validation split.

    Args:
        method: one of `METHODS` that has a temperature.
        scores: of the validation videos and texts [v, t].
        matches: their pairs.
        banks: by direction, as of `fit_correction`, for the validation gallery. With both directions Rsum decides,
            with one its three recalls.
        grid: temperatures; of equally good ones the first is chosen.

    Raises:
        InputError: as of `fit_correction` and `corrected_blocks`, or there is nothing to choose.
    """
    if method == CrossDomainScaling.name or not grid or not banks:
        raise InputError(
            f"no temperature to choose for {method}: {len(grid)} temperatures and {len(banks)} banks were given"
        )

    def recalls(temperature: float) -> float:
        ranks = [
            corrected_ranks(fit_correction(method, bank, direction, temperature), scores, matches, direction)
            for direction, bank in banks.items()
        ]
        return sum(float(np.mean(one.hit_probability(k))) for one in ranks for k in CUTOFFS)

    return max(grid, key=recalls)


def study_hubs(
    scored: ScoredSplit, validation: ScoredSplit, bank: Bank, config: Config, folder: pathlib.Path
) -> list[dict[str, Any]]:
    """Scores a split without and with each correction.

    Args:
        scored: the evaluated split.
        validation: on which temperatures are chosen.
        bank: of the training split.
        config: the experiment.
        folder: where matrices of scores are written for the time being.

    Returns:
        Per method ``name``, ``transductive``, ``temperature`` (None without), metrics of ``t2v`` and ``v2t``,
        ``rsum`` and ``hubs`` of both directions.
    """
    scores, banks = _matrices(scored, bank, config, folder, "evaluated")
    is_validation = scored is validation
    chosen_on, its_banks = (
        (scores, banks) if is_validation else _matrices(validation, bank, config, folder, "validation")
    )
    rows = [_row(NoCorrection.name, False, None, scored, scores, {})]
    for method in METHODS:
        transductive = method == DualSoftmax.name
        own = dict.fromkeys((T2V, V2T), scores) if transductive else banks
        temperature = None
        if method != CrossDomainScaling.name:
            there = dict.fromkeys((T2V, V2T), chosen_on) if transductive else its_banks
            temperature = choose_temperature(method, chosen_on, validation.matches, there, TEMPERATURES)
        corrections = {
            direction: fit_correction(method, queries, direction, temperature)
            for direction, queries in own.items()
        }
        rows.append(_row(method, transductive, temperature, scored, scores, corrections))
    return rows


def _matrices(
    scored: ScoredSplit, bank: Bank, config: Config, folder: pathlib.Path, name: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns the fused scores of a split [v, t], and of its two galleries with the bank, mapped from files."""
    scorer = scored.scorer
    of_captions = BlockScorer(
        scorer.videos, bank.captions.collection, scorer.parameters, config, mesh=scorer.mesh
    )
    of_videos = BlockScorer(bank.videos.collection, scorer.texts, scorer.parameters, config, mesh=scorer.mesh)
    scores, t2v, v2t = (
        _whole(each, folder / f"{name}-{number}.npy")
        for number, each in enumerate((scorer, of_captions, of_videos))
    )
    return scores, {T2V: t2v, V2T: v2t}


def _whole(scorer: BlockScorer, path: pathlib.Path) -> np.ndarray:
    write_scores(scorer, path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _row(
    name: str,
    transductive: bool,
    temperature: float | None,
    scored: ScoredSplit,
    scores: np.ndarray,
    corrections: Mapping[str, Correction],
) -> dict[str, Any]:
    metrics, hubs = {}, {}
    galleries = {T2V: scored.videos.ids, V2T: scored.captions.ids}
    for direction, ids in galleries.items():
        correction = corrections.get(direction) or NoCorrection.of(len(ids))
        metrics[direction] = retrieval_metrics(corrected_ranks(correction, scores, scored.matches, direction))
        hubs[direction] = hub_summary(_best(correction, scores, direction), ids)
    return {
        "name": name,
        "transductive": transductive,
        "temperature": temperature,
        **metrics,
        "rsum": recall_sum(metrics[T2V], metrics[V2T]),
        "hubs": hubs,
    }


def _best(correction: Correction, scores: np.ndarray, direction: str) -> np.ndarray:
    """Returns the indices of every query's best items [q, k]."""
    videos, texts = scores.shape
    queries, items = (texts, videos) if direction == T2V else (videos, texts)
    best = BestItems(min(HUB_ANSWERS, items), queries, items)
    for block, rows, columns in corrected_blocks(correction, scores, direction):
        if direction == T2V:
            best.add(block.T, columns, rows)
        else:
            best.add(block, rows, columns)
    return best.answers().items
