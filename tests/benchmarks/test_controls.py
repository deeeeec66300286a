"""What is trained on shuffled pairs or on noise ranks at chance, and the honest run far above it."""

import collections
import dataclasses
import math
import pathlib

import numpy as np
import pytest

from benchmarks.quality.baselines import RidgeSplit, evaluate_ridge
from benchmarks.quality.controls import (
    Chance,
    Outcome,
    chance_of,
    noise_features,
    places_elsewhere,
    read_records,
    rsum,
    shuffled_pairs,
    train,
    write_control,
)
from data_pipeline.annotations.caption import TEST, TRAIN, VALIDATION
from data_pipeline.errors import InputError
from data_pipeline.manifest import FRAMES, REGIONS, Manifest
from data_pipeline.moving_shapes.dataset import MOVING_SHAPES_OPTIONS, moving_shapes_source
from data_pipeline.preparation.prepare_folder import prepare
from data_pipeline.preparation.runner import LocalRunner
from data_pipeline.records.record_files import find_record_files
from data_pipeline.records.schema import VideoRecord
from tests.benchmarks.programs import figures_of, refusal_of
from tests.support.prepared_data import make_record, make_stream, write_prepared

WORDS = 20
STREAMS = (make_stream("appearance", FRAMES, WORDS), make_stream("objects", REGIONS, 4, regions=2))
TRAINING = (
    "--config.model.levels=('global','action')",
    "--config.model.temporal=none",
    "--config.train.epochs=16",
    "--config.train.batch_size=64",
    "--config.train.evaluate_every_epochs=16",
)


