"""Commands on an index of made-up videos, quick enough to be interrupted at each of their steps."""

import hashlib
import pathlib

import numpy as np
import pyarrow as pa

from mcsan_jax.index.index_writer import IndexWriter
from mcsan_jax.index.metadata.metadata_table import aligned
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings
from mcsan_jax.retrieval.find_model import find_model
from mcsan_jax.retrieval.model import Mcsan


def made_up(names: list[str]) -> VideoEmbeddings:
    """Videos of two frames and eight numbers a level, each drawn from its name."""
    count = len(names)
    draws = [np.random.default_rng(list(hashlib.sha256(name.encode()).digest())) for name in names]
    frames = np.stack([draw.normal(size=(2, 8)) for draw in draws]).astype(np.float32)
    frames /= np.linalg.norm(frames, axis=-1, keepdims=True)
    whole = FrameVectors(frames, np.ones((count, 2), np.float32), frames @ frames.swapaxes(1, 2))
    linear = frames.reshape(count, -1)
    seconds = np.tile(np.float32([0.5, 1.5]), (count, 1))
    return VideoEmbeddings(tuple(names), frames[:, 0], {"entity": whole}, {}, linear, seconds)


def names_of(first: int, count: int) -> list[str]:
    return [f"video {number:04d}" for number in range(first, first + count)]


def build(folder: pathlib.Path, names: list[str], model: Mcsan | None = None) -> bool:
    """Makes an index of made-up videos, or goes on making it."""
    digest = hashlib.sha256(repr(("build", names)).encode()).hexdigest()
    with IndexWriter.create(folder, find_model("demo"), model=model, digest=digest) as writer:
        return writer.add_in_parts(names, made_up, digest=digest, words="build")


def add(folder: pathlib.Path, names: list[str], model: Mcsan | None = None) -> bool:
    """Adds made-up videos with a new column of metadata, or goes on adding them."""
    digest = hashlib.sha256(repr(("add", names)).encode()).hexdigest()
    table = aligned(pa.table({"id": names, "number": list(range(len(names)))}), names, {})
    with IndexWriter.open(folder, model) as writer:
        return writer.add_in_parts(names, made_up, table, digest=digest, words="add")


def remove(folder: pathlib.Path, names: list[str]) -> bool:
    digest = hashlib.sha256(repr(("remove", names)).encode()).hexdigest()
    with IndexWriter.open(folder) as writer:
        return writer.remove(names, digest=digest, words="remove")


def content_of(folder: pathlib.Path) -> dict[str, bytes]:
    """Every byte of an index, but for the lock, by the name of the file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
