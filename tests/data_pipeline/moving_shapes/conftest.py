"""Clips and scenes that all tests of the embedded data set look at."""

import numpy as np
import pytest

from data_pipeline.moving_shapes.dataset import Clip, clips
from data_pipeline.moving_shapes.scene import Scene, draw_scene


@pytest.fixture(scope="session")
def made() -> list[Clip[Scene]]:
    return list(clips("train", 600, seed=0))


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    return [draw_scene(np.random.default_rng([7, index])) for index in range(6000)]
