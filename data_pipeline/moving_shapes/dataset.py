"""This module makes and prepares the embedded data set: clips of moving shapes with their captions."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Float16, UInt8

from data_pipeline.annotations.caption import TEST, Caption, Foil, make_annotations
from data_pipeline.errors import InputError
from data_pipeline.features.source import FeatureSource
from data_pipeline.host.progress_bar import track_if
from data_pipeline.moving_shapes.captions import draw_foils, draw_sentences
from data_pipeline.moving_shapes.crowded_captions import draw_crowded_foils, draw_crowded_sentences
from data_pipeline.moving_shapes.crowded_scene import (
    SHAPE_COUNT,
    CrowdedScene,
    draw_crowded_scene,
    render_crowded,
)
from data_pipeline.moving_shapes.objects import object_features
from data_pipeline.moving_shapes.scene import MOST_SHAPES, Scene, draw_scene, frame_features, render
from data_pipeline.preparation.prepare_folder import Options, Source, check_out, prepare
from data_pipeline.preparation.runner import LocalRunner, Runner
from data_pipeline.text.vocabulary import TokenizerOptions

SPLITS = {"train": 3000, "val": 300, "test": 500}
"""The splits have these numbers of clips by default."""

CAPTIONS_PER_CLIP = 5

FRAMES_PER_SECOND = 4.0
"""A clip is played so fast: slowly enough to see each of its few frames."""


MOVING_SHAPES = "moving_shapes"
CROWDED_SHAPES = "crowded_shapes"
"""The harder embedded data set: four shapes, two events, modifiers, order and negation."""

AnyScene = TypeVar("AnyScene", Scene, CrowdedScene)


@dataclasses.dataclass(frozen=True)
class Clip(Generic[AnyScene]):
    """A clip has what is said of a scene, and what is seen of it, which is drawn when it is first asked for.

    Attributes:
        video_id: its split and index, as in "train_00012".
        scene: the facts.
        captions: the true captions, which differ pairwise.
        foils: the false captions.
    """

    video_id: str
    scene: AnyScene
    captions: tuple[str, ...]
    foils: tuple[Foil, ...]

    @functools.cached_property
    def images(self) -> UInt8[np.ndarray, "f row column 3"]:
        """Returns the frames as pictures, red-green-blue."""
        return render(self.scene) if isinstance(self.scene, Scene) else render_crowded(self.scene)

    @functools.cached_property
    def frames(self) -> Float16[np.ndarray, "f 192"]:
        """Returns the features of each frame; see `scene.frame_features`."""
        return frame_features(self.images)

    @functools.cached_property
    def regions(self) -> Float16[np.ndarray, "f k 90"]:
        """Returns the features of the shapes that are seen in each frame; see `objects.object_features`."""
        return object_features(self.images, MOST_SHAPES if isinstance(self.scene, Scene) else SHAPE_COUNT)


@dataclasses.dataclass(frozen=True)
class EmbeddedClips:
    """Clips of the embedded data set, as a user gives videos to a model; every mapping is by the id of the clip.

    Attributes:
        features: of the stream "pixels" [f, 192] and of the stream "objects" [f, k, 90], by the name of the stream.
        captions: the true captions.
        images: the frames as pictures, red-green-blue, [f, row, column, 3].
        frames_per_second: frame i is on the screen from second i / frames_per_second on.
    """

    features: dict[str, dict[str, Float16[np.ndarray, "f ..."]]]
    captions: dict[str, tuple[str, ...]]
    images: dict[str, UInt8[np.ndarray, "f row column 3"]]
    frames_per_second: float = FRAMES_PER_SECOND


def embedded_clips(
    count: int | None = None,
    split: str = TEST,
    show_progress: bool | None = False,
    name: str = MOVING_SHAPES,
) -> EmbeddedClips:
    """Makes the first clips of a split of an embedded data set; nothing is written.

    Args:
        count: how many; by default all of the split.
        split: "train", "val" or "test".
        show_progress: whether progress is shown; None shows it for many clips.
        name: of the data set, `MOVING_SHAPES` or `CROWDED_SHAPES`.

    Raises:
        InputError: the split is unknown, or does not have so many clips.
    """
    _clip_rng(split, 0, seed=0)
    most = SPLITS[split]
    if count is not None and not 1 <= count <= most:
        raise InputError(
            f"moving shapes: split {split!r} has {most} clips; expected a count from 1 to {most}, found {count}"
        )
    wanted = most if count is None else count
    drawn = (_MAKERS[name](split, index, 0) for index in range(wanted))
    made = list(track_if(show_progress, drawn, wanted, f"making clips of {name.replace('_', ' ')}", "clips"))
    return EmbeddedClips(
        {
            "pixels": {one.video_id: one.frames for one in made},
            "objects": {one.video_id: one.regions for one in made},
        },
        {one.video_id: one.captions for one in made},
        {one.video_id: one.images for one in made},
    )


def clips(split: str, count: int, seed: int) -> Iterator[Clip[Scene]]:
    """Yields the first ``count`` clips of a split of `MOVING_SHAPES`.

    Raises:
        InputError: the split is unknown, or the count or the seed is negative.
    """
    if count < 0:
        raise InputError(f"moving shapes: count must be 0 or more, found {count}")
    _clip_rng(split, 0, seed)
    return (clip(split, index, seed) for index in range(count))


def clip(split: str, index: int, seed: int) -> Clip[Scene]:
    """Makes one clip of `MOVING_SHAPES`, with its captions and foils.

    Raises:
        InputError: the split is unknown, or the index or the seed is negative.
    """
    rng = _clip_rng(split, index, seed)
    scene = draw_scene(rng)
    sentences = draw_sentences(scene, CAPTIONS_PER_CLIP, rng)
    texts = tuple(map(str, sentences))
    return Clip(f"{split}_{index:05d}", scene, texts, draw_foils(scene, sentences, rng))


def crowded_clip(split: str, index: int, seed: int) -> Clip[CrowdedScene]:
    """Makes one clip of `CROWDED_SHAPES`, with its captions and foils.

    Raises:
        InputError: the split is unknown, or the index or the seed is negative.
    """
    rng = _clip_rng(split, index, seed)
    scene = draw_crowded_scene(rng)
    sentences = draw_crowded_sentences(scene, rng)
    texts = tuple(map(str, sentences))
    return Clip(f"{split}_{index:05d}", scene, texts, draw_crowded_foils(scene, sentences, rng))


_MAKERS: dict[str, Callable[[str, int, int], Clip[Any]]] = {MOVING_SHAPES: clip, CROWDED_SHAPES: crowded_clip}


def _clip_rng(split: str, index: int, seed: int) -> np.random.Generator:
    if split not in SPLITS:
        raise InputError(f"moving shapes: no split {split!r}; choose one of {', '.join(SPLITS)}")
    if index < 0 or seed < 0:
        raise InputError(f"moving shapes: index and seed must be 0 or more, found index {index}, seed {seed}")
    return np.random.default_rng([seed, list(SPLITS).index(split), index])


def split_sizes(share: float = 1.0) -> dict[str, int]:
    """Returns the number of clips of each split, for a part of the usual number; each split has at least one."""
    return {split: max(1, round(count * share)) for split, count in SPLITS.items()}


def moving_shapes_source(seed: int = 0, share: float = 1.0, name: str = MOVING_SHAPES) -> Source:
    """Returns all splits of an embedded data set.

    Args:
        seed: the seed of the clips; another seed gives other clips.
        share: the part of the usual number of clips; each split has at least one.
        name: of the data set, `MOVING_SHAPES` or `CROWDED_SHAPES`.
    """
    clips = _Clips(seed, name)
    captions: list[Caption] = []
    foils: dict[str, tuple[Foil, ...]] = {}
    ids: list[str] = []
    for split, count in split_sizes(share).items():
        for index in range(count):
            made = clips.get(split, index)
            captions += [
                Caption(made.video_id, f"{made.video_id}#{number}", text, split)
                for number, text in enumerate(made.captions)
            ]
            ids.append(made.video_id)
            # The compositional test is made on the test split; foils of other splits would be parsed for nothing.
            if split == TEST:
                foils[made.video_id] = made.foils
    annotations = make_annotations(
        captions,
        name=name,
        protocol=f"seed {seed}",
        licence="Apache-2.0: made on the spot by this package",
        citation="",
    )
    known = frozenset(ids)
    return Source(annotations, {"pixels": _Frames(clips, known), "objects": _Objects(clips, known)}, foils)


MOVING_SHAPES_OPTIONS = Options(
    read_first=False, tokenizer=TokenizerOptions(vocabulary_size=200), attribute_minimum_videos=10, foils=1
)
"""Nothing can be wrong with features that are made here, the grammar has few words, and the clips are many.

