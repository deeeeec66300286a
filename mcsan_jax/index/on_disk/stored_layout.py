"""This module compares the arrays of videos with the layout of an index: names, types and shapes of a row."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from data_pipeline.errors import Faults
from data_pipeline.host.typed_values import parse
from mcsan_jax.index.on_disk.index_description import StoredArray

STORED_TOGETHER = 256
"""Videos whose float32 vectors are in memory at a time."""


def layout_of(arrays: Mapping[str, np.ndarray]) -> dict[str, StoredArray]:
    """Returns type and shape of each array."""
    return {
        name: parse(StoredArray, {"dtype": str(array.dtype), "shape": array.shape[1:]})
        for name, array in arrays.items()
    }


def fitted(arrays: Mapping[str, np.ndarray], layout: Mapping[str, StoredArray]) -> dict[str, np.ndarray]:
    """Returns arrays in the order of an index, of which they must have the shapes.

    Raises:
        InputError: names every array that is another one than in the index.
    """
    faults = Faults()
    found = layout_of(arrays)
    for name in {**layout, **found}:
        if name not in found or name not in layout:
            where = "the index" if name in layout else "the videos"
            faults.add(f"{name}: only {where} have it; the videos are of another model than the index")
        elif found[name] != layout[name]:
            faults.add(
                f"{name}: found {found[name].dtype} {list(found[name].shape)} a video, expected "
                f"{layout[name].dtype} {list(layout[name].shape)}; the videos are of another model than the index"
            )
    faults.check()
    return {name: arrays[name] for name in layout}


def arrays_in_parts(
    ids: Sequence[str],
    arrays_of: Callable[[Sequence[str]], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns the kept arrays of many videos, of which few are in memory as float32 at a time.

    Args:
        ids: of the videos.
        arrays_of: returns those of some ids.
    """
    starts = range(0, len(ids), STORED_TOGETHER)
    parts = [arrays_of(ids[start : start + STORED_TOGETHER]) for start in starts]
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
