"""What every reader of precomputed features offers, what readers share, and whether features can be used."""

import dataclasses
import pathlib
from typing import Protocol

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.features.provenance import Provenance, SourceClip

FEATURES = "features"
"""Name of the array where a file or a group holds one video."""


class FeatureSource(Protocol):
    """Features of many videos; any number of frames, any dimension.

    A source can be pickled, so that worker processes open the files anew. One that does not know the encoder and the
    clips behind its features is a subclass, which says so.

    Attributes:
        description: kind and name of the file or folder, for messages and manifests.
    """

    description: str

    def ids(self) -> set[str]:
        """Ids of the videos that have features."""

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video: ``[frames, dim]`` or ``[frames, regions, dim]``, as they are stored.

        `check_features` judges whether the values can be used.

        Raises:
            InputError: the video has no features, or they cannot be read.
        """

    def times(self, video_id: str, frames: int) -> np.ndarray | None:
        """Seconds of its frames, float32 ``[frames]``, not negative and strictly increasing; None if unknown.

        ``frames`` is their number, as `read` gave them: times alone are no reason to read features again.

        Raises:
            InputError: the video has no features, or what is known of their times is wrong or contradictory.
        """

    def provenance(self) -> Provenance | None:
        """What made the features; None if unknown.

        Raises:
            InputError: what the file says of it cannot be read.
        """
        return None

    def clip(self, video_id: str) -> SourceClip | None:
        """The clip whose frames became the features of a video; None if unknown.

        Raises:
            InputError: the video has no features, or what the file says of the clip cannot be read.
        """
        return None


def no_features(path: pathlib.Path, video_id: str) -> InputError:
    """The error for a video that a file or folder does not have."""
    return InputError(f"{path}: no features of video {video_id!r}; extract them or leave it out")


class VideoFiles:
    """The files of a folder that holds one per video, named by its id; hidden ones are left out."""

    def __init__(self, folder: pathlib.Path, ending: str) -> None:
        """Lists the files with that ending.

        Raises:
            InputError: there is none.
        """
        self._folder = folder
        self._paths = {
            path.name.removesuffix(ending): path
            for path in sorted(folder.glob(f"*{ending}"))
            if not path.name.startswith(".")
        }
        if not self._paths:
            raise InputError(f"{folder}: no {ending} files in this folder; check the path of the features")

    def ids(self) -> set[str]:
        """Ids of the videos that have a file."""
        return set(self._paths)

    def path(self, video_id: str) -> pathlib.Path:
        """The file of a video.

        Raises:
            InputError: it has none.
        """
        if video_id not in self._paths:
            raise no_features(self._folder, video_id)
        return self._paths[video_id]


_LARGEST = float(np.finfo(np.float16).max)


@dataclasses.dataclass(frozen=True)
class FrameShape:
    """Shape of one frame's features, ``(dim,)`` or ``(regions, dim)``, and the video that set it."""

    shape: tuple[int, ...]
    video_id: str


def check_features(
    array: np.ndarray, video_id: str, source: str, expected_dim: FrameShape | None
) -> FrameShape:
    """Checks the features of one video.

    Args:
        array: ``[frames, dim]`` or ``[frames, regions, dim]``.
        video_id: the video's id, for messages.
        source: the features' source, for messages.
        expected_dim: what the call for the first video returned; None for the first video.

    Returns:
        ``expected_dim``, or for the first video the shape that the others must have.

    Raises:
        InputError: wrong type, rank or dimension, no frames, or values that are NaN, infinite or beyond
            float16, in which records hold them.
    """
    where = f"{source}, video {video_id!r}"
    check_layout(array, where)
    expected = expected_dim or FrameShape(array.shape[1:], video_id)
    if array.shape[1:] != expected.shape:
        raise another_shape(array.shape, expected, where)
    check_values(array, where)
    return expected


def check_layout(array: np.ndarray, where: str) -> None:
    """Checks type and rank of a video's features, whatever the dimension and the values.

    Raises:
        InputError: no floating-point numbers, another rank than 2 or 3, or no frames.
    """
    if array.dtype.kind != "f":
        raise InputError(
            f"{where}: expected floating-point features, found dtype {array.dtype}; store np.float32(array.tolist())"
        )
    if array.ndim not in (2, 3):
        squeezed = [size for size in array.shape if size != 1]
        remedy = "store one row per frame"
        if array.ndim == 1:
            remedy += f", such as [1, {len(array)}] if this is the vector of a whole video"
        elif len(squeezed) == 2:
            remedy += f", such as {squeezed} without the axes of length 1"
        raise InputError(
            f"{where}: expected [frames, dim] or [frames, regions, dim], found shape {list(array.shape)}; {remedy}"
        )
    if array.size == 0:
        raise InputError(
            f"{where}: no frames (shape {list(array.shape)}); extract it again or leave the video out"
        )


def another_shape(shape: tuple[int, ...], expected: FrameShape, where: str) -> InputError:
    """The error for features ``[frames, ...]`` of which a frame is not as expected."""
    # Some extractors keep the axis of a batch of one video.
    squeezed = "; store arrays [1, frames, dim] as [frames, dim]" if shape[0] == 1 < len(shape) - 1 else ""
    return InputError(
        f"{where}: a frame has dimension {_spoken(shape[1:])}, but {_spoken(expected.shape)} in video "
        f"{expected.video_id!r}; all videos of a source need features of the same network{squeezed}"
    )


def check_values(array: np.ndarray, where: str) -> None:
    """Checks that float16 can hold a video's features.

    Raises:
        InputError: values that are NaN, infinite or too large.
    """
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError(
            f"{where}: {int((~finite).sum())} values are NaN or infinite, the first in frame {_first_frame(~finite)}; "
            "extract it again or leave the video out"
        )
    beyond = np.abs(array) > _LARGEST
    if beyond.any():
        raise InputError(
            f"{where}: {int(beyond.sum())} values are larger than {_LARGEST:.0f}, the limit of float16, the "
            f"first in frame {_first_frame(beyond)}; scale the features down"
        )


def _first_frame(bad: np.ndarray) -> int:
    return int(np.argwhere(bad)[0, 0])


def _spoken(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
