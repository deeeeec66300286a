"""The embedded data set: clips of moving shapes, made on the spot, the same for the same seed.

Each clip is a pure function of (seed, split, index). Four of five clips show a relationship between two
shapes, and foils (false captions that differ in one point) make it a compositional test.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float16, UInt8

from data_pipeline.annotations.caption import Foil
from data_pipeline.moving_shapes.captions import draw_sentences
from data_pipeline.moving_shapes.foils import draw_foils
from data_pipeline.moving_shapes.rendering import frame_features, region_features, render
from data_pipeline.moving_shapes.scene import Scene, draw_scene
from mcsan_jax.errors import InputError

SPLITS = {"train": 3000, "val": 300, "test": 500}
"""The splits and their usual numbers of clips."""

CAPTIONS_PER_CLIP = 5


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip, ready for the model.

    Attributes:
        video_id: split and index, as in "train_00012".
        scene: the facts.
        frames: features of each frame, see `rendering.frame_features`.
        regions: features of a grid of regions of each frame, see `rendering.region_features`.
        captions: true captions, pairwise different.
        foils: false captions.
    """

    video_id: str
    scene: Scene
    frames: Float16[np.ndarray, "f 192"]
    regions: Float16[np.ndarray, "f k 50"]
    captions: tuple[str, ...]
    foils: tuple[Foil, ...]


def clips(split: str, count: int, seed: int) -> Iterator[Clip]:
    """The first ``count`` clips of a split.

    Raises:
        InputError: unknown split, or a negative count or seed.
    """
    if count < 0:
        raise InputError(f"moving shapes: count must be 0 or more, found {count}")
    _clip_rng(split, 0, seed)
    return (clip(split, index, seed) for index in range(count))


def clip(split: str, index: int, seed: int) -> Clip:
    """One clip with its captions and foils.

    Raises:
        InputError: unknown split, or a negative index or seed.
    """
    rng = _clip_rng(split, index, seed)
    scene = draw_scene(rng)
    sentences = draw_sentences(scene, CAPTIONS_PER_CLIP, rng)
    images = render(scene)
    return Clip(
        video_id=f"{split}_{index:05d}",
        scene=scene,
        frames=frame_features(images),
        regions=region_features(images),
        captions=tuple(str(sentence) for sentence in sentences),
        foils=draw_foils(scene, sentences, rng),
    )


def pixels(split: str, index: int, seed: int) -> UInt8[np.ndarray, "f 32 32 3"]:
    """The frames of a clip as images, red-green-blue.

    Raises:
        InputError: unknown split, or a negative index or seed.
    """
    return render(draw_scene(_clip_rng(split, index, seed)))


def _clip_rng(split: str, index: int, seed: int) -> np.random.Generator:
    if split not in SPLITS:
        raise InputError(f"moving shapes: no split {split!r}; choose one of {', '.join(SPLITS)}")
    if index < 0 or seed < 0:
        raise InputError(f"moving shapes: index and seed must be 0 or more, found index {index}, seed {seed}")
    return np.random.default_rng([seed, list(SPLITS).index(split), index])
