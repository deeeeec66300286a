from collections.abc import Iterator

import jax
import numpy as np
import pytest


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision for the length of a test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> Iterator[tuple[np.dtype, float]]:
    """A type, and how far a result of that type may be from the formula in double precision."""
    dtype = np.dtype(request.param)
    with jax.enable_x64(dtype == np.float64):
        yield dtype, {"float32": 1e-5, "float64": 1e-10}[request.param]
