"""This module has what the model makes of videos and of texts: arrays with names, ready to be compared and kept."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.errors import InputError, shown
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection, VideoCollection
from mcsan_jax.scoring.frame_attention import FrameSet
from mcsan_jax.scoring.normalised import NormalisedVideos

if TYPE_CHECKING:
    # It imports flax, which embeddings do without.
    from mcsan_jax.ranking.encode_split import EncodedVideos


Embeddings = TypeVar("Embeddings", bound="VideoEmbeddings | TextEmbeddings")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FrameVectors:
    """Frame vectors hold the frames of ``v`` videos at one level.

    Attributes:
        directions: unit vectors [v, f, d]; zero for padding.
        lengths: of the vectors, relative to the longest of the video [v, f]; zero for padding.
        gram: products of all directions of a video [v, f, f].
    """

    directions: Float[np.ndarray, "v f d"]
    lengths: Float[np.ndarray, "v f"]
    gram: Float[np.ndarray, "v f f"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class VideoEmbeddings:
    """Video embeddings hold ``v`` encoded videos; they are a pytree, of which the ids are no leaf.

    Attributes:
        ids: of the videos.
        pooled: unit vectors of the global level [v, d]; None without it.
        frames: by level, the frames.
        attributes: by level, unit vectors of the attribute probabilities [v, a].
        linear: the vectors of the linear branch [v, r]; None without one.
        seconds: time of each frame [v, f]; NaN where it is unknown, and for padding.
    """

    ids: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    pooled: Float[np.ndarray, "v d"] | None
    frames: dict[str, FrameVectors]
    attributes: dict[str, Float[np.ndarray, "v a"]]
    linear: Float[np.ndarray, "v r"] | None
    seconds: Float[np.ndarray, "v f"]

    @classmethod
    def of(cls, encoded: "EncodedVideos", times: Mapping[str, np.ndarray]) -> "VideoEmbeddings":
        """Returns encoded videos under the names of their arrays.

        Args:
            encoded: the videos.
            times: seconds of the frames by video id; empty where unknown.
        """
        seconds = seconds_of(encoded.ids, times)
        collection = encoded.collection
        one = cls._named((), collection.take(slice(0, 1), 1), np.zeros(0, np.float32))
        leaves = [*collection.arrays, seconds]
        named: VideoEmbeddings = jax.tree.unflatten(jax.tree.structure(one), leaves)
        return dataclasses.replace(named, ids=tuple(encoded.ids))

    @classmethod
    def _named(cls, ids: tuple[str, ...], videos: NormalisedVideos, seconds: np.ndarray) -> "VideoEmbeddings":
        """Returns the same arrays in the same order: that of the fields, which are those of `NormalisedVideos`."""
        on_host: Any = jax.tree.map(np.asarray, dataclasses.asdict(videos))
        frames = {level: FrameVectors(**of_level) for level, of_level in on_host["frames"].items()}
        return cls(ids, on_host["pooled"], frames, on_host["attributes"], on_host["linear"], seconds)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Returns the bytes of all arrays."""
        return _bytes_of(self)

    def numpy(self) -> "VideoEmbeddings":
        """Returns the same embeddings with all arrays on the host."""
        return jax.tree.map(np.asarray, self)

    def take(self, rows: Sequence[int]) -> "VideoEmbeddings":
        """Returns the videos of some rows, in that order."""
        chosen = [self.ids[row] for row in rows]
        named = dataclasses.replace(self, ids=tuple(chosen))
        return jax.tree.map(lambda leaf: np.asarray(leaf)[list(rows)], named)

    def times_of(self, row: int) -> Float[np.ndarray, " f"]:
        """Returns the seconds of a video's frames; empty where unknown."""
        return self.seconds[row][np.isfinite(self.seconds[row])]

    @functools.cached_property
    def collection(self) -> VideoCollection:
        """Returns them as the scores take them.

        Raises:
            InputError: the arrays have another number of rows than there are ids.
        """
        own = _in_float32(self)
        for leaf in jax.tree.leaves(own):
            if len(leaf) != len(self):
                raise InputError(
                    f"there are {len(self)} ids and an array of {len(leaf)} rows: cut embeddings with `take`, which "
                    "keeps both"
                )

        def first(array: np.ndarray) -> jax.Array:
            return jnp.asarray(array[:1])

        frames = {
            level: FrameSet(first(one.directions), first(one.lengths), first(one.gram))
            for level, one in own.frames.items()
        }
        kind = jax.tree.structure(
            NormalisedVideos(
                None if own.pooled is None else first(own.pooled),
                frames,
                {level: first(array) for level, array in own.attributes.items()},
                None if own.linear is None else first(own.linear),
            )
        )
        return VideoCollection(jax.tree.leaves((own.pooled, own.frames, own.attributes, own.linear)), kind)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TextEmbeddings:
    """Text embeddings hold ``t`` encoded texts; they are a pytree, of which the texts are no leaf.

    Attributes:
        texts: as they were given.
        pooled: unit vectors of the global level [t, d]; None without it.
        nodes: by level, the unit vectors of all nodes, those of one text after those of another [m, d].
        node_counts: by level, how many nodes each text has [t].
        node_negated: by level, which of the nodes the texts deny [m]; their scores are taken off.
        attributes: by level, unit vectors of the attribute probabilities [t, a].
        linear: the vectors of the linear branch [t, r]; None without one.
    """

    texts: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    pooled: Float[np.ndarray, "t d"] | None
    nodes: dict[str, Float[np.ndarray, "m d"]]
    node_counts: dict[str, Int[np.ndarray, " t"]]
    node_negated: dict[str, Bool[np.ndarray, " m"]]
    attributes: dict[str, Float[np.ndarray, "t a"]]
    linear: Float[np.ndarray, "t r"] | None

    @classmethod
    def of(cls, texts: tuple[str, ...], collection: TextCollection) -> "TextEmbeddings":
        """Returns encoded texts under the names of their arrays."""
        return cls(
            texts,
            collection.pooled,
            {level: nodes.queries for level, nodes in collection.nodes.items()},
            {level: nodes.counts for level, nodes in collection.nodes.items()},
            {level: nodes.negated for level, nodes in collection.nodes.items()},
            collection.attributes,
            collection.linear,
        )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def nbytes(self) -> int:
        """Returns the bytes of all arrays."""
        return _bytes_of(self)

    def numpy(self) -> "TextEmbeddings":
        """Returns the same embeddings with all arrays on the host."""
        return jax.tree.map(np.asarray, self)

    @functools.cached_property
    def collection(self) -> TextCollection:
        """Returns them as the scores take them."""
        own = _in_float32(self)
        nodes = {
            level: CaptionNodes(own.nodes[level], own.node_counts[level], own.node_negated[level])
            for level in own.nodes
        }
        return TextCollection(own.pooled, nodes, own.attributes, len(own), own.linear)


