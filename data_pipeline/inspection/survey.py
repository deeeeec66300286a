"""This module passes once over a prepared data set: it reads, checks and counts everything."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.errors import InputError
from data_pipeline.features.statistics import RunningStatistics
from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.host.progress_bar import track
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.inspection.integrity import InspectedData, record_problems
from data_pipeline.inspection.split_statistics import CaptionExamples, SplitStatistics
from data_pipeline.manifest import FeatureStream, SplitSummary
from data_pipeline.records.read import parse_example, unflatten_record
from data_pipeline.records.record_files import RecordFile, find_record_files, numpy_elements
from data_pipeline.records.schema import VideoRecord

_STATISTICS_TOLERANCE = 1e-3
"""The manifest's feature statistics may differ by this much, in standard deviations."""


@dataclasses.dataclass
class Findings:
    """Findings are what a pass over splits found.

    Attributes:
        problems: everything that is wrong, with file, record and key.
        statistics: the statistics of each split that could be read; they leave out records with problems.
        examples: the captions to show.
        records: the number of records read.
        shown: the record that was asked for, if it exists and nothing is wrong with it.
    """

    problems: list[str] = dataclasses.field(default_factory=list)
    statistics: dict[str, SplitStatistics] = dataclasses.field(default_factory=dict)
    examples: CaptionExamples = dataclasses.field(default_factory=CaptionExamples)
    records: int = 0
    shown: VideoRecord | None = None


class Surveyor:
    """A surveyor reads splits one after another into `Findings`."""

    def __init__(self, data: InspectedData, wanted: str | None = None) -> None:
        """Takes the data set, and the video id or the number of a record to keep.

        A number counts the records of all splits that are read, from 1 on; a video of that name takes precedence.
        """
        self._data, self._wanted = data, wanted
        self._split_of: dict[str, str] = {}
        self.survey = Findings()

    def read_split(self, split: str) -> None:
        """Checks and counts the records of a split of the manifest."""
        manifest, survey = self._data.manifest, self.survey
        try:
            files = find_record_files(self._data.folder, manifest, split)
        except InputError as error:
            survey.problems.append(str(error))
            return
        before = len(survey.problems)
        statistics = survey.statistics[split] = SplitStatistics.empty(manifest, self._data.tokenizer)
        features = {stream.name: RunningStatistics() for stream in manifest.streams}
        videos = captions = foils = 0
        records = track(self._records(files), manifest.splits[split].videos, f"reading {split}", "videos")
        for where, record in records:
            problems = self._problems(record, split)
            survey.problems += [f"{where} ({record.video_id!r}), {problem}" for problem in problems]
            videos, captions, foils = videos + 1, captions + len(record.captions), foils + len(record.foils)
            if not problems:
                statistics.add(record)
                survey.examples.add(record)
                self._keep_wanted(record)
            if split == TRAIN and not problems:
                for name, values in (record.frames | record.regions).items():
                    features[name].update(values)
        # Where a record is broken the counts lack it, so they are compared only if none is.
        if len(survey.problems) == before:
            survey.problems += self._count_problems(split, SplitSummary(videos, captions, foils))
            if written := manifest.caption_sizes.get(split):
                survey.problems += [f"split {split!r}: {one}" for one in statistics.size_problems(written)]
        if len(survey.problems) == before and split == TRAIN:
            survey.problems += _vocabulary_problems(statistics, self._data.vocabulary)
            survey.problems += _feature_statistics_problems(features, manifest.streams)

    def _records(self, files: Sequence[RecordFile]) -> Iterator[tuple[str, VideoRecord]]:
        """Yields readable records and where each lies; those that cannot be read become problems."""
        tf = load_tensorflow()
        for file in files:
            dataset = tf.data.TFRecordDataset(str(file.path)).prefetch(tf.data.AUTOTUNE)
            try:
                for number, serialized in enumerate(numpy_elements(dataset, [file]), start=1):
                    self.survey.records += 1
                    where = f"{file.path}, record {number}"
                    try:
                        record = unflatten_record(parse_example(serialized), self._data.manifest.streams)
                    except InputError as error:
                        self.survey.problems.append(f"{where}: {error}")
                        continue
                    yield where, record
            except InputError as error:
                self.survey.problems.append(str(error))

    def _keep_wanted(self, record: VideoRecord) -> None:
        by_number = str(self.survey.records) == self._wanted and self.survey.shown is None
        if record.video_id == self._wanted or by_number:
            self.survey.shown = record

    def _problems(self, record: VideoRecord, split: str) -> list[str]:
        problems = list(record_problems(record, self._data.manifest, self._data.tokenizer))
        other = self._split_of.setdefault(record.video_id, split)
        if other != split:
            problems.append(f"video_id: the video is in split {other!r}, too")
        return problems

    def _count_problems(self, split: str, found: SplitSummary) -> list[str]:
        expected = self._data.manifest.splits[split]
        return [
            f"split {split!r}: {getattr(found, what)} {what}; the manifest counts {getattr(expected, what)}"
            for what in ("videos", "captions", "foils")
            if getattr(found, what) != getattr(expected, what)
        ]


def _vocabulary_problems(statistics: SplitStatistics, vocabulary: AttributeVocabulary | None) -> list[str]:
    """Returns messages about attributes whose numbers of training videos differ from those of the vocabulary."""
    if vocabulary is None:
        return []
    return [
        f"{level} attribute {name!r}: {found} training videos have it; the attribute file counts {counted}"
        for level, counts in vocabulary.video_counts.items()
        for name, counted, found in zip(
            vocabulary.names[level], counts, statistics.positive_videos[level].tolist(), strict=True
        )
        if counted != found
    ]


def _feature_statistics_problems(
    features: dict[str, RunningStatistics], streams: Sequence[FeatureStream]
) -> list[str]:
    problems = []
    for stream in streams:
        found = features[stream.name]
        for name, measured, written in (("mean", found.mean, stream.mean), ("std", found.std, stream.std)):
            difference = np.abs(measured - np.array(written)) / found.std
            if difference.max() > _STATISTICS_TOLERANCE:
                worst = int(difference.argmax())
                problems.append(
                    f"stream {stream.name!r}: the {name} of dimension {worst} over training frames is "
                    f"{measured[worst]:.6g}; the manifest says {written[worst]:.6g}"
                )
    return problems
