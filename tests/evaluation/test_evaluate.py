import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import pytest
from tiny_model import SHAPE, random_batch, random_variables, tiny_config

from mcsan_jax.batch import TextBatch, VideoBatch
from mcsan_jax.config import Config, EvaluationConfig, SimilarityConfig
from mcsan_jax.errors import InputError
from mcsan_jax.evaluation.encoding import Encoders, make_encoders
from mcsan_jax.evaluation.evaluate import Evaluation, evaluate
from mcsan_jax.evaluation.metrics import retrieval_metrics
from mcsan_jax.evaluation.ranking import text_to_video_ranks, video_to_text_ranks
from mcsan_jax.evaluation.table import render_table
from mcsan_jax.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.scoring.multi_level import ATTRIBUTES, FUSED, score
from mcsan_jax.training.sharding import make_mesh

VIDEOS, CAPTIONS = 11, 27
PARTS = {FUSED, GLOBAL, ENTITY, ACTION, RELATIONSHIP, ATTRIBUTES}


@dataclasses.dataclass(frozen=True)
class Captions:
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
            yield Captions(self.owners[rows]), batch

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


@pytest.fixture(scope="module")
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


@dataclasses.dataclass(frozen=True)
class Setting:
    model: MCSAN
    variables: Any
    encoders: Encoders
    config: Config


@pytest.fixture(scope="module")
def setting() -> Setting:
    config = dataclasses.replace(tiny_config(), similarity=SimilarityConfig(attribute_weight=0.2))
    model = MCSAN(config, SHAPE)
    variables = random_variables(model, random_batch(2))
    return Setting(model, variables, make_encoders(model, make_mesh(jax.devices()[:1])), config)


def run(setting: Setting, split: MemorySplit, block_bytes: int = 2**20) -> Evaluation:
    sizes = EvaluationConfig(encode_batch=8, block_bytes=block_bytes)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    return evaluate(setting.encoders, setting.variables, split, config, "test")


@pytest.fixture(scope="module")
def evaluation(setting: Setting, split: MemorySplit) -> Evaluation:
    return run(setting, split)


@pytest.fixture(scope="module")
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


def test_figures_equal_those_of_the_whole_matrix(
    evaluation: Evaluation, matrices: dict[str, np.ndarray], split: MemorySplit
) -> None:
    assert (evaluation.videos, evaluation.captions) == (VIDEOS, CAPTIONS)
    assert set(evaluation.directions) == PARTS
    for part, figures in evaluation.directions.items():
        t2v = retrieval_metrics(text_to_video_ranks(matrices[part], split.owners))
        v2t = retrieval_metrics(video_to_text_ranks(matrices[part], split.owners))
        assert figures["t2v"] == pytest.approx(t2v), part
        assert figures["v2t"] == pytest.approx(v2t), part
        total = sum(direction[f"R@{k}"] for direction in (t2v, v2t) for k in (1, 5, 10))
        assert figures["rsum"] == pytest.approx(total), part
    assert evaluation.rsum == evaluation.directions[FUSED]["rsum"]
    assert evaluation.directions[ENTITY]["t2v"]["tied_fraction"] > 0
    assert evaluation.directions[FUSED]["t2v"]["tied_fraction"] == 0


@pytest.mark.parametrize("block_bytes", [1, 9_000, 30_000])
def test_block_sizes_change_nothing(
    setting: Setting, split: MemorySplit, evaluation: Evaluation, block_bytes: int
) -> None:
    assert run(setting, split, block_bytes) == evaluation


def test_foils(evaluation: Evaluation, matrices: dict[str, np.ndarray], split: MemorySplit) -> None:
    """A foil with the true caption's own text ties in every part, and ties count half."""
    assert evaluation.foils == {"other": 13, "same": 14}
    assert set(evaluation.compositional) == PARTS
    true = np.arange(1, CAPTIONS, 2)
    foil = (true + 5) % CAPTIONS
    for part, figures in evaluation.compositional.items():
        assert figures["same"] == 50.0
        difference = matrices[part][split.owners[true], true] - matrices[part][split.owners[true], foil]
        wins = np.where(difference == 0, 0.5, difference > 0)
        assert figures["other"] == pytest.approx(100 * wins.mean()), part


def test_the_table_shows_every_figure(evaluation: Evaluation) -> None:
    table = render_table(evaluation, "tiny, split test")
    for figures in evaluation.directions.values():
        assert f"| {figures['rsum']:.1f} " in table
        for direction in (figures["t2v"], figures["v2t"]):
            assert all(f"| {direction[key]:.1f} " in table for key in ("R@1", "R@5", "R@10", "MedR", "MnR"))
    for accuracies in evaluation.compositional.values():
        assert all(f"| {value:.1f} " in table for value in accuracies.values())
    assert "other (13), same (14)" in table


def test_devices_share_the_encoding(setting: Setting, split: MemorySplit, evaluation: Evaluation) -> None:
    assert len(jax.devices()) == 8
    encoders = make_encoders(setting.model, make_mesh())
    assert run(dataclasses.replace(setting, encoders=encoders), split) == evaluation


def test_scores_that_are_not_numbers_raise(setting: Setting, split: MemorySplit) -> None:
    params = {**setting.variables["params"], "level_weight_logits": np.full(4, np.nan, np.float32)}
    broken = dataclasses.replace(setting, variables={**setting.variables, "params": params})
    weights = dataclasses.replace(setting.config.similarity, learn_level_weights=True)
    broken = dataclasses.replace(broken, config=dataclasses.replace(setting.config, similarity=weights))
    with pytest.raises(ValueError, match="scores must be finite"):
        run(broken, split)


def test_an_empty_split_is_refused(setting: Setting, split: MemorySplit) -> None:
    no_videos = jax.tree.map(lambda array: array[:0], split.videos)
    with pytest.raises(InputError, match="no videos in split 'test'"):
        run(setting, dataclasses.replace(split, videos=no_videos))
    empty = dataclasses.replace(split, owners=split.owners[:0])
    with pytest.raises(InputError, match="no captions in split 'test'"):
        run(setting, empty)


def test_the_matrix_of_scores_is_written_on_request(
    setting: Setting, split: MemorySplit, matrices: dict[str, np.ndarray], tmp_path: pathlib.Path
) -> None:
    config = dataclasses.replace(
        setting.config, evaluation=EvaluationConfig(encode_batch=8, block_bytes=9_000)
    )
    file = tmp_path / "scores" / "test.npy"
    evaluate(setting.encoders, setting.variables, split, config, "test", file)
    np.testing.assert_allclose(np.load(file, allow_pickle=False), matrices[FUSED], atol=1e-6)
    assert list(file.parent.iterdir()) == [file]
