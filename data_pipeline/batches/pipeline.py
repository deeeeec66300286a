"""This module reads TFRecords as padded numpy batches, in an order that depends on the seed and the step alone.

Only the step has to be saved to continue a run. TensorFlow is loaded when a reader is made.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from data_pipeline.batches.batch import (
    BatchLimits,
    PairBatch,
    PairInfo,
    TextBatch,
    VideoBatch,
    pad_rows,
    rebatched,
)
from data_pipeline.batches.order import RecordOrder
from data_pipeline.batches.other_tokens import OtherTokens
from data_pipeline.batches.text_layout import lay_out
from data_pipeline.errors import InputError
from data_pipeline.host.tensorflow import built_once, load_tensorflow
from data_pipeline.manifest import Manifest
from data_pipeline.records.record_files import find_record_files, numpy_elements

_RECORDS_PER_READ = 64


@dataclasses.dataclass(frozen=True)
class CaptionInfo:
    """The captions of a batch have ``ids``, ``texts`` and ``videos``, the places of their videos in the split [t]."""

    ids: list[str]
    texts: list[str]
    videos: np.ndarray


@dataclasses.dataclass(frozen=True)
class FoilInfo:
    """The foils of a batch have ``kinds``, ``texts`` and ``captions``, the positions of their true captions [t]."""

    kinds: list[str]
    texts: list[str]
    captions: np.ndarray


class TrainBatches:
    """The stream yields batches of (video, caption) pairs, with no video twice in one.

    A pass over the videos is an epoch. With one caption at a time, a video with ``n`` captions shows in epoch ``e``
    number ``p[e mod n]`` of a permutation ``p`` that depends on the seed and the video, so that ``n`` epochs show each
    pair once. With several captions, each epoch takes the next ones of the permutation. ``example_mask`` is False in
    the rows of videos without captions, and in rows that fill up an epoch's last batch. With foils, a caption has the
    next of its own each time that it is shown.

    Attributes:
        steps_per_epoch: the number of batches of an epoch.
        files_read, files: the number of record files that this process reads, and the number of all.
    """

    def __init__(
        self,
        prepared_dir: Path,
        manifest: Manifest,
        split: str,
        batch_size: int,
        limits: BatchLimits,
        seed: int,
        shuffle_buffer: int = 4096,
        process_index: int = 0,
        process_count: int = 1,
        cache: bool = False,
        captions_per_video: int = 1,
        foils: bool = False,
    ) -> None:
        """Opens a split.

        Args:
            prepared_dir: the folder that holds the manifest and the records.
            manifest: the folder's manifest.
            split: the name of the split.
            batch_size: the number of rows of the global batch, over all processes.
            limits: the sizes to which batches are padded or cut.
            seed: the seed of the order of videos and captions.
            shuffle_buffer: the number of records among which the next is drawn.
            process_index, process_count: this process takes the rows of its part of each global batch, and reads
                the files that hold them (`RecordOrder`).
            cache: whether `from_step` reads these files once, before its first batch, and keeps the serialized
                records in memory: as many bytes as the files have. The order is the same.
            captions_per_video: the number of captions of each video in a batch; a video with fewer shows some of them
                twice.
            foils: whether each caption comes with one of its foils.

        Raises:
            InputError: the records are missing or damaged, the batch does not divide among processes, or the split has
                no foils though they are asked for.
        """
        if batch_size < 1 or batch_size % process_count:
            raise InputError(
                f"The batch size is {batch_size}; expected a positive multiple of {process_count}, the number "
                "of processes."
            )
        if foils and not manifest.splits[split].foils:
            raise InputError(
                f"{prepared_dir}: split {split!r} has no foils, false captions to train with; prepare the data again "
                "with --foils=2, or train without them"
            )
        self._tf = load_tensorflow()
        self._files = find_record_files(prepared_dir, manifest, split)
        rows = slice(
            process_index * batch_size // process_count, (process_index + 1) * batch_size // process_count
        )
        self._order = RecordOrder(self._files, batch_size, rows, seed, shuffle_buffer, cache)
        from data_pipeline.batches.training_rows import TrainingRows

        self._rows = TrainingRows(manifest, limits, seed, captions_per_video, foils)
        self.steps_per_epoch = self._order.steps_per_epoch
        self.files_read, self.files = len(self._order.files), len(self._files)

    def from_step(self, step: int) -> Iterator[PairBatch]:
        """Yields the batches from a global step on, without end; step 0 is the first.

        Raises:
            InputError: a record is damaged, found while iterating.
        """
        for _, batch in self.numbered_from_step(step):
            yield batch

    def numbered_from_step(self, step: int) -> Iterator[tuple[PairInfo, PairBatch]]:
        """Yields what `from_step` does, and what the rows of each batch are."""
        for rows in numpy_elements(self._dataset_from(step), self._files):
            yield self._rows.batch(rows)

    @functools.cached_property
    def _dataset_from(self) -> Callable[[Any], Any]:
        tf = self._tf
        return built_once(self._dataset, tf.TensorSpec([], tf.int64))

    def _dataset(self, step: Any) -> Any:
        batches = self._order.from_step(step).enumerate(step)
        return batches.map(
            lambda at, serialized: self._rows.decode(serialized, at // self.steps_per_epoch),
            self._tf.data.AUTOTUNE,
        ).prefetch(self._tf.data.AUTOTUNE)


class SplitReader:
    """The reader yields all videos, captions and foils of a split, in the order of the files, for evaluation.

    Masked rows fill up the last batch of each kind. The lists beside a batch have real rows only.

    Attributes:
        videos, captions, foils: the numbers of all videos, captions and foils.
    """

    def __init__(
        self,
        prepared_dir: Path,
        manifest: Manifest,
        split: str,
        limits: BatchLimits,
        other_tokens: OtherTokens | None = None,
    ) -> None:
        """Opens a split; `other_tokens` reads its captions and foils with another tokenizer than that of the data.

        Raises:
            InputError: the records are missing or damaged.
        """
        self._tf = load_tensorflow()
        self._files = find_record_files(prepared_dir, manifest, split)
        self._manifest, self._limits, self._other_tokens = manifest, limits, other_tokens
        self.videos = manifest.splits[split].videos
        self.captions = manifest.splits[split].captions
        self.foils = manifest.splits[split].foils
        self._built: dict[tuple[str, int], Callable[[], Any]] = {}

    def video_batches(self, batch_size: int) -> Iterator[tuple[list[str], VideoBatch]]:
        """Yields video ids and features; iterating raises `InputError` when a record is damaged."""
        from data_pipeline.batches import decoding

        def decode(_: Any, serialized: Any) -> Any:
            filled = decoding.fill_up(serialized, batch_size)
            return decoding.decode_video_ids(serialized), decoding.decode_videos(
                filled, self._manifest, self._limits
            )

        for ids, arrays in numpy_elements(self._dataset("videos", batch_size, decode), self._files):
            yield _strings(ids), decoding.video_batch(arrays, self._manifest)

    def frame_times(self) -> dict[str, np.ndarray]:
        """Returns the seconds of the frames in `video_batches` by video id; empty where unknown."""
        from data_pipeline.batches import decoding

        def decode(_: Any, serialized: Any) -> Any:
            times = decoding.decode_frame_times(serialized, self._manifest, self._limits)
            return decoding.decode_video_ids(serialized), *times

        times: dict[str, np.ndarray] = {}
        for ids, rows, known in numpy_elements(
            self._dataset("times", _RECORDS_PER_READ, decode), self._files
        ):
            for video_id, row, count in zip(_strings(ids), rows, known, strict=True):
                times[video_id] = row[:count]
        return times

    def caption_batches(self, batch_size: int) -> Iterator[tuple[CaptionInfo, TextBatch]]:
        """Yields all captions of all videos; iterating raises `InputError` when a record is damaged."""
        from data_pipeline.batches import decoding

        for info, texts in self._texts(decoding.CAPTIONS, decoding.decode_caption_info, batch_size):
            yield CaptionInfo(_strings(info["ids"]), _strings(info["texts"]), info["videos"]), texts

    def foil_batches(self, batch_size: int) -> Iterator[tuple[FoilInfo, TextBatch]]:
        """Yields all foils of all videos; iterating raises `InputError` when a record is damaged."""
        from data_pipeline.batches import decoding

        for info, texts in self._texts(decoding.FOILS, decoding.decode_foil_info, batch_size):
            captions = self._first_captions[info["videos"]] + info["caption_indices"]
            yield FoilInfo(_strings(info["kinds"]), _strings(info["texts"]), captions), texts

    @functools.cached_property
    def _first_captions(self) -> np.ndarray:
        """Returns, for each video, how many captions come before its own."""
        from data_pipeline.batches import decoding

        def decode(_: Any, serialized: Any) -> Any:
            return decoding.caption_counts(serialized)

        dataset = self._dataset("caption counts", _RECORDS_PER_READ, decode)
        counts = np.concatenate(list(numpy_elements(dataset, self._files)))
        return np.cumsum(counts) - counts

    def _texts(
        self, group: str, decode_info: Callable[[Any], dict[str, Any]], batch_size: int
    ) -> Iterator[tuple[dict[str, np.ndarray], TextBatch]]:
        tf = self._tf
        from data_pipeline.batches import decoding

        def decode(read: Any, serialized: Any) -> Any:
            counts = decoding.caption_counts(serialized, group)
            videos = read * _RECORDS_PER_READ + tf.range(tf.size(serialized, tf.int64))
            info = {**decode_info(serialized), "videos": tf.repeat(videos, counts)}
            return info, decoding.decode_captions(serialized, group)

        def laid_out() -> Iterator[tuple[dict[str, np.ndarray], TextBatch]]:
            dataset = self._dataset(group, _RECORDS_PER_READ, decode)
            for info, (stored, groups) in numpy_elements(dataset, self._files):
                other = self._other_tokens
                flat = stored if other is None else other.of(_strings(info["texts"]), stored)
                everything = np.arange(len(groups))
                yield info, lay_out(flat, groups, everything, self._limits, self._manifest.attribute_sizes)

        for info, batch in rebatched(laid_out(), batch_size):
            missing = batch_size - len(info["videos"])
            yield info, jax.tree.map(lambda rows, missing=missing: pad_rows(rows, missing), batch)

    def _dataset(self, kind: str, records_per_element: int, decode: Callable[[Any, Any], Any]) -> Any:
        """Applies ``decode`` to (number of the element, serialized records); built once for each kind and number."""
        tf = self._tf

        def build() -> Any:
            records = tf.data.TFRecordDataset([str(file.path) for file in self._files])
            elements = records.batch(records_per_element).enumerate()
            return elements.map(decode, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

        key = (kind, records_per_element)
        if key not in self._built:
            self._built[key] = built_once(build)
        return self._built[key]()


def _strings(values: np.ndarray) -> list[str]:
    return [value.decode() for value in values]