Each training caption has one foil, because the demo learns from foils.
"""

OPTIONS = {
    MOVING_SHAPES: MOVING_SHAPES_OPTIONS,
    # Sentences are long, so that words are not cut into pieces, and each says several things that a foil may change.
    CROWDED_SHAPES: dataclasses.replace(
        MOVING_SHAPES_OPTIONS, tokenizer=TokenizerOptions("word", vocabulary_size=200), foils=4
    ),
}
"""Each embedded data set is prepared with these options."""


def prepare_moving_shapes(
    out: pathlib.Path,
    share: float = 1.0,
    run: Runner | None = None,
    options: Options = MOVING_SHAPES_OPTIONS,
    name: str = MOVING_SHAPES,
) -> dict[str, Any]:
    """Makes and prepares an embedded data set; see `data_pipeline.preparation.prepare_folder.prepare`."""
    # Before the clips are drawn, which takes a while.
    check_out(out.absolute(), options.overwrite, options.out_flag)
    run = run or LocalRunner(out.absolute().parent / "graph_cache", os.cpu_count() or 1)
    return prepare(moving_shapes_source(share=share, name=name), out, run, options)


class _Clips:
    """It makes clips by id and keeps the last few, so that both streams of a video share one making."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed, self._name = seed, name
        self.get = functools.lru_cache(maxsize=4)(self._make)

    def __reduce__(self) -> tuple[type["_Clips"], tuple[int, str]]:
        # Another process that gets the object makes its own clips.
        return _Clips, (self._seed, self._name)

    def _make(self, split: str, index: int) -> Clip[Any]:
        return _MAKERS[self._name](split, index, self._seed)

    def by_id(self, video_id: str) -> Clip[Any]:
        split, _, index = video_id.partition("_")
        return self.get(split, int(index))


class _Frames(FeatureSource):
    """These features are the pooled pixels of each frame."""

    description = "moving shapes, frames pooled to 8x8x3"

    def __init__(self, clips: _Clips, ids: frozenset[str]) -> None:
        self._clips, self._ids = clips, ids

    def ids(self) -> set[str]:
        return set(self._ids)

    def read(self, video_id: str) -> np.ndarray:
        return self._clips.by_id(video_id).frames

    def times(self, video_id: str, frames: int) -> None:
        """Returns None: the frames of a clip are in order, but no clock says how far apart they are."""


class _Objects(_Frames):
    """These features are the shapes that are seen in each frame."""

    description = "moving shapes, the shapes seen in each frame"

    def read(self, video_id: str) -> np.ndarray:
        return self._clips.by_id(video_id).regions