@pytest.fixture(scope="module")
def moving_shapes(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A tenth of the embedded data set, without its test clips: 300 and 30."""
    folder = tmp_path_factory.mktemp("controls")
    source = moving_shapes_source(share=0.1)
    captions = tuple(caption for caption in source.annotations.captions if caption.split != TEST)
    source = dataclasses.replace(
        source, annotations=dataclasses.replace(source.annotations, captions=captions), foils={}
    )
    prepare(source, folder / "data", LocalRunner(folder / "graphs", processes=1), MOVING_SHAPES_OPTIONS)
    return folder / "data"


def make_telling_record(name: str, number: int) -> VideoRecord:
    """A video whose frames have a one at the place of the word that its captions have."""
    word = number % WORDS
    record = make_record(name, STREAMS, number)
    captions = [
        dataclasses.replace(
            caption, text=f"this is word{word} again", token_ids=[5 + word] * len(caption.token_ids)
        )
        for caption in record.captions
    ]
    frames = record.frames["appearance"].copy()
    frames[:, word] += 5
    return dataclasses.replace(record, captions=captions, frames={**record.frames, "appearance": frames})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Made-up data, 100 videos to train on and 40 to validate, in which frames tell what the captions say."""
    made = {
        split: [make_telling_record(f"{split}{number}", number) for number in range(start, end)]
        for split, start, end in ((TRAIN, 0, 100), (VALIDATION, 100, 140))
    }
    folder = tmp_path_factory.mktemp("telling")
    written = write_prepared(folder, STREAMS, made)
    for file in (written.manifest.tokenizer.file, written.manifest.attributes.file):
        (folder / file).touch()
    return folder


def records(folder: pathlib.Path, split: str) -> dict[str, VideoRecord]:
    manifest = Manifest.load(folder)
    found = [
        record
        for file in find_record_files(folder, manifest, split)
        for record in read_records(manifest, file)
    ]
    return {record.video_id: record for record in found}


def caption_ids(record: VideoRecord) -> list[str]:
    return [caption.caption_id for caption in record.captions]


def features(record: VideoRecord) -> list[np.ndarray]:
    return [*record.frames.values(), *record.regions.values()]


def changed(data: pathlib.Path, out: pathlib.Path, control: str) -> pathlib.Path:
    """A copy of the data with shuffled pairs or with noise for features."""
    manifest = Manifest.load(data)
    make = {"shuffled": shuffled_pairs(data, manifest, 3), "noise": noise_features(manifest, 3)}
    write_control(data, manifest, control, make[control], out)
    return out


@pytest.mark.slow
def test_both_controls_are_at_chance_and_the_honest_run_is_not(
    moving_shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    words = [str(moving_shapes), "--config=configs/demo.py:tiny", "--", *TRAINING]
    found = figures_of("controls", tmp_path, *words)["trained"]
    assert [one["name"] for one in found] == ["as prepared", "shuffled pairs", "noise for features"]
    for one in found:
        reached, chance = one["rsum"], one["chance"]
        assert chance["low"] < chance["expected"] < chance["high"]
        if one["name"] == "as prepared":
            assert reached > 1.5 * chance["high"] and one["place"] == "above"
        else:
            assert chance["low"] <= reached <= chance["high"] and one["place"] == "at"


def test_ridge_regression_learns_nothing_from_either_control(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    split = RidgeSplit.read(data, Manifest.load(data), VALIDATION)
    scores = np.random.default_rng(0).standard_normal((len(split.ids), len(split.owners)), np.float32)
    chance = chance_of(scores, split.owners, seed=0, permutations=400)
    honest = evaluate_ridge(data, VALIDATION, None)[1].rsum
    assert honest > 1.5 * chance.high
    for control in ("shuffled", "noise"):
        reached = evaluate_ridge(changed(data, tmp_path / control, control), VALIDATION, None)[1].rsum
        assert Outcome(control, reached, chance).place != "above"


def test_an_outcome_is_seen_from_the_interval() -> None:
    chance = Chance(expected=50.0, low=40.0, high=60.0)
    places = [Outcome("", rsum, chance).place for rsum in (39.9, 40.0, 60.0, 60.1)]
    assert places == ["below", "at", "at", "above"]


def test_shuffled_captions_are_all_elsewhere(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    changed(data, tmp_path, "shuffled")
    before, after = records(data, TRAIN), records(tmp_path, TRAIN)
    assert list(before) == list(after)
    counted = [
        collections.Counter(name for record in found.values() for name in caption_ids(record))
        for found in (before, after)
    ]
    assert counted[0] == counted[1] and max(counted[0].values()) == 1
    for name, record in after.items():
        assert len(record.captions) == len(before[name].captions)
        assert not set(caption_ids(record)) & set(caption_ids(before[name]))
        for level, ids in record.attributes.items():
            assert ids == sorted({one for caption in record.captions for one in caption.attributes[level]})
        assert all(map(np.array_equal, features(record), features(before[name])))
    foils = [
        {
            foil.caption.caption_id: (foil.kind, record.captions[foil.caption_index].caption_id)
            for record in found.values()
            for foil in record.foils
        }
        for found in (before, after)
    ]
    assert foils[0] == foils[1] and foils[0]
    validation = records(data, VALIDATION), records(tmp_path, VALIDATION)
    assert [caption_ids(record) for record in validation[0].values()] == [
        caption_ids(record) for record in validation[1].values()
    ]
    assert Manifest.load(tmp_path).protocol == "plain, control: shuffled"


def test_noise_has_the_moments_of_the_features_and_nothing_else_of_them(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    manifest = Manifest.load(data)
    changed(data, tmp_path, "noise")
    for split in (TRAIN, VALIDATION):
        before, after = records(data, split), records(tmp_path, split)
        assert list(before) == list(after)
        for old, new in zip(before.values(), after.values(), strict=True):
            assert old.captions == new.captions and old.attributes == new.attributes
            for one, other in zip(features(old), features(new), strict=True):
                assert one.shape == other.shape and not np.array_equal(one, other)
    found = list(records(tmp_path, TRAIN).values())
    for stream in manifest.streams:
        values = np.concatenate([{**one.frames, **one.regions}[stream.name] for one in found])
        values = values.reshape(-1, stream.dim).astype(float)
        # How well the mean of a dimension is known.
        error = np.array(stream.std) / np.sqrt(len(values))
        assert len(values) > 300 and np.all(np.abs(values.mean(axis=0) - stream.mean) < 6 * error)
        np.testing.assert_allclose(values.std(axis=0), stream.std, rtol=0.15)


def test_chance_is_that_of_random_scores() -> None:
    videos, each = 20, 3
    owners = np.repeat(np.arange(videos), each)
    scores = np.random.default_rng(0).standard_normal((videos, len(owners)), np.float32)
    chance = chance_of(scores, owners, seed=0, permutations=400)
    misses = [math.comb(len(owners) - each, k) / math.comb(len(owners), k) for k in (1, 5, 10)]
    expected = sum(100 * k / videos for k in (1, 5, 10)) + sum(100 * (1 - miss) for miss in misses)
    assert chance.expected == pytest.approx(expected)
    assert chance.low < expected < chance.high
    scores[owners, np.arange(len(owners))] += 5
    assert rsum(scores, owners) > 590
    assert chance_of(scores, owners, seed=0, permutations=100).high < 300


def test_bad_input_is_refused(
    data: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = "--config=configs/demo.py:tiny"
    message = refusal_of("controls", [str(tmp_path / "absent"), config], capsys)
    assert message.startswith("error: No prepared data set in")
    message = refusal_of("controls", [str(data), config, f"--out={tmp_path}"], capsys)
    assert "exists; name a new folder with --out" in message
    message = refusal_of("controls", [str(data), config, "--", "--epochs=3"], capsys)
    assert "--epochs=3: expected a flag of the config after --" in message


@pytest.mark.slow
def test_a_training_that_fails_is_named(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        InputError, match=r"(?s)ended with status 2.*Unknown command line flag 'config.train.epoch'"
    ):
        train(data, "configs/demo.py:tiny", tmp_path / "run", ["--config.train.epoch=3"])


def test_captions_that_cannot_be_shuffled_are_refused() -> None:
    with pytest.raises(InputError, match="at least half of its 4 captions"):
        places_elsewhere(np.array(["a", "a", "b", "c"]), seed=0)
    order = places_elsewhere(np.array(["a", "b", "c"]), seed=0)
    assert sorted(order) == [0, 1, 2] and not np.any(order == np.arange(3))
