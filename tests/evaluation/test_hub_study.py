import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from mcsan_jax.config import EvaluationConfig
from mcsan_jax.evaluation.evaluate import Trial
from mcsan_jax.evaluation.hub_study import TEMPERATURES, Bank, study_hubs
from mcsan_jax.evaluation.ranking import text_to_video_ranks
from mcsan_jax.scoring.multi_level import FUSED
from tests.evaluation.memory_split import CAPTIONS, VIDEOS, MemorySplit, Setting
from tests.support.tiny_model import random_batch

BANK_VIDEOS, BANK_CAPTIONS = 9, 40


@pytest.fixture(scope="module")
def training() -> MemorySplit:
    texts = random_batch(BANK_CAPTIONS, seed=5).texts
    none = jax.tree.map(lambda array: array[:0], texts)
    owners = np.arange(BANK_CAPTIONS) % BANK_VIDEOS
    return MemorySplit(random_batch(BANK_VIDEOS, seed=6).videos, texts, owners, none, (), np.arange(0))


def test_corrections_are_fitted_on_the_bank_and_chosen_on_validation(
    setting: Setting,
    split: MemorySplit,
    training: MemorySplit,
    matrices: dict[str, np.ndarray],
    tmp_path: pathlib.Path,
) -> None:
    sizes = EvaluationConfig(encode_batch=8, block_bytes=9_000, bank_captions=20)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    arguments = (setting.encoders, setting.variables)
    trial = Trial.of(*arguments, split, config, "test")
    bank = Bank.of(*arguments, training, BANK_CAPTIONS, config, "train")
    assert (len(bank.videos.ids), len(bank.captions.ids)) == (BANK_VIDEOS, 24)
    assert bank.captions.ids[7:9] == ["caption7", "caption16"]

    rows = {row["name"]: row for row in study_hubs(trial, trial, bank, config, tmp_path)}
    assert list(rows) == ["no correction", "inverted softmax", "QB-Norm", "CSLS", "DSL"]
    assert [row["transductive"] for row in rows.values()] == [False] * 4 + [True]
    plain = text_to_video_ranks(matrices[FUSED], split.owners).expected_rank()
    assert rows["no correction"]["t2v"]["MnR"] == pytest.approx(plain.mean())
    assert rows["no correction"]["temperature"] is None and rows["CSLS"]["temperature"] is None

    softmax = rows["inverted softmax"]
    assert softmax["temperature"] in TEMPERATURES
    to_bank = np.load(tmp_path / "evaluated-1.npy", allow_pickle=False).astype(np.float64)
    assert to_bank.shape == (VIDEOS, 24)
    shares = np.exp(to_bank / softmax["temperature"]).mean(axis=1)
    corrected = matrices[FUSED] - softmax["temperature"] * np.log(shares)[:, None]
    ranks = text_to_video_ranks(np.float32(corrected), split.owners).expected_rank()
    assert softmax["t2v"]["MnR"] == pytest.approx(ranks.mean(), abs=1.1 / CAPTIONS)
    best = np.argsort(-corrected, axis=0)[:10]
    occurrences = np.bincount(best.ravel(), minlength=VIDEOS)
    found = softmax["hubs"]["t2v"]["top"]
    assert {hub["id"]: hub["occurrences"] for hub in found[:3]}.items() <= {
        f"video{video}": count for video, count in enumerate(occurrences.tolist())
    }.items()
