"""This module keeps whole splits on the host, normalised: videos, and captions with their nodes packed."""

import collections
import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int

from mcsan_jax.encodings import NodeSet
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos, PackedNodes
from mcsan_jax.sharding import replicated

Rows = slice | Int[np.ndarray, " rows"]
"""Neighbouring rows, or the indices of any."""

_NODE_MULTIPLE = 128
"""A capacity for nodes is rounded up to it, so that splits of nearly the same size share a compiled program."""


@dataclasses.dataclass(frozen=True)
class VideoCollection:
    """It holds normalised videos; each array has a row per video."""

    arrays: list[np.ndarray]
    kind: Any
    _on_devices: dict[tuple[int, int, int, Mesh], NormalisedVideos] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def gather(cls, batches: Iterable[tuple[int, NormalisedVideos]]) -> "VideoCollection":
        """Joins the first rows of the batches, as many of each as stand beside it."""
        columns: list[list[np.ndarray]] = []
        kind = None
        for rows, batch in batches:
            leaves, kind = jax.tree.flatten(batch)
            columns = columns or [[] for _ in leaves]
            for column, leaf in zip(columns, leaves, strict=True):
                column.append(_first(leaf, rows))
        return cls([_joined(column) for column in columns], kind)

    def __len__(self) -> int:
        return len(self.arrays[0])

    @property
    def bytes_per_video(self) -> float:
        """Returns the bytes of a video's arrays."""
        return sum(array.nbytes for array in self.arrays) / max(len(self), 1)

    def on_devices(self, rows: slice, size: int, mesh: Mesh) -> NormalisedVideos:
        """Puts neighbouring videos on every device, filled up as by `take`.

        They stay there for whoever compares them next, as long as the collection takes at most half of the memory of
        a device.
        """
        key = (rows.start, rows.stop, size, mesh)
        if key in self._on_devices:
            return self._on_devices[key]
        block = jax.device_put(self.take(rows, size), replicated(mesh))
        if self.bytes_per_video * len(self) <= _memory_of(mesh) / 2:
            self._on_devices[key] = block
        return block

    def take(self, rows: Rows, size: int) -> NormalisedVideos:
        """Puts some videos on the device, filled up to `size` with videos without frames."""
        return jax.tree.unflatten(self.kind, [_take(array, rows, size) for array in self.arrays])


@dataclasses.dataclass(frozen=True)
class CaptionNodes:
    """They are the nodes of captions at one level, one caption after the other.

    Attributes:
        queries: unit vectors.
        counts: how many nodes each caption has.
        negated: which nodes their captions deny.
    """

    queries: Float[np.ndarray, "m d"]
    counts: Int[np.ndarray, " t"]
    negated: Bool[np.ndarray, " m"]

    def __post_init__(self) -> None:
        if not len(self.queries) == len(self.negated) == self.counts.sum():
            raise ValueError(
                f"{len(self.queries)} nodes, of which {len(self.negated)} are denied or not, but captions count "
                f"{self.counts.sum()}"
            )

    @property
    def signed(self) -> Float[np.ndarray, "m d"]:
        """Returns the unit vectors, those of denied nodes with a minus; the sum of products with them is a score."""
        return np.where(self.negated[:, None], -self.queries, self.queries)

    def rows(self, rows: Rows) -> "CaptionNodes":
        """Returns the nodes of some of the captions."""
        places = self.places(rows)
        return CaptionNodes(self.queries[places], self.counts[rows], self.negated[places])

    @property
    def ends(self) -> Int[np.ndarray, " t"]:
        """Returns where the nodes of each caption end."""
        return np.cumsum(self.counts)

    def places(self, rows: Rows) -> Int[np.ndarray, " nodes"]:
        """Returns the indices of the nodes of some captions."""
        counts = self.counts[rows]
        before_own = np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat((self.ends - self.counts)[rows], counts) + np.arange(counts.sum()) - before_own

    def padded(self, rows: Rows) -> NodeSet:
        """Puts the nodes of some captions on the device, padded to the most that any caption of the collection has."""
        mask = np.arange(self.counts.max(initial=1)) < self.counts[rows][:, None]
        nodes, negated = (
            np.zeros((*mask.shape, self.queries.shape[1]), self.queries.dtype),
            np.zeros_like(mask),
        )
        places = self.places(rows)
        nodes[mask], negated[mask] = self.queries[places], self.negated[places]
        return NodeSet(jnp.asarray(nodes), jnp.asarray(mask), jnp.asarray(negated))

    def take(self, rows: Rows, size: int, capacity: int) -> PackedNodes:
        """Puts the nodes of some captions on the device, in arrays for `size` captions and `capacity` nodes."""
        counts, places = self.counts[rows], self.places(rows)
        total = int(counts.sum())
        present = np.zeros(size, bool)
        present[: len(counts)] = counts > 0
        groups = np.full(capacity, size, np.int32)
        groups[:total] = np.repeat(np.cumsum(counts > 0) - 1, counts)
        shares = np.zeros(capacity, np.float32)
        shares[:total] = np.where(self.negated[places], -1.0, 1.0) * np.repeat(
            1.0 / np.maximum(counts, 1), counts
        )
        return PackedNodes(
            _take(self.queries, places, capacity),
            jnp.asarray(groups),
            jnp.asarray(shares),
            jnp.asarray(present),
        )


