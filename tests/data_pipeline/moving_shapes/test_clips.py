"""A clip depends on seed, split and index alone, and its features on its pixels."""

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.moving_shapes.dataset import SPLITS, Clip, clip, clips, embedded_clips
from data_pipeline.moving_shapes.objects import object_features
from data_pipeline.moving_shapes.scene import Scene


def assert_same(one: Clip[Scene], other: Clip[Scene]) -> None:
    assert (one.video_id, one.captions, one.foils) == (other.video_id, other.captions, other.foils)
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.regions, other.regions)


def test_clip_depends_on_seed_split_and_index_only() -> None:
    for index, made_in_order in enumerate(clips("val", 4, seed=3)):
        assert_same(made_in_order, clip("val", index, seed=3))
    assert clip("val", 12, seed=3).video_id == "val_00012"


def test_seeds_splits_and_indices_give_different_clips() -> None:
    made = [clip(split, index, seed) for split in SPLITS for index in range(20) for seed in (0, 1)]
    assert len({one.frames.tobytes() for one in made}) == len(made)


@pytest.mark.parametrize(
    ("split", "count", "seed", "message"),
    [
        ("training", 1, 0, "no split 'training'"),
        ("train", -1, 0, "count must be"),
        ("train", 1, -5, "seed -5"),
    ],
)
def test_bad_request_is_refused_at_once(split: str, count: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clips(split, count, seed)


def test_features_are_pooled_pixels(made: list[Clip[Scene]]) -> None:
    for index, one in enumerate(made[:20]):
        images = clip("train", index, seed=0).images
        assert images.shape == (12, 32, 32, 3)
        assert images.dtype == np.uint8
        assert one.frames.shape == (12, 192)
        assert one.regions.shape == (12, 2, 90)
        assert one.frames.dtype == one.regions.dtype == np.float16
        # The last two numbers are a step, which has a sign.
        assert one.regions[..., :-2].min() >= 0
        assert one.regions[..., :-2].max() <= 1
        cell = images[5, 4 * 2 : 4 * 3, 4 * 6 : 4 * 7].mean(axis=(0, 1)) / 255
        np.testing.assert_allclose(one.frames[5].reshape(8, 8, 3)[2, 6], cell, atol=1e-3)
        np.testing.assert_array_equal(one.regions, object_features(images))


def test_embedded_clips_are_those_of_the_data_set() -> None:
    found = embedded_clips(3)
    ids = ["test_00000", "test_00001", "test_00002"]
    for index, one in enumerate(clips("test", 3, seed=0)):
        np.testing.assert_array_equal(found.features["pixels"][one.video_id], one.frames)
        np.testing.assert_array_equal(found.features["objects"][one.video_id], one.regions)
        np.testing.assert_array_equal(found.images[one.video_id], clip("test", index, seed=0).images)
        assert found.captions[one.video_id] == one.captions
    for by_id in (*found.features.values(), found.captions, found.images):
        assert list(by_id) == ids
    assert len(embedded_clips(split="val").captions) == SPLITS["val"]


@pytest.mark.parametrize(
    ("count", "split", "message"),
    [
        (0, "test", "split 'test' has 500 clips; expected a count from 1 to 500, found 0"),
        (501, "test", "from 1 to 500, found 501"),
        (None, "training", "no split 'training'; choose one of train, val, test"),
    ],
)
def test_clips_that_the_data_set_does_not_have_are_refused(
    count: int | None, split: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        embedded_clips(count, split)
