"""The embedded data set: clips of moving shapes with their captions, made and prepared on the spot."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float16, UInt8

from data_pipeline.annotations.caption import TEST, Caption, Foil, make_annotations
from data_pipeline.errors import InputError
from data_pipeline.moving_shapes.captions import draw_foils, draw_sentences
from data_pipeline.moving_shapes.scene import Scene, draw_scene, frame_features, region_features, render
from data_pipeline.preparation.prepare_folder import Options, Source, check_out, prepare
from data_pipeline.preparation.runner import LocalRunner, Runner
from data_pipeline.text.vocabulary import TokenizerOptions

SPLITS = {"train": 3000, "val": 300, "test": 500}
"""The splits and their usual numbers of clips."""

CAPTIONS_PER_CLIP = 5


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip, ready for the model.

    Attributes:
        video_id: split and index, as in "train_00012".
        scene: the facts.
        frames: features of each frame, see `scene.frame_features`.
        regions: features of a grid of regions of each frame, see `scene.region_features`.
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


def moving_shapes_source(seed: int = 0, share: float = 1.0) -> Source:
    """All splits of the embedded data set.

    Args:
        seed: another seed gives other clips.
        share: part of the usual number of clips, at least one of each split.
    """
    clips = _Clips(seed)
    captions: list[Caption] = []
    foils: dict[str, tuple[Foil, ...]] = {}
    ids: list[str] = []
    for split, count in SPLITS.items():
        for index in range(max(1, round(count * share))):
            made = clips.get(split, index)
            captions += [
                Caption(made.video_id, f"{made.video_id}#{number}", text, split)
                for number, text in enumerate(made.captions)
            ]
            ids.append(made.video_id)
            # The compositional test is made on the test split; other foils would be parsed for nothing.
            if split == TEST:
                foils[made.video_id] = made.foils
    annotations = make_annotations(
        captions,
        name="moving_shapes",
        protocol=f"seed {seed}",
        licence="Apache-2.0: made on the spot by this package",
        citation="",
    )
    known = frozenset(ids)
    return Source(annotations, {"pixels": _Frames(clips, known), "grid": _Regions(clips, known)}, foils)


MOVING_SHAPES_OPTIONS = Options(tokenizer=TokenizerOptions(vocabulary_size=200), attribute_minimum_videos=10)
"""The grammar has few words and the clips are many."""


def prepare_moving_shapes(
    out: pathlib.Path, share: float = 1.0, run: Runner | None = None, options: Options = MOVING_SHAPES_OPTIONS
) -> dict[str, Any]:
    """Makes and prepares the embedded data set; see `data_pipeline.preparation.prepare_folder.prepare`."""
    # Before the clips are drawn, which takes a while.
    check_out(out.absolute(), options.overwrite, options.out_flag)
    run = run or LocalRunner(out.absolute().parent / "graph_cache", processes=1)
    return prepare(moving_shapes_source(share=share), out, run, options)


class _Clips:
    """Clips by id. A clip is made again when it is needed again; both streams of a video share one making."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.get = functools.lru_cache(maxsize=4)(self._make)

    def __reduce__(self) -> tuple[type["_Clips"], tuple[int]]:
        # What is remembered stays behind when another process takes over.
        return _Clips, (self._seed,)

    def _make(self, split: str, index: int) -> Clip:
        return clip(split, index, self._seed)

    def by_id(self, video_id: str) -> Clip:
        split, _, index = video_id.partition("_")
        return self.get(split, int(index))


class _Frames:
    """Pooled pixels of each frame."""

    description = "moving shapes, frames pooled to 8x8x3"

    def __init__(self, clips: _Clips, ids: frozenset[str]) -> None:
        self._clips, self._ids = clips, ids

    def ids(self) -> set[str]:
        return set(self._ids)

    def read(self, video_id: str) -> np.ndarray:
        return self._clips.by_id(video_id).frames

    def times(self, video_id: str, frames: int) -> None:
        """Unknown: the frames of a clip are in order, but no clock says how far apart."""


class _Regions(_Frames):
    """A 4x4 grid of regions of each frame."""

    description = "moving shapes, 4x4 regions of each frame"

    def read(self, video_id: str) -> np.ndarray:
        return self._clips.by_id(video_id).regions
