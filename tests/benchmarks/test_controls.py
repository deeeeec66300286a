"""What is trained on shuffled pairs or on noise ranks at chance, and the honest run far above it."""

import collections
import dataclasses
import math
import pathlib
import re

import numpy as np
import pytest

from benchmarks.controls import (
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
from data_pipeline.builders.record import VideoRecord
from data_pipeline.execution.local import LocalRun
from data_pipeline.manifest import Manifest
from data_pipeline.moving_shapes.source import MOVING_SHAPES_OPTIONS, moving_shapes_source
from data_pipeline.preparation import prepare
from data_pipeline.record_files import find_record_files
from mcsan_jax.errors import InputError
from tests.support.benchmark_programs import NUMBER, run_benchmark

TRAINING = (
    "--config.model.levels=('global','action')",
    "--config.train.epochs=16",
    "--config.train.batch_size=64",
    "--config.train.evaluate_every_epochs=16",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A tenth of the embedded data set, without its test clips: 300 and 30."""
    folder = tmp_path_factory.mktemp("controls")
    source = moving_shapes_source(share=0.1)
    captions = tuple(caption for caption in source.annotations.captions if caption.split != TEST)
    source = dataclasses.replace(
        source, annotations=dataclasses.replace(source.annotations, captions=captions), foils={}
    )
    prepare(source, folder / "data", LocalRun(folder / "graphs", processes=1), MOVING_SHAPES_OPTIONS)
    return folder / "data"


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


def test_both_controls_are_at_chance_and_the_honest_run_is_not(data: pathlib.Path) -> None:
    done = run_benchmark("controls", str(data), "--config=configs/demo.py:tiny", *TRAINING)
    head, _, *rows = done.stdout.splitlines()
    assert [cell.strip() for cell in head.split("|")[1:3]] == ["trained on", "validation Rsum"]
    found = {}
    for row in rows:
        cells = re.fullmatch(
            rf"\| (.+?) +\| {NUMBER} +\| {NUMBER} +\| {NUMBER} to {NUMBER} +\| (\w+) chance +\|", row
        )
        assert cells, row
        name, *numbers, place = cells.groups()
        found[name] = (*map(float, numbers), place)
    assert list(found) == ["as prepared", "shuffled pairs", "noise for features"]
    for name, (reached, chance, low, high, place) in found.items():
        assert low < chance < high
        if name == "as prepared":
            assert reached > 1.5 * high and place == "above"
        else:
            assert low <= reached <= high and place == "at"


def test_shuffled_captions_are_all_elsewhere(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    manifest = Manifest.load(data)
    write_control(data, manifest, "shuffled", shuffled_pairs(data, manifest, seed=3), tmp_path)
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
    validation = records(data, VALIDATION), records(tmp_path, VALIDATION)
    assert [caption_ids(record) for record in validation[0].values()] == [
        caption_ids(record) for record in validation[1].values()
    ]
    assert Manifest.load(tmp_path).protocol == "seed 0, control: shuffled"


def test_noise_has_the_moments_of_the_features_and_nothing_else_of_them(
    data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    manifest = Manifest.load(data)
    write_control(data, manifest, "noise", noise_features(manifest, seed=3), tmp_path)
    for split in (TRAIN, VALIDATION):
        before, after = records(data, split), records(tmp_path, split)
        assert list(before) == list(after)
        for old, new in zip(before.values(), after.values(), strict=True):
            assert old.captions == new.captions and old.attributes == new.attributes
            for one, other in zip(features(old), features(new), strict=True):
                assert one.shape == other.shape and not np.array_equal(one, other)
    for stream in manifest.frame_streams:
        values = np.concatenate([record.frames[stream.name] for record in records(tmp_path, TRAIN).values()])
        deviation = np.array(stream.std)
        # Over 3,600 frames the mean of a dimension is known to a sixtieth of its deviation.
        assert np.all(np.abs(values.mean(axis=0, dtype=float) - stream.mean) < 6 * deviation / 60)
        np.testing.assert_allclose(values.std(axis=0, dtype=float), deviation, rtol=0.1)


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


def test_bad_input_is_refused(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    config = "--config=configs/demo.py:tiny"
    done = run_benchmark("controls", str(tmp_path / "absent"), config, status=2)
    assert done.stderr.startswith("error: No prepared data set in") and not done.stdout
    done = run_benchmark("controls", str(data), config, f"--out={tmp_path}", status=2)
    assert "exists; name a new folder with --out" in done.stderr
    done = run_benchmark("controls", str(data), config, "--epochs=3", status=2)
    assert "unexpected arguments: --epochs=3" in done.stderr
    with pytest.raises(InputError, match=r"(?s)ended with status 2.*unknown config key"):
        train(data, "configs/demo.py:tiny", tmp_path / "run", ["--config.train.epoch=3"])


def test_captions_that_cannot_be_shuffled_are_refused() -> None:
    with pytest.raises(InputError, match="at least half of its 4 captions"):
        places_elsewhere(np.array(["a", "a", "b", "c"]), seed=0)
    order = places_elsewhere(np.array(["a", "b", "c"]), seed=0)
    assert sorted(order) == [0, 1, 2] and not np.any(order == np.arange(3))
