"""This module keeps the stage-1 vectors of an index, and the bases to which their parts are cut where they are wide."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing, sha256_of
from mcsan_jax.index.on_disk.durable import sync
from mcsan_jax.index.on_disk.index_description import BASES_NAME, IndexDescription, StoredFile
from mcsan_jax.index.on_disk.stored_layout import STORED_TOGETHER
from mcsan_jax.index.on_disk.stored_vectors import STAGE_ONE, read_videos
from mcsan_jax.index.stage_one import MOST_WIDTH, fit_bases, stage_one_videos
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.model import Mcsan

FITTED_ON = 1024
"""Videos on which bases are fitted, spread over the first segment."""

Arrays = Mapping[str, np.ndarray]


def with_stage_one(
    folder: pathlib.Path, result: IndexDescription, arrays: Arrays, model: Mcsan
) -> tuple[IndexDescription, dict[str, np.ndarray]]:
    """Adds the stage-1 vectors to the arrays of a segment; they are made of the vectors as they are kept.

    The first segment of an index decides the bases of all, which are written beside it.

    Args:
        folder: of the index.
        result: what the index will be.
        arrays: of the videos of the segment.
        model: of the index.

    Returns:
        The description, with the bases, and the arrays, with the stage-1 vectors.

    Raises:
        InputError: the vectors are wider than a stage-1 vector may be.
    """
    parameters, config = model.scoring_parameters, model.config.similarity
    if not result.arrays:
        spread = np.unique(np.linspace(0, _rows(arrays) - 1, FITTED_ON).astype(int))
        bases = fit_bases(_videos(arrays, spread), parameters, config)
        result = dataclasses.replace(result, bases=_written(folder, bases) if bases else None)
    make = functools.partial(
        stage_one_videos, parameters=parameters, config=config, bases=read_bases(folder, result)
    )
    vectors = np.concatenate([make(videos) for videos in _in_parts(arrays)])
    if vectors.shape[1] > MOST_WIDTH:
        raise InputError(f"stage-1 vectors have {vectors.shape[1]} numbers; expected at most {MOST_WIDTH}")
    return result, {**arrays, STAGE_ONE: vectors.astype(np.float16)}


def read_bases(folder: pathlib.Path, description: IndexDescription) -> dict[str, Float[np.ndarray, "d w"]]:
    """Returns the bases of an index by component; empty where the parts of a stage-1 vector are not cut.

    Raises:
        InputError: the file is missing or damaged.
    """
    if description.bases is None:
        return {}
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / BASES_NAME
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); `mcsan index verify` names what is damaged"
        ) from error


def _written(folder: pathlib.Path, bases: Mapping[str, np.ndarray]) -> StoredFile:
    from safetensors.numpy import save

    path = folder / BASES_NAME
    with replacing(path) as partial:
        partial.write_bytes(save(dict(bases)))
        sync(partial)
    return StoredFile(sha256_of(path), path.stat().st_size)


def _in_parts(arrays: Arrays) -> Iterator[VideoEmbeddings]:
    for start in range(0, _rows(arrays), STORED_TOGETHER):
        yield _videos(arrays, slice(start, start + STORED_TOGETHER))


def _videos(arrays: Arrays, rows: np.ndarray | slice) -> VideoEmbeddings:
    some = {name: array[rows] for name, array in arrays.items()}
    return read_videos([""] * _rows(some), some)


def _rows(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))