@dataclasses.dataclass(frozen=True)
class TextCollection:
    """It holds normalised captions.

    Attributes:
        pooled: unit vectors of the global level; None without it.
        nodes: the nodes of each other level.
        attributes: the directions of the attribute probabilities.
        count: the number of captions.
        linear: the vectors of the linear branch; None without it.
    """

    pooled: Float[np.ndarray, "t d"] | None
    nodes: dict[str, CaptionNodes]
    attributes: dict[str, Float[np.ndarray, "t _"]]
    count: int
    linear: Float[np.ndarray, "t r"] | None = None

    @classmethod
    def gather(cls, batches: Iterable[tuple[int, NormalisedTexts]]) -> "TextCollection":
        """Joins the first captions of the batches, as many of each as stand beside it."""
        pooled: list[np.ndarray] = []
        linear: list[np.ndarray] = []
        queries, counts, negated, attributes = (collections.defaultdict(list) for _ in range(4))
        captions = 0
        for rows, batch in batches:
            captions += rows
            if batch.pooled is not None:
                pooled.append(_first(batch.pooled, rows))
            if batch.linear is not None:
                linear.append(_first(batch.linear, rows))
            for level, packed in batch.nodes.items():
                counts[level].append(_nodes_of_captions(packed)[:rows])
                # Rows that only fill up a batch have no nodes, and would come last.
                total = int(counts[level][-1].sum())
                queries[level].append(_first(packed.queries, total))
                negated[level].append(_first(packed.shares, total) < 0)
            for level, directions in batch.attributes.items():
                attributes[level].append(_first(directions, rows))
        return cls(
            _joined(pooled) if pooled else None,
            {
                level: CaptionNodes(_joined(queries[level]), _joined(counts[level]), _joined(negated[level]))
                for level in queries
            },
            {level: _joined(arrays) for level, arrays in attributes.items()},
            captions,
            _joined(linear) if linear else None,
        )

    def __len__(self) -> int:
        return self.count

    def rows(self, rows: Int[np.ndarray, " some"]) -> "TextCollection":
        """Returns some of the captions."""
        return TextCollection(
            None if self.pooled is None else self.pooled[rows],
            {level: nodes.rows(rows) for level, nodes in self.nodes.items()},
            {level: directions[rows] for level, directions in self.attributes.items()},
            len(rows),
            None if self.linear is None else self.linear[rows],
        )

    @property
    def bytes_per_caption(self) -> float:
        """Returns the bytes of a caption's arrays, on average."""
        arrays = [nodes.queries for nodes in self.nodes.values()] + list(self.attributes.values())
        arrays += [array for array in (self.pooled, self.linear) if array is not None]
        return sum(array.nbytes for array in arrays) / max(len(self), 1)

    def capacity(self, size: int) -> dict[str, int]:
        """Returns how many nodes of each level any `size` neighbouring captions have at most, rounded up."""
        capacities = {}
        for level, nodes in self.nodes.items():
            ends = nodes.ends
            starts = np.arange(0, len(ends), size)
            most = np.max(ends[np.minimum(starts + size, len(ends)) - 1] - (ends - nodes.counts)[starts])
            capacities[level] = _rounded(int(most))
        return capacities

    def capacity_for_any(self, size: int) -> dict[str, int]:
        """Returns how many nodes of each level any `size` captions have at most, wherever they are, rounded up."""
        return {
            level: _rounded(size * int(nodes.counts.max(initial=0))) for level, nodes in self.nodes.items()
        }

    def capacity_for(self, rows: Rows) -> dict[str, int]:
        """Returns how many nodes of each level these captions have, rounded up."""
        return {level: _rounded(int(nodes.counts[rows].sum())) for level, nodes in self.nodes.items()}

    def take(self, rows: Rows, size: int, capacity: dict[str, int]) -> NormalisedTexts:
        """Puts some captions on the device, filled up to `size` with captions without nodes."""
        return NormalisedTexts(
            None if self.pooled is None else _take(self.pooled, rows, size),
            {level: nodes.take(rows, size, capacity[level]) for level, nodes in self.nodes.items()},
            {level: _take(array, rows, size) for level, array in self.attributes.items()},
            None if self.linear is None else _take(self.linear, rows, size),
        )


def _memory_of(mesh: Mesh) -> float:
    """Returns the bytes of a device, without bound for a CPU: its memory is the host's, which has the collection."""
    statistics = mesh.devices.flat[0].memory_stats()
    return statistics["bytes_limit"] if statistics else math.inf


def _rounded(nodes: int) -> int:
    return max(-(-nodes // _NODE_MULTIPLE), 1) * _NODE_MULTIPLE


def _nodes_of_captions(packed: PackedNodes) -> np.ndarray:
    """Returns how many nodes each caption has [t]."""
    groups, present = np.asarray(packed.groups), np.asarray(packed.present)
    counts = np.zeros(len(present), np.int64)
    counts[present] = np.bincount(groups[groups < len(present)])
    return counts


def _first(array: jax.Array, rows: int) -> np.ndarray:
    """Copies the first rows to the host, so that the rest can be freed."""
    return np.array(np.asarray(array)[:rows])


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Returns the arrays as one, and empties the list, so that no array is held for longer than it takes."""
    whole = np.concatenate(arrays)
    arrays.clear()
    return whole


def _take(array: np.ndarray, rows: Rows, size: int) -> jax.Array:
    """Puts rows of an array on the device, filled up with zeros; neighbouring rows are copied once at most."""
    taken = array[rows]
    if len(taken) < size:
        filled = np.zeros((size, *array.shape[1:]), array.dtype)
        filled[: len(taken)] = taken
        taken = filled
    return jnp.asarray(taken)
