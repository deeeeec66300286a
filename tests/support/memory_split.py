"""A split that is held in memory, and a model that encodes it: what tests of ranking and of evaluation share."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import TextBatch, VideoBatch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.ranking.encode_split import Encoders, encode_split, make_encoders
from mcsan_jax.ranking.rank_split import ScoredSplit
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, score
from mcsan_jax.sharding import make_mesh
from tests.support.tiny_model import SHAPE, random_batch, random_variables, tiny_config

VIDEOS, CAPTIONS = 11, 27
COMPONENTS = {FUSED, GLOBAL, ENTITY, ACTION, RELATIONSHIP, ATTRIBUTES}


@dataclasses.dataclass(frozen=True)
class Captions:
    ids: Sequence[str]
    texts: Sequence[str]
    videos: np.ndarray


@dataclasses.dataclass(frozen=True)
class Foils:
    kinds: Sequence[str]
    texts: Sequence[str]
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
            kinds, texts = [self.kinds[row] for row in rows], [f"foil {row}" for row in rows]
            yield Foils(kinds, texts, self.true[rows]), batch


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


@pytest.fixture(scope="session")
def split() -> MemorySplit:
    texts = random_batch(CAPTIONS, seed=1).texts
    same, other = np.arange(0, CAPTIONS, 2), np.arange(1, CAPTIONS, 2)
    shown = np.concatenate([same, (other + 5) % CAPTIONS])
    return MemorySplit(
        videos=random_batch(VIDEOS, seed=2).videos,
        texts=texts,
        owners=np.random.default_rng(3).permutation(np.arange(CAPTIONS) % VIDEOS),
        foils=jax.tree.map(lambda array: array[shown], texts),
        kinds=("same",) * len(same) + ("other",) * len(other),
        true=np.concatenate([same, other]),
    )


@pytest.fixture(scope="session")
def setting() -> Setting:
    config = dataclasses.replace(tiny_config(), similarity=SimilarityConfig(attribute_share=0.2))
    model = MCSAN(config, SHAPE)
    variables = random_variables(model, random_batch(2))
    return Setting(model, variables, make_encoders(model, make_mesh(jax.devices()[:1])), config)


@pytest.fixture(scope="session")
def matrices(setting: Setting, split: MemorySplit) -> dict[str, np.ndarray]:
    """Score matrices made in one piece, without blocks, padding or a mesh."""

    @jax.jit
    def compute(videos: VideoBatch, texts: TextBatch) -> dict[str, jax.Array]:
        model: Any = setting.model.bind(setting.variables)
        scores = score(
            model.encode_videos(videos),
            model.encode_texts(texts),
            model.scoring_parameters(),
            setting.config.similarity,
        )
        return {FUSED: scores.fused, **scores.components}

    return {name: np.asarray(matrix) for name, matrix in compute(split.videos, split.texts).items()}
