"""This module has the numbers in which encoded videos are kept: float16, or int8 for the directions of frames.

A level score is a cosine of a mix of frame directions (`scoring.frame_attention`), and its Gram matrix is that of the
directions as they are kept, so that the score is the true cosine of what is kept. With ``int8``, a direction is
``scale · q`` with whole numbers q from −127 to 127 and a scale of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from mcsan_jax.index.on_disk.index_description import NumberType
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings

STAGE_ONE = "stage_one"
SECONDS = "seconds"
POOLED = "pooled"
LINEAR = "linear"

Encode = Callable[[Sequence[str]], VideoEmbeddings]
"""Encodes the videos of some ids."""

_LARGEST = 127
_FRAMES, _ATTRIBUTES = "frames", "attributes"
_DIRECTIONS, _SCALES, _LENGTHS, _GRAM = "directions", "scales", "lengths", "gram"


def frames_name(level: str, array: str) -> str:
    """Returns the name of an array of a level's frames: ``directions``, ``scales``, ``lengths`` or ``gram``."""
    return f"{_FRAMES}/{level}/{array}"


def attributes_name(level: str) -> str:
    """Returns the name of the array of a level's attributes."""
    return f"{_ATTRIBUTES}/{level}"


def stored_arrays(
    videos: VideoEmbeddings, number_type: NumberType, most_frames: int
) -> dict[str, np.ndarray]:
    """Returns the arrays of encoded videos, by name, as they are kept; each has a row for every video.

    Directions, Gram matrices, lengths, pooled vectors and attributes are float16, or, of int8, the directions with a
    float32 scale each. The vectors of the linear branch and the seconds are float32.

    Args:
        videos: the videos.
        number_type: ``float16`` or ``int8``.
        most_frames: of a video, where no level has frames.
    """
    arrays: dict[str, np.ndarray] = {}
    if videos.pooled is not None:
        arrays[POOLED] = _half(videos.pooled)
    for level, frames in videos.frames.items():
        directions = np.asarray(frames.directions, np.float32)
        if number_type == "int8":
            whole, scales = _in_int8(directions)
            arrays[frames_name(level, _DIRECTIONS)] = whole
            arrays[frames_name(level, _SCALES)] = scales
            rounded = whole.astype(np.float32) * scales[..., None]
        else:
            arrays[frames_name(level, _DIRECTIONS)] = _half(directions)
            rounded = arrays[frames_name(level, _DIRECTIONS)].astype(np.float32)
        arrays[frames_name(level, _LENGTHS)] = _half(frames.lengths)
        arrays[frames_name(level, _GRAM)] = _half(rounded @ rounded.swapaxes(1, 2))
    for level, directions in videos.attributes.items():
        arrays[attributes_name(level)] = _half(directions)
    if videos.linear is not None:
        arrays[LINEAR] = np.asarray(videos.linear, np.float32)
    arrays[SECONDS] = _padded_seconds(videos, most_frames)
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def read_videos(ids: Sequence[str], arrays: Mapping[str, np.ndarray]) -> VideoEmbeddings:
    """Returns kept arrays of some videos as float32."""

    def wide(name: str) -> np.ndarray:
        return arrays[name].astype(np.float32)

    frames = {}
    for level in _levels(arrays, _FRAMES):
        directions = wide(frames_name(level, _DIRECTIONS))
        if (scales := frames_name(level, _SCALES)) in arrays:
            directions *= arrays[scales][..., None]
        frames[level] = FrameVectors(
            directions, wide(frames_name(level, _LENGTHS)), wide(frames_name(level, _GRAM))
        )
    return VideoEmbeddings(
        tuple(ids),
        wide(POOLED) if POOLED in arrays else None,
        frames,
        {level: wide(attributes_name(level)) for level in _levels(arrays, _ATTRIBUTES)},
        wide(LINEAR) if LINEAR in arrays else None,
        wide(SECONDS),
    )


def _padded_seconds(videos: VideoEmbeddings, most_frames: int) -> np.ndarray:
    """Returns the seconds with a place for every frame."""
    width = max([of_level.lengths.shape[1] for of_level in videos.frames.values()], default=most_frames)
    seconds = np.asarray(videos.seconds, np.float32)
    padded = np.full((len(videos), max(width, seconds.shape[1])), np.nan, np.float32)
    padded[:, : seconds.shape[1]] = seconds
    return padded


def _in_int8(directions: Float[np.ndarray, "v f d"]) -> tuple[np.ndarray, np.ndarray]:
    """Returns whole numbers and scales [v, f]; a vector of zeros has the scale zero."""
    scales = (np.abs(directions).max(axis=-1) / _LARGEST).astype(np.float32)
    divisors = np.where(scales > 0, scales, 1)[..., None]
    return np.rint(directions / divisors).astype(np.int8), scales


def _half(array: np.ndarray) -> np.ndarray:
    return np.asarray(array).astype(np.float16)


def _levels(arrays: Mapping[str, np.ndarray], group: str) -> Iterator[str]:
    """Yields the levels that have arrays in a group, in their order."""
    yield from dict.fromkeys(name.split("/")[1] for name in arrays if name.startswith(f"{group}/"))
