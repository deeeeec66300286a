import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from data_pipeline.batches.batch import TextBatch, VideoBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.config import Config
from mcsan_jax.evaluation.encode_split import Encoders, encode_split
from mcsan_jax.evaluation.rank_split import ScoredSplit
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED

VIDEOS, CAPTIONS = 11, 27
PARTS = {FUSED, GLOBAL, ENTITY, ACTION, RELATIONSHIP, ATTRIBUTES}


@dataclasses.dataclass(frozen=True)
class Captions:
    ids: Sequence[str]
    texts: Sequence[str]
    videos: np.ndarray


@dataclasses.dataclass(frozen=True)
class Foils:
    kinds: Sequence[str]
    captions: np.ndarray


@dataclasses.dataclass(frozen=True)
class MemorySplit:
    """A split held in memory. Foils: the even captions themselves ("same"), and other captions ("other")."""

    videos: VideoBatch
    texts: TextBatch
    owners: np.ndarray
    foils: TextBatch
    kinds: tuple[str, ...]
    true: np.ndarray

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        for rows, batch in _padded(self.videos, len(self.videos.frames), batch_size):
            yield [f"video{row}" for row in rows], batch

    def caption_batches(self, batch_size: int) -> Iterator[tuple[Captions, TextBatch]]:
        for rows, batch in _padded(self.texts, len(self.owners), batch_size):
            ids, texts = ([f"{name}{row}" for row in rows] for name in ("caption", "text "))
            yield Captions(ids, texts, self.owners[rows]), batch

    def foil_batches(self, batch_size: int) -> Iterator[tuple[Foils, TextBatch]]:
        for rows, batch in _padded(self.foils, len(self.kinds), batch_size):
            yield Foils([self.kinds[row] for row in rows], self.true[rows]), batch


def _padded(batch: Any, count: int, size: int) -> Iterator[tuple[range, Any]]:
    for start in range(0, count, size):
        rows = range(start, min(start + size, count))

        def cut(array: np.ndarray, rows: range = rows) -> np.ndarray:
            missing = [(0, size - len(rows))] + [(0, 0)] * (array.ndim - 1)
            return np.pad(array[rows.start : rows.stop], missing)

        yield rows, jax.tree.map(cut, batch)


@dataclasses.dataclass(frozen=True)
class Setting:
    model: MCSAN
    variables: Any
    encoders: Encoders
    config: Config


def scored_split(setting: Setting, split: MemorySplit, config: Config) -> ScoredSplit:
    size = config.evaluation.encode_batch
    return ScoredSplit.of(encode_split(setting.encoders, setting.variables, split, size, "test"), config)
