import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import TextBatch, VideoBatch
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.evaluation.encode_split import make_encoders
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.scoring.multi_level import FUSED, score
from mcsan_jax.sharding import make_mesh
from tests.evaluation.memory_split import CAPTIONS, VIDEOS, MemorySplit, Setting
from tests.support.tiny_model import SHAPE, random_batch, random_variables, tiny_config


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
        return {FUSED: scores.fused, **scores.parts}

    return {part: np.asarray(matrix) for part, matrix in compute(split.videos, split.texts).items()}
