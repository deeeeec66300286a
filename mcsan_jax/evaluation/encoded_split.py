"""A whole split encoded once: its videos, its captions, and which belong together."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from data_pipeline.batches.batch import TextBatch, VideoBatch
from mcsan_jax.evaluation.collection import TextCollection, VideoCollection
from mcsan_jax.evaluation.encoding import Encoders, Variables, encoded_batches
from mcsan_jax.scoring.prepared import PreparedTexts, PreparedVideos


@runtime_checkable
class CaptionRows(Protocol):
    """Which captions the real rows of a batch are."""

    @property
    def ids(self) -> Sequence[str]:
        """Caption ids."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """What they say."""
        ...

    @property
    def videos(self) -> np.ndarray:
        """Index of each caption's video in the order of the videos."""
        ...


@runtime_checkable
class FoilRows(Protocol):
    """Which foils the real rows of a batch are."""

    @property
    def kinds(self) -> Sequence[str]:
        """What each foil changes."""
        ...

    @property
    def captions(self) -> np.ndarray:
        """Index of each foil's true caption in the order of the captions."""
        ...


@runtime_checkable
class Split(Protocol):
    """A split that can be read through, in an order that never changes."""

    def video_batches(self, batch_size: int) -> Iterator[tuple[Sequence[str], VideoBatch]]:
        """All videos, in padded batches, with the ids of the real rows."""
        ...

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionRows, TextBatch]]:
        """All captions of all videos."""
        ...

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilRows, TextBatch]]:
        """All foils: captions that are false of their video."""
        ...


@dataclasses.dataclass(frozen=True)
class EncodedVideos:
    """The videos of a split.

    Attributes:
        ids: in the order of the records.
        collection: their encodings.
        probabilities, labels: of each level's attributes, [v, a].
    """

    ids: list[str]
    collection: VideoCollection
    probabilities: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class EncodedCaptions:
    """The captions of a split.

    Attributes:
        ids, texts: in the order of the records.
        video_of_text: index of each caption's video [t].
        collection: their encodings.
    """

    ids: list[str]
    texts: list[str]
    video_of_text: np.ndarray
    collection: TextCollection

    def rows(self, rows: np.ndarray) -> "EncodedCaptions":
        """Some of the captions."""
        return EncodedCaptions(
            [self.ids[row] for row in rows],
            [self.texts[row] for row in rows],
            self.video_of_text[rows],
            self.collection.rows(rows),
        )


def encode_videos(
    encoders: Encoders, variables: Variables, split: Split, size: int, name: str
) -> EncodedVideos:
    """Encodes all videos of a split.

    Args:
        encoders: of the model.
        variables: its parameters and statistics.
        split: the videos.
        size: videos encoded at a time.
        name: of the split, for errors.

    Raises:
        InputError: the split holds no video.
    """
    ids: list[str] = []
    probabilities, labels = (collections.defaultdict[str, list[np.ndarray]](list) for _ in range(2))

    def prepared() -> Iterator[tuple[int, PreparedVideos]]:
        batches = split.video_batches(size)
        source = f"videos in split {name!r}"
        for own_ids, batch, (encoded, of_attributes) in encoded_batches(
            encoders.videos, variables, batches, source
        ):
            ids.extend(own_ids)
            for level, values in of_attributes.items():
                probabilities[level].append(np.array(np.asarray(values)[: len(own_ids)]))
                labels[level].append(np.asarray(batch.labels[level])[: len(own_ids)])
            yield len(own_ids), encoded

    collection = VideoCollection.gather(prepared())
    joined = [
        {level: np.concatenate(parts) for level, parts in of_level.items()}
        for of_level in (probabilities, labels)
    ]
    return EncodedVideos(ids, collection, *joined)


def encode_captions(
    encoders: Encoders, variables: Variables, split: Split, size: int, name: str
) -> EncodedCaptions:
    """Encodes all captions of a split; the arguments are those of `encode_videos`.

    Raises:
        InputError: the split holds no caption.
    """
    ids: list[str] = []
    texts: list[str] = []
    owners: list[np.ndarray] = []

    def prepared() -> Iterator[tuple[int, PreparedTexts]]:
        batches = split.caption_batches(size)
        for info, _, encoded in encoded_batches(
            encoders.texts, variables, batches, f"captions in split {name!r}"
        ):
            ids.extend(info.ids)
            texts.extend(info.texts)
            owners.append(info.videos)
            yield len(info.videos), encoded

    collection = TextCollection.gather(prepared())
    return EncodedCaptions(ids, texts, np.concatenate(owners), collection)
