"""TensorFlow Datasets' own checks of a builder."""

from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from data_pipeline.manifest import FRAMES, REGIONS
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter, record_key
from data_pipeline.records.write import VideoText
from tests.support.prepared_data import make_record, make_stream

STREAMS = (make_stream("appearance", FRAMES, 6), make_stream("objects", REGIONS, 4, 2))
RECORDS = {
    split: sorted(
        (make_record(f"{split}{number}", STREAMS, number) for number in range(size)),
        key=lambda record, split=split: record_key(split, record.video_id),
    )
    for split, size in (("train", 5), ("test", 2))
}


def write_shards(writer: ShardWriter) -> list[ShardSummary]:
    return [
        writer.write(split, index, records[index : index + 1])
        for split, records in RECORDS.items()
        for index in range(len(records))
    ]


class VideoTextTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = VideoText
    SPLITS: ClassVar = {split: len(records) for split, records in RECORDS.items()}
    EXAMPLE_DIR = Path(__file__).parent

    def _make_builder(self, config: Any = None) -> VideoText:
        ids = {split: [record.video_id for record in records] for split, records in RECORDS.items()}
        metadata = {"description": "Made by a test.", "citation": "@misc{none}", "license": "CC0"}
        return VideoText(
            write_shards, ShardPlan.divide(ids, 1, 1), STREAMS, metadata, data_dir=Path(self.tmp_dir)
        )

    def test_it_says_where_the_data_comes_from(self) -> None:
        assert "docs/data.md" in VideoText.MANUAL_DOWNLOAD_INSTRUCTIONS
