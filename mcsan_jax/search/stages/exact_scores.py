"""This module scores texts with all videos of an index, or with some, by the functions of the training.

The arrays of the index stay in its own numbers, float16 or int8: as float32 they would take twice or four times the
memory, and reading them is most of the time of a search. A compiled program takes `_ROWS` videos and turns `_BLOCK` of
them at a time into float32, few enough to stay in the cache of a core. There is one program for any number of videos,
and as many calls as cores run beside each other; a video more or less needs no other program.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.index.engines.device_blocks import aligned, blocks_on_device, core_threads
from mcsan_jax.ranking.block_scores import ComponentScores
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.scoring.frame_attention import FrameSet
from mcsan_jax.scoring.multi_level import FUSED, Fusion, fuse_components, score_components
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos
from mcsan_jax.scoring.vectors import product_dtype

_ROWS = 512
"""Videos of a call."""

_BLOCK = 128
"""Videos that are float32 at a time: 128 of 20 frames of width 256 are 2.6 MB."""

_TEXTS = (1, 8, 64)
"""Texts of a call: the smallest of these that holds them, so that few programs are compiled."""

_NODES_PER_TEXT = {1: 8, 8: 4, 64: 4}
"""Least capacity for nodes of a level, by the capacity for texts; a larger one is a power of two."""


class StoredVideos(Protocol):
    """Stored videos are neighbouring videos of an index, such as a segment.

    Attributes:
        arrays: by name, as `mcsan_jax.index.stored_vectors` has them; each has a row for every video, live or removed.
        live: the rows of the videos that are not removed, rising.
    """

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Returns the arrays."""

    @property
    def live(self) -> Int[np.ndarray, " v"]:
        """Returns the live rows."""


Arrays = dict[str, jax.Array]


class CollectionScorer:
    """A collection scorer holds the videos of an index and scores texts with them; threads may share it.

    Args:
        segments: the videos; a row is the place of a video among all live ones.
        parameters: level weights and the share of the linear branch.
        config: of the model.
    """

    def __init__(
        self, segments: Sequence[StoredVideos], parameters: ScoringParameters, config: Config
    ) -> None:
        self._parameters = jax.tree.map(jnp.asarray, parameters)
        self._score = _compiled_scorer(config.similarity, config.model.compute_dtype)
        self._lock = threading.Lock()
        self._held: dict[int, tuple[Mapping[str, np.ndarray], list[Arrays]]] = {}
        self.take_segments(segments)

    def take_segments(self, segments: Sequence[StoredVideos]) -> None:
        """Takes other segments; of those whose arrays stay the same nothing is copied again."""
        found = [_Segment(scored_arrays(one.arrays), one.arrays, np.asarray(one.live)) for one in segments]
        with self._lock:
            self._held = {id(one.key): self._held[id(one.key)] for one in found if id(one.key) in self._held}
            self._segments = found

    def __len__(self) -> int:
        return sum(len(segment.live) for segment in self._segments)

    def scores(self, texts: TextCollection, rows: Int[np.ndarray, " v"] | None = None) -> ComponentScores:
        """Returns the scores of each text and video by component, the fused score first, float32 [t, v].

        A component that a text lacks, such as a level of which it has no node, is zero there.

        Args:
            texts: encoded texts.
            rows: of the videos, in any order; by default all videos. Where they are a small part of all, they are
                copied from the index for this call; otherwise all videos are scored, and these are taken.
        """
        segments = self._segments
        ends = np.cumsum([len(segment.live) for segment in segments], dtype=np.int64)
        count = int(ends[-1]) if len(ends) else 0
        if rows is not None and 4 * len(rows) <= count:
            order = np.argsort(rows, kind="stable")
            blocks = _gathering(segments, ends, np.asarray(rows, np.int64)[order])
            places = np.empty_like(order)
            places[order] = np.arange(len(order))
        else:
            blocks = [block for segment in segments for block in self._blocks(segment)]
            places = np.arange(count) if rows is None else np.asarray(rows, np.int64)
        parts = [self._scored(blocks, part) for part in _parts(texts)]
        return {
            name: np.concatenate([part[name] for part in parts])[:, places]
            if rows is not None
            else np.concatenate([part[name] for part in parts])
            for name in parts[0]
        }

    def _scored(self, blocks: "Sequence[_Block]", texts: TextCollection) -> ComponentScores:
        """Returns the scores of few texts [t, v], where `v` counts the kept rows of all blocks."""
        size = next(size for size in _TEXTS if size >= len(texts))
        padded = texts.take(slice(0, len(texts)), size, _capacity(texts, size))

        def score(block: _Block) -> dict[str, np.ndarray]:
            found = self._score(block.arrays(), padded, self._parameters)
            return {
                name: scores[block.kept, : len(texts)].T for name, scores in jax.device_get(found).items()
            }

        found = list(core_threads().map(score, blocks))
        if not found:
            names = [FUSED, *texts.nodes]
            return {name: np.zeros((len(texts), 0), np.float32) for name in names}
        names = [FUSED, *(name for name in found[0] if name != FUSED)]
        return {name: np.concatenate([part[name] for part in found], axis=1) for name in names}

    def _blocks(self, segment: "_Segment") -> "list[_Block]":
        """Returns a segment's videos in blocks that stay on the device."""
        with self._lock:
            if id(segment.key) not in self._held:
                self._held[id(segment.key)] = segment.key, blocks_on_device(segment.arrays, _ROWS)
            arrays = self._held[id(segment.key)][1]
        found = []
        for number, of_block in enumerate(arrays):
            start = number * _ROWS
            first, last = np.searchsorted(segment.live, [start, start + _ROWS])
            found.append(_Block(functools.partial(dict, of_block), segment.live[first:last] - start))
        return found


