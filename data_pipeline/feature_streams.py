"""Reads the feature streams of videos, checks every array, and measures the training split on the way."""

import pathlib
from collections.abc import Iterable

import numpy as np

from data_pipeline.features.checks import FrameShape, check_features
from data_pipeline.features.readers import FeatureSource
from data_pipeline.features.statistics import RunningStatistics
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream
from mcsan_jax.errors import InputError


class StreamReader:
    """One feature stream: every array is checked, rounded to float16 and, for training videos, counted."""

    def __init__(self, name: str, source: FeatureSource, first_video: str) -> None:
        """Looks at one video to learn the shape of a frame.

        Raises:
            InputError: its features cannot be used.
        """
        self.name = name
        self._source = source
        self._statistics = RunningStatistics()
        self._expected: FrameShape = check_features(
            source.read(first_video), first_video, source.description, None
        )

    @property
    def has_regions(self) -> bool:
        """Whether a frame holds several vectors."""
        return len(self._expected.shape) == 2

    def read(self, video_id: str, count: bool) -> np.ndarray:
        """Features of a video, float16; `count` adds them to the statistics.

        Raises:
            InputError: they are missing, broken, or of another dimension than the rest.
        """
        array = self._source.read(video_id)
        check_features(array, video_id, self._source.description, self._expected)
        rounded = array.astype(np.float16)
        if count:
            self._statistics.update(rounded)
        return rounded

    def describe(self) -> FeatureStream:
        """The stream for the manifest; mean 0 and deviation 1 as long as nothing was counted."""
        dim = self._expected.shape[-1]
        counted = self._statistics.count > 0
        return FeatureStream(
            name=self.name,
            kind=REGIONS if self.has_regions else FRAMES,
            dim=dim,
            regions=self._expected.shape[0] if self.has_regions else 0,
            mean=tuple(self._statistics.mean.tolist()) if counted else (0.0,) * dim,
            std=tuple(self._statistics.std.tolist()) if counted else (1.0,) * dim,
            source=self._source.description,
        )


def stream_names(paths: Iterable[str]) -> dict[str, pathlib.Path]:
    """Names of streams from ``NAME=PATH`` or plain ``PATH`` (then the file's or folder's own name, without ending).

    Raises:
        InputError: a name is empty or occurs twice.
    """
    named: dict[str, pathlib.Path] = {}
    for given in paths:
        name, separator, path = given.partition("=")
        # A folder's name may hold "=", too.
        if not separator or "/" in name:
            name, path = pathlib.Path(given).stem.replace(".", "_"), given
        if not name or not path or name in named:
            fault = f"a second stream named {name!r}" if name in named else "a name or a path is empty"
            raise InputError(
                f"--features={given}: {fault}; expected PATH or NAME=PATH, each with a name of its own"
            )
        named[name] = pathlib.Path(path)
    return named
