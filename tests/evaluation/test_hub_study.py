import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from mcsan_jax.config import EvaluationConfig
from mcsan_jax.evaluation.hub_study import TEMPERATURES, Bank, DrawnCaptions, study_hubs
from mcsan_jax.ranking.encode_split import encode_captions
from mcsan_jax.ranking.ranks import text_to_video_ranks
from mcsan_jax.scoring.multi_level import FUSED
from tests.support.memory_split import CAPTIONS, VIDEOS, MemorySplit, Setting, scored_split
from tests.support.tiny_model import random_batch

BANK_VIDEOS, BANK_CAPTIONS, DRAWN = 9, 40, 20


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
    sizes = EvaluationConfig(encode_batch=8, encoded_bytes=9_000, bank_captions=DRAWN)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    arguments = (setting.encoders, setting.variables)
    scored = scored_split(setting, split, config)
    bank = Bank.of(*arguments, training, BANK_CAPTIONS, config, "train")
    assert (len(bank.videos.ids), len(bank.captions.ids)) == (BANK_VIDEOS, DRAWN)

    rows = {row["name"]: row for row in study_hubs(scored, scored, bank, config, tmp_path)}
    assert list(rows) == ["no correction", "inverted softmax", "QB-Norm", "CSLS", "DSL"]
    assert [row["transductive"] for row in rows.values()] == [False] * 4 + [True]
    plain = text_to_video_ranks(matrices[FUSED], split.owners).expected_rank()
    assert rows["no correction"]["t2v"]["MnR"] == pytest.approx(plain.mean())
    assert rows["no correction"]["temperature"] is None and rows["CSLS"]["temperature"] is None

    softmax = rows["inverted softmax"]
    assert softmax["temperature"] in TEMPERATURES
    to_bank = np.load(tmp_path / "evaluated-1.npy", allow_pickle=False).astype(np.float64)
    assert to_bank.shape == (VIDEOS, DRAWN)
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


def test_the_captions_of_the_bank_are_drawn_from_the_whole_split(
    setting: Setting, training: MemorySplit
) -> None:
    """Neighbouring captions are of the same videos, so a bank of whole batches would show a few of them alone."""
    sizes = EvaluationConfig(encode_batch=8, bank_captions=DRAWN)
    config = dataclasses.replace(setting.config, evaluation=sizes)
    grouped = dataclasses.replace(training, owners=np.arange(BANK_CAPTIONS) * BANK_VIDEOS // BANK_CAPTIONS)
    arguments = (setting.encoders, setting.variables, grouped, BANK_CAPTIONS, config, "train")
    bank = Bank.of(*arguments).captions
    places = [int(caption.removeprefix("caption")) for caption in bank.ids]
    assert len(places) == DRAWN and places == sorted(set(places))
    assert set(grouped.owners[places].tolist()) == set(range(BANK_VIDEOS))
    assert Bank.of(*arguments).captions.ids == bank.ids
    assert bank.texts == [f"text {place}" for place in places]
    np.testing.assert_array_equal(bank.video_of_text, grouped.owners[places])
    # What is encoded is what was drawn.
    everything = encode_captions(setting.encoders, setting.variables, grouped, 8, "train").rows(
        np.array(places)
    )
    for level, nodes in everything.collection.nodes.items():
        np.testing.assert_allclose(bank.collection.nodes[level].queries, nodes.queries, atol=1e-6)
        np.testing.assert_array_equal(bank.collection.nodes[level].counts, nodes.counts)


@pytest.mark.parametrize("captions", [1, 39, 41, 1000])
def test_no_caption_is_drawn_twice_and_none_that_does_not_exist(training: MemorySplit, captions: int) -> None:
    places = DrawnCaptions(training, captions, BANK_CAPTIONS).places
    assert len(np.unique(places)) == len(places) == min(captions, BANK_CAPTIONS)
    assert places.min() >= 0 and places.max() < captions
    if captions == 1000:
        thirds = np.histogram(places, [0, 333, 667, 1000])[0]
        assert thirds.min() > 5