@dataclasses.dataclass(frozen=True)
class _Segment:
    """A segment with the arrays that scores need; `key` is the mapping from which they come."""

    arrays: dict[str, np.ndarray]
    key: Mapping[str, np.ndarray]
    live: Int[np.ndarray, " v"]


@dataclasses.dataclass(frozen=True)
class _Block:
    """A block has `_ROWS` videos on the device, and says which rows of it are wanted."""

    arrays: Callable[[], Arrays]
    kept: Int[np.ndarray, " v"]


def scored_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns those arrays of an index that scores need."""
    return {
        name: array for name, array in arrays.items() if name not in ("seconds", "stage_one") and array.size
    }


def normalised_videos(arrays: Mapping[str, jax.Array]) -> NormalisedVideos:
    """Returns stored arrays as float32, as the scores take them.

    Args:
        arrays: by name; ``pooled``, ``linear``, ``attributes/LEVEL``, and for each level of nodes ``frames/LEVEL/``
            with ``directions``, ``lengths`` and ``gram``, and ``scales`` where the directions are whole numbers.
    """
    wide = {name: array.astype(jnp.float32) for name, array in arrays.items()}
    frames = {}
    for level in dict.fromkeys(name.split("/")[1] for name in arrays if name.startswith("frames/")):
        own = {name: wide[f"frames/{level}/{name}"] for name in ("directions", "lengths", "gram")}
        if (scales := wide.get(f"frames/{level}/scales")) is not None:
            own["directions"] = own["directions"] * scales[..., None]
        frames[level] = FrameSet(**own)
    attributes = {
        name.removeprefix("attributes/"): wide[name] for name in wide if name.startswith("attributes/")
    }
    return NormalisedVideos(wide.get("pooled"), frames, attributes, wide.get("linear"))


@functools.cache
def _compiled_scorer(similarity: SimilarityConfig, compute_dtype: str) -> Any:
    """Returns the program that scores `_ROWS` videos with texts, by component [v, t]."""
    fusion, dtype = Fusion.as_trained(similarity), product_dtype(compute_dtype)

    def scores(
        arrays: Arrays, texts: NormalisedTexts, parameters: ScoringParameters
    ) -> dict[str, Float[jax.Array, "v t"]]:
        def of_block(block: Arrays) -> dict[str, Float[jax.Array, "b t"]]:
            components = score_components(
                normalised_videos(block), texts, similarity, fusion.attribute_share > 0, dtype
            )
            return {FUSED: fuse_components(components, texts, parameters, fusion), **components}

        found = jax.lax.map(
            of_block, {name: array.reshape(-1, _BLOCK, *array.shape[1:]) for name, array in arrays.items()}
        )
        return jax.tree.map(lambda array: array.reshape(-1, array.shape[-1]), found)

    return jax.jit(scores)


def _gathering(
    segments: Sequence[_Segment], ends: Int[np.ndarray, " s"], rows: Int[np.ndarray, " v"]
) -> list[_Block]:
    """Returns blocks that copy rows, which rise, from the segments when they are asked for."""
    return [
        _Block(functools.partial(_gathered, segments, ends, chosen), np.arange(len(chosen)))
        for chosen in (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))
    ]


def _gathered(
    segments: Sequence[_Segment], ends: Int[np.ndarray, " s"], rows: Int[np.ndarray, " v"]
) -> Arrays:
    owners = np.searchsorted(ends, rows, side="right")
    bounds = np.searchsorted(owners, np.arange(len(segments) + 1))
    arrays = {}
    for name, first in segments[owners[0]].arrays.items():
        block = aligned((_ROWS, *first.shape[1:]), first.dtype)
        for number in np.unique(owners).tolist():
            segment, own = segments[number], slice(bounds[number], bounds[number + 1])
            local = segment.live[rows[own] - (ends[number] - len(segment.live))]
            np.take(segment.arrays[name], local, axis=0, out=block[own], mode="clip")
        block[len(rows) :] = 0
        arrays[name] = jax.device_put(block)
    return arrays


def _parts(texts: TextCollection) -> list[TextCollection]:
    """Returns texts in parts of at most as many as a program takes."""
    if len(texts) <= _TEXTS[-1]:
        return [texts]
    starts = range(0, len(texts), _TEXTS[-1])
    return [texts.rows(np.arange(start, min(start + _TEXTS[-1], len(texts)))) for start in starts]


def _capacity(texts: TextCollection, size: int) -> dict[str, int]:
    """Returns room for the nodes of texts, the same for each level: a power of two."""
    most = max((int(nodes.counts.sum()) for nodes in texts.nodes.values()), default=0)
    room = max(size * _NODES_PER_TEXT[size], 1 << max(most - 1, 0).bit_length())
    return dict.fromkeys(texts.nodes, room)
