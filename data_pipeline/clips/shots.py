"""This module divides long clips into parts."""

import itertools
import pathlib

import numpy as np

from data_pipeline.clips.open_clip import OpenClip

LONG = 60.0
"""Seconds; a shorter clip is one part."""

_WINDOW = 10.0


def find_parts(path: pathlib.Path) -> list[tuple[float, float]]:
    """Returns start and end of each part of a clip, in seconds."""
    with OpenClip(path) as clip:
        edges = np.append(np.arange(0, clip.duration, _WINDOW), clip.duration).tolist()
    return list(itertools.pairwise(edges))