def seconds_of(ids: Sequence[str], times: Mapping[str, np.ndarray]) -> Float[np.ndarray, "v f"]:
    """Returns the seconds of the frames of each video; NaN where they are unknown, and for padding."""
    seconds = np.full((len(ids), max(map(len, times.values()), default=0)), np.nan, np.float32)
    for row, video_id in enumerate(ids):
        seconds[row, : len(times[video_id])] = times[video_id]
    return seconds


def as_texts(texts: str | Sequence[str]) -> tuple[str, ...]:
    """Returns texts as a tuple.

    Raises:
        InputError: there is no text, or something is no text.
    """
    if not isinstance(texts, str | Sequence):
        raise InputError(
            f"the texts are {shown(texts)} of type {type(texts).__name__}; give a sentence or a sequence of sentences"
        )
    given = (texts,) if isinstance(texts, str) else tuple(texts)
    if not given:
        raise InputError("there are no texts; give a sentence or a sequence of sentences")
    for number, text in enumerate(given, start=1):
        if not isinstance(text, str):
            raise InputError(
                f"text {number} of {len(given)} is {shown(text)} of type {type(text).__name__}; give texts"
            )
    return given


def check_embeddings(texts: object, videos: object) -> None:
    """Refuses what cannot be compared.

    Raises:
        InputError: the texts or the videos are something else.
    """
    for given, kind, what, call in (
        (texts, TextEmbeddings, "texts", "encode_query"),
        (videos, VideoEmbeddings, "videos", "encode_document"),
    ):
        if not isinstance(given, kind):
            raise InputError(
                f"the {what} are of type {type(given).__name__}; expected {kind.__name__}, as {call} returns them; the "
                "texts come first"
            )


def check_batch_size(batch_size: int) -> None:
    """Refuses a number of items below one.

    Raises:
        InputError: there would be no batch.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, found {batch_size}")


def _in_float32(embeddings: Embeddings) -> Embeddings:
    """Returns the same embeddings on the host, with numbers that were rounded to fewer digits as float32 again."""

    def wide(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return array if array.dtype.kind in "iub" else array.astype(np.float32, copy=False)

    return jax.tree.map(wide, embeddings)


def _bytes_of(embeddings: VideoEmbeddings | TextEmbeddings) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(embeddings))
