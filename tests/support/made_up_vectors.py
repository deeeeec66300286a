"""Videos and texts as a model encodes them, drawn at random: with all components, padding, and texts without nodes."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from data_pipeline.levels import NODE_LEVELS
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings

WIDTH, FRAMES, ATTRIBUTES, LINEAR = 16, 5, 6, 10


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def draw_videos(count: int, seed: int = 0, width: int = WIDTH) -> VideoEmbeddings:
    """Videos of one to all frames; the second one has none."""
    draw = np.random.default_rng(seed)

    def vectors(*shape: int) -> np.ndarray:
        return draw.standard_normal(shape).astype(np.float32)

    real = np.arange(FRAMES) < draw.integers(1, FRAMES + 1, count)[:, None]
    real[1:2] = False
    frames = {}
    for level in NODE_LEVELS:
        directions = unit(vectors(count, FRAMES, width)) * real[..., None]
        lengths = (0.2 + 0.8 * draw.random((count, FRAMES))).astype(np.float32) * real
        frames[level] = FrameVectors(directions, lengths, directions @ directions.swapaxes(1, 2))
    return VideoEmbeddings(
        tuple(f"video{row}" for row in range(count)),
        unit(vectors(count, width)),
        frames,
        {level: unit(np.abs(vectors(count, ATTRIBUTES))) for level in NODE_LEVELS},
        unit(vectors(count, LINEAR)),
        np.full((count, FRAMES), np.nan, np.float32),
    )


def draw_texts(count: int, seed: int = 1, width: int = WIDTH) -> TextCollection:
    """Texts of up to four nodes a level, of which they deny some; the last one has no node."""
    draw = np.random.default_rng(seed)

    def vectors(*shape: int) -> np.ndarray:
        return unit(draw.standard_normal(shape).astype(np.float32))

    nodes = {}
    for level in NODE_LEVELS:
        counts = draw.integers(0, 5, count)
        counts[-1] = 0
        total = int(counts.sum())
        nodes[level] = CaptionNodes(vectors(total, width), counts, draw.random(total) < 0.2)
    attributes = {level: np.abs(vectors(count, ATTRIBUTES)) for level in NODE_LEVELS}
    return TextCollection(vectors(count, width), nodes, attributes, count, vectors(count, LINEAR))


@dataclasses.dataclass(frozen=True)
class Stored:
    """Videos as a segment of an index has them."""

    arrays: Mapping[str, np.ndarray]
    live: np.ndarray


def stored(videos: VideoEmbeddings, number_type: str = "float16", removed: tuple[int, ...] = ()) -> Stored:
    arrays = {"pooled": videos.pooled.astype(np.float16), "linear": videos.linear}
    for level, frames in videos.frames.items():
        directions, name = frames.directions.astype(np.float16), f"frames/{level}"
        if number_type == "int8":
            scales = np.abs(frames.directions).max(axis=-1) / 127
            directions = np.rint(frames.directions / np.where(scales, scales, 1)[..., None]).astype(np.int8)
            arrays[f"{name}/scales"] = scales
        arrays[f"{name}/directions"], arrays[f"{name}/lengths"] = (
            directions,
            frames.lengths.astype(np.float16),
        )
        wide = directions.astype(np.float32) * arrays.get(f"{name}/scales", np.ones(1, np.float32))[..., None]
        arrays[f"{name}/gram"] = (wide @ wide.swapaxes(1, 2)).astype(np.float16)
        arrays[f"attributes/{level}"] = videos.attributes[level].astype(np.float16)
    return Stored(arrays, np.setdiff1d(np.arange(len(videos)), removed))


def rounded(videos: VideoEmbeddings, kept: Stored) -> VideoEmbeddings:
    """The live videos with the numbers in which they are kept, as float32."""
    wide = {name: array.astype(np.float32) for name, array in kept.arrays.items()}
    frames = {
        level: FrameVectors(
            wide[f"frames/{level}/directions"]
            * wide.get(f"frames/{level}/scales", np.ones((1, 1), np.float32))[..., None],
            wide[f"frames/{level}/lengths"],
            wide[f"frames/{level}/gram"],
        )
        for level in videos.frames
    }
    attributes = {level: wide[f"attributes/{level}"] for level in videos.attributes}
    whole = VideoEmbeddings(videos.ids, wide["pooled"], frames, attributes, wide["linear"], videos.seconds)
    return whole.take(kept.live.tolist())
