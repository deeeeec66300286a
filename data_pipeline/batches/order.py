"""This module says in what order training reads the records of a split, and which process reads which of them."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.records.record_files import RecordFile

MOST_PARTS = 64
"""A batch has at most this many parts; a process reads as many files at a time as it has parts."""


@dataclasses.dataclass(frozen=True)
class RecordRun:
    """A record run is a run of consecutive records of a file; the first is number `first`."""

    path: Path
    first: int
    records: int


def count_parts(files: int, batch_size: int) -> int:
    """Returns the number of equal parts of a batch; each part reads its own files, so each has at least one file.

    It depends on data and configuration alone, so that the order is the same for any number of processes.
    """
    return max(n for n in range(1, min(files, batch_size, MOST_PARTS) + 1) if batch_size % n == 0)


def share_of(files: Sequence[RecordFile], part: int, parts: int) -> tuple[RecordRun, ...]:
    """Returns the records of a part, from ``part/parts`` of all records on; parts differ by one record at most."""
    total = sum(file.records for file in files)
    begin, end = part * total // parts, (part + 1) * total // parts
    runs, passed = [], 0
    for file in files:
        first, last = max(begin - passed, 0), min(end - passed, file.records)
        if first < last:
            runs.append(RecordRun(file.path, first, last - first))
        passed += file.records
    return tuple(runs)


class RecordOrder:
    """A record order yields the records of one process's rows of each batch; it depends on seed and step alone.

    A batch is made of parts, and each part goes through its own share of the records once an epoch: through the files
    of the share in a new order, and through a buffer from which the next record is drawn. A process reads the shares
    of the parts in which it has rows. Empty strings fill up an epoch's last batch.

    Attributes:
        steps_per_epoch: the number of batches that hold all videos, the last filled up.
        files: the files that this process reads.
    """

    def __init__(
        self,
        files: Sequence[RecordFile],
        batch_size: int,
        rows: slice,
        seed: int,
        shuffle_buffer: int,
        cache: bool,
    ) -> None:
        """Divides the records among parts.

        Args:
            files: all files of the split, in order.
            batch_size: the number of rows of the global batch.
            rows: the rows of this process.
            seed: the seed of the order.
            shuffle_buffer: the number of records among which the next is drawn, in all parts together.
            cache: whether `from_step` reads the files once and keeps the records in memory; the order is the same.
        """
        self._tf = load_tensorflow()
        self._seed, self._cache = seed, cache
        self._parts = count_parts(len(files), batch_size)
        self._rows_of_part = batch_size // self._parts
        self._own = range(rows.start // self._rows_of_part, math.ceil(rows.stop / self._rows_of_part))
        self._shares = {part: share_of(files, part, self._parts) for part in self._own}
        self._buffer = math.ceil(shuffle_buffer / self._parts)
        before = self._own.start * self._rows_of_part
        self._rows = slice(rows.start - before, rows.stop - before)
        self.steps_per_epoch = math.ceil(sum(file.records for file in files) / batch_size)
        used = {run.path for share in self._shares.values() for run in share}
        self.files = tuple(file for file in files if file.path in used)

    def from_step(self, step: Any) -> Any:
        """Returns an endless ``tf.data.Dataset`` of string tensors ``[rows of this process]`` from a global step on.

        Args:
            step: an int64 tensor, so that the dataset that is built serves any step.
        """
        tf = self._tf
        if not self._cache:
            batches = self._batches(step)
        else:
            runs = [run for share in self._shares.values() for run in share]
            records = _read(runs, range(len(runs))).concatenate(tf.data.Dataset.from_tensors(""))
            everything = records.batch(1 + sum(run.records for run in runs))
            batches = everything.flat_map(
                lambda kept: self._batches(step, numbered=True).map(lambda numbers: tf.gather(kept, numbers))
            )
        return batches.map(lambda batch: batch[self._rows])

    def _batches(self, step: Any, numbered: bool = False) -> Any:
        """Returns the rows of this process's parts: records, or their numbers among all that it reads."""
        tf = self._tf
        parts, counted = [], 0
        total = sum(run.records for share in self._shares.values() for run in share)
        for part, share in self._shares.items():
            numbers = np.arange(counted, counted + sum(run.records for run in share)) if numbered else None
            parts.append(self._part(part, step, numbers, total))
            counted += sum(run.records for run in share)
        turns = np.repeat(np.arange(len(parts)), self._rows_of_part)
        choice = tf.data.Dataset.from_tensor_slices(turns).repeat()
        return tf.data.Dataset.choose_from_datasets(parts, choice).batch(len(turns))

    def _part(self, part: int, step: Any, numbers: np.ndarray | None, filler: int) -> Any:
        """Returns the endless sequence of records of a part, or of their numbers."""
        tf = self._tf
        share = self._shares[part]
        lengths = [run.records for run in share]
        missing = self.steps_per_epoch * self._rows_of_part - sum(lengths)
        first_epoch, skipped_steps = step // self.steps_per_epoch, step % self.steps_per_epoch

        def of_epoch(epoch: Any) -> Any:
            seeds = [self._seed, epoch]
            order = tf.random.experimental.stateless_shuffle(tf.range(len(share)), seeds)
            if numbers is None:
                records = _read(share, order)
            else:
                by_run = tf.RaggedTensor.from_row_lengths(numbers, lengths)
                records = tf.data.Dataset.from_tensor_slices(tf.gather(by_run, order).flat_values)
            seed = tf.random.stateless_uniform([self._parts], seeds, maxval=2**62, dtype=tf.int64)[part]
            records = records.shuffle(self._buffer, seed, reshuffle_each_iteration=False)
            fill = tf.constant("") if numbers is None else tf.constant(filler, numbers.dtype)
            records = records.concatenate(tf.data.Dataset.from_tensors(fill).repeat(missing))
            skipped = tf.where(epoch == first_epoch, skipped_steps * self._rows_of_part, 0)
            return records.skip(skipped)

        # All epochs share one data set: the next epoch begins while the last batches of this one are in use.
        return tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max).flat_map(of_epoch)


def _read(runs: Sequence[RecordRun], order: Any) -> Any:
    """Returns the serialized records of runs, one run after the other."""
    import tensorflow as tf

    fields = ([str(run.path) for run in runs], [run.first for run in runs], [run.records for run in runs])
    chosen = tuple(tf.gather(tf.constant(field), order) for field in fields)
    firsts_and_counts = (tf.cast(chosen[1], tf.int64), tf.cast(chosen[2], tf.int64))
    return tf.data.Dataset.from_tensor_slices((chosen[0], *firsts_and_counts)).flat_map(
        lambda path, first, records: tf.data.TFRecordDataset(path).skip(first).take(records)
    )
