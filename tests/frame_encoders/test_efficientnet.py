"""EfficientNet-Lite computes what its published weights mean, and sees what is on pictures."""

import dataclasses
import functools
import pathlib

import av
import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from data_pipeline.errors import InputError
from mcsan_jax.frame_encoders.efficientnet import EfficientNetEncoder, open_efficientnet
from mcsan_jax.frame_encoders.registry import open_frame_encoder
from tests.frame_encoders.plain_efficientnet import plain_outputs

NETWORKS = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}
MILITARY_UNIFORM, ANALOG_CLOCK, TRAFFIC_LIGHT, CROSSWORD = 652, 409, 920, 918


@functools.cache
def encoder(name: str) -> EfficientNetEncoder:
    """With small batches, so that a test computes what it needs."""
    return dataclasses.replace(open_efficientnet(name), batch=4)


def squashed(pictures: list[Image.Image], side: int) -> np.ndarray:
    return np.stack([np.asarray(one.resize((side, side), Image.Resampling.BICUBIC)) for one in pictures])


def grace_hopper() -> Image.Image:
    """A photograph of an officer in uniform."""
    return Image.open(pathlib.Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")


def clock() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "#a08060")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((30, 30, 370, 370), "white", "black", 16)
    for hour in range(12):
        angle = np.pi * (hour / 6 - 0.5)
        place = (200 + 130 * np.cos(angle), 200 + 130 * np.sin(angle))
        draw.text(place, str(hour or 12), "black", font_size=32, anchor="mm")
    draw.line((200, 200, 120, 150), "black", 14)
    draw.line((200, 200, 302, 144), "black", 9)
    return picture


def traffic_light() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "#87b5e0")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((189, 240, 211, 400), "#444444")
    draw.rectangle((138, 15, 262, 338), "#202020")
    for top, colour in ((35, "#ff2010"), (135, "#403000"), (235, "#003010")):
        draw.ellipse((158, top, 242, top + 84), colour)
    return picture


def crossword() -> Image.Image:
    picture = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(picture)
    filled = np.random.default_rng(1).random((13, 13)) < 0.25
    for row, column in np.ndindex(13, 13):
        left, top = 20 + 28 * column, 20 + 28 * row
        draw.rectangle(
            (left, top, left + 28, top + 28), "black" if filled[row, column] else "white", "black", 2
        )
    return picture


@pytest.mark.parametrize("name", NETWORKS)
def test_its_outputs_are_those_of_plain_pytorch(name: str) -> None:
    """On noise, black and white, a photograph and a drawing, five pictures in batches of four."""
    network, side = encoder(name), NETWORKS[name]
    noise = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    plain = np.stack([np.full_like(noise[0], value) for value in (0, 255)])
    pictures = np.concatenate([noise, plain, squashed([grace_hopper(), clock()], side)])
    pooled, parts, classes = plain_outputs(name, pictures, (4, 3))
    found = network.encode(pictures, (4, 3))
    assert found.frames.shape == (5, network.width) and found.frames.dtype == np.float32
    assert found.regions is not None and found.regions.shape == (5, 12, network.region_width)
    assert np.abs(found.frames - pooled).max() < 1e-4
    assert np.abs(found.regions - parts).max() < 1e-4
    assert np.abs(network.class_scores(found.frames) - classes).max() < 1e-4
    assert np.abs(classes).max() > 1 and pooled.max() > 1


@pytest.mark.parametrize("name", NETWORKS)
def test_it_sees_what_is_there(name: str) -> None:
    pictures = squashed([grace_hopper(), clock(), traffic_light(), crossword()], NETWORKS[name])
    scores = encoder(name).class_scores(encoder(name).encode(pictures).frames)
    assert scores.argmax(axis=1).tolist() == [MILITARY_UNIFORM, ANALOG_CLOCK, TRAFFIC_LIGHT, CROSSWORD]


def test_it_sees_what_real_clips_show(shared_data: pathlib.Path) -> None:
    """A television, a wok, a moped and a kitten (of which it knows breeds)."""
    folder = shared_data / "clips_23" / "video"
    if not folder.is_dir():
        pytest.skip(f"no clips at {folder}")
    seen = {"5HAf_INrFy0_3_25.gif": 851, "WTf5EgVY5uU_124_128.avi": 909, "klteYv1Uv9A_27_33.avi": 665}
    seen["_9iG5Ge01PM_3_11.avi"] = 283
    middles = []
    for name in seen:
        with av.open(folder / name) as clip:
            frames = [frame for frame, _ in zip(clip.decode(video=0), range(40), strict=False)]
        middles.append(frames[-1].to_image())
    network = encoder("efficientnet_lite0")
    scores = network.class_scores(network.encode(squashed(middles, 224)).frames)
    assert scores.argmax(axis=1).tolist() == list(seen.values())


def test_a_picture_has_its_vectors_whatever_stands_beside_it() -> None:
    """To the bit, so that features do not depend on where an extraction was interrupted."""
    network = encoder("efficientnet_lite0")
    pictures = squashed([grace_hopper(), clock(), traffic_light(), crossword(), clock()], 224)
    together = network.encode(pictures, (2, 2))
    assert together.regions is not None
    assert np.array_equal(together.frames[1], together.frames[4])
    for number, picture in enumerate(pictures[:2]):
        alone = network.encode(picture[None], (2, 2))
        assert alone.regions is not None
        assert np.array_equal(alone.frames[0], together.frames[number])
        assert np.array_equal(alone.regions[0], together.regions[number])
    assert network.encode(pictures[:1]).regions is None
    nothing = network.encode(pictures[:0], (2, 2))
    assert nothing.regions is not None
    assert nothing.frames.shape == (0, 1280) and nothing.regions.shape == (0, 4, 1280)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_it_says_of_itself(name: str) -> None:
    network = open_frame_encoder(name)
    side = NETWORKS[name]
    grid = {224: 7, 240: 8, 260: 9}[side]
    assert (network.name, network.grid, network.width) == (name, (grid, grid), 1280)
    assert (network.view.crop, network.view.resize, network.view.interpolation) == (
        side,
        side + 32,
        "bicubic",
    )
    assert network.preprocessing == "(x - 127) / 128"
    assert network.sha256 == encoder(name).sha256 and len(network.sha256) == 64
    assert network.sha256 not in {encoder(other).sha256 for other in NETWORKS if other != name}


def test_pictures_and_regions_that_it_cannot_take_are_refused() -> None:
    network = encoder("efficientnet_lite0")
    with pytest.raises(
        InputError, match=r"efficientnet_lite0: expected .* \[n, 224, 224, 3\], found uint8 \[1, 240"
    ):
        network.encode(np.zeros((1, 240, 240, 3), np.uint8))
    with pytest.raises(InputError, match="found float32"):
        network.encode(np.zeros((1, 224, 224, 3), np.float32))
    with pytest.raises(InputError, match="grid of 7x7, found 8x8"):
        network.encode(np.zeros((1, 224, 224, 3), np.uint8), (8, 8))


def test_a_misspelled_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"expected one of efficientnet_lite0, .* did you mean 'efficientnet_lite1'\?"
    ):
        open_frame_encoder("efficientnet-lite1")
