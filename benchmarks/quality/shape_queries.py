"""Captions of moving shapes as queries, with the clips of which they might be said, and what is in both."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from data_pipeline.moving_shapes.captions import SIZE_WORDS, Phrase, Sentence, draw_sentences
from data_pipeline.moving_shapes.dataset import CAPTIONS_PER_CLIP, SPLITS, Clip
from data_pipeline.moving_shapes.motion import ACTIONS, RELATIONSHIPS, exclude_each_other
from data_pipeline.moving_shapes.scene import COLOURS, SHAPES, Look, Scene, draw_scene


@dataclasses.dataclass(frozen=True)
class ShapeQuery:
    """A caption with what it says.

    Attributes:
        sentence: of the caption.
        action: what happens.
        shapes: of the looks that the phrases describe.
    """

    sentence: Sentence
    action: str
    shapes: tuple[str, ...]

    @property
    def text(self) -> str:
        """The caption."""
        return str(self.sentence)


@dataclasses.dataclass(frozen=True)
class MadeClips:
    """Clips as a model takes them, with what happens in them.

    Attributes:
        features: by stream and clip.
        scenes: of the clips.
        queries: the captions of each clip.
    """

    features: dict[str, dict[str, np.ndarray]]
    scenes: list[Scene]
    queries: list[list[ShapeQuery]]


def make_clips(split: str, count: int, seed: int) -> MadeClips:
    """The first clips of a split of the embedded data set; with a seed other than 0 they are other clips."""
    features: dict[str, dict[str, np.ndarray]] = {"pixels": {}, "objects": {}}
    scenes, queries = [], []
    for index, (scene, sentences) in enumerate(_drawn(split, count, seed)):
        clip = Clip(f"{split}_{index:05d}", scene, (), ())
        features["pixels"][clip.video_id] = clip.frames
        features["objects"][clip.video_id] = clip.regions
        shapes = tuple(look.shape for look in scene.looks)
        scenes.append(scene)
        queries.append([ShapeQuery(sentence, scene.action, shapes) for sentence in sentences])
    return MadeClips(features, scenes, queries)


def _drawn(split: str, count: int, seed: int) -> Iterator[tuple[Scene, tuple[Sentence, ...]]]:
    """Yields what `data_pipeline.moving_shapes.dataset.clip` draws, with its sentences before they become texts."""
    for index in range(count):
        random = np.random.default_rng([seed, list(SPLITS).index(split), index])
        scene = draw_scene(random)
        yield scene, draw_sentences(scene, CAPTIONS_PER_CLIP, random)


def might_be_said(query: ShapeQuery, scene: Scene) -> bool:
    """Whether somebody could say a caption of a scene: then a clip of it is no wrong answer.

    Every shape that the caption mentions must look as it says, in the role that it says, and what happens must be the
    same or not exclude it (`motion.exclude_each_other`). Of the shapes of a relationship one may also say that they
    move.
    """
    both = len(scene.looks) == 2
    if query.action == "move" and scene.action in RELATIONSHIPS:
        return any(_fits(query.sentence.phrases[0], query.shapes[0], look, scene) for look in scene.looks)
    if (query.action in RELATIONSHIPS) != both:
        return False
    if query.action != scene.action and exclude_each_other(query.action, scene.action):
        return False
    return all(
        _fits(query.sentence.phrases[index], query.shapes[index], scene.looks[index], scene)
        for index in query.sentence.mentioned
    )


def _fits(phrase: Phrase, shape: str, look: Look, scene: Scene) -> bool:
    size = phrase.size_word is None or (
        scene.sizes_are_constant and phrase.size_word in SIZE_WORDS[look.size]
    )
    return shape == look.shape and phrase.colour in (None, look.colour) and size


@dataclasses.dataclass(frozen=True)
class Thing:
    """A thing that clips show and captions mention.

    Attributes:
        kind: shape, colour, action or pair.
        name: what it is.
        shown: whether a clip has it.
        asked: whether a caption mentions it.
    """

    kind: str
    name: str
    shown: Callable[[Scene], bool]
    asked: Callable[[ShapeQuery], bool]


def things() -> Iterator[Thing]:
    """Yields all shapes, colours, actions, and pairs of a colour and a shape."""

    def of_looks(kind: str, shape: str | None, colour: str | None) -> Thing:
        def shown(scene: Scene) -> bool:
            return any(shape in (None, look.shape) and colour in (None, look.colour) for look in scene.looks)

        def asked(query: ShapeQuery) -> bool:
            return any(
                shape in (None, query.shapes[index])
                and colour in (None, query.sentence.phrases[index].colour)
                for index in query.sentence.mentioned
            )

        return Thing(kind, " ".join(word for word in (colour, shape) if word), shown, asked)

    yield from (of_looks("shape", shape, None) for shape in SHAPES)
    yield from (of_looks("colour", None, colour) for colour in COLOURS)
    for action in (*ACTIONS, *RELATIONSHIPS):
        yield Thing(
            "action",
            action,
            lambda scene, action=action: scene.action == action,
            lambda query, action=action: query.action == action,
        )
    yield from (of_looks("pair", shape, colour) for shape in SHAPES for colour in COLOURS)
