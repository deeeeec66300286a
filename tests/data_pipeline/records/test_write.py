import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.manifest import FRAMES, REGIONS, FeatureStream, SplitSummary
from data_pipeline.records.schema import VideoRecord, flatten_record
from data_pipeline.records.shards import ShardPlan, ShardSummary, ShardWriter
from tests.support import ROOT
from tests.support.prepared_data import Prepared, make_caption, make_record, make_stream, write_prepared


def _assert_equal(stored: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert stored.keys() == expected.keys()
        for key in expected:
            _assert_equal(stored[key], expected[key])
    elif isinstance(expected, np.ndarray):
        assert stored.dtype == expected.dtype
        np.testing.assert_array_equal(stored, expected)
    elif isinstance(expected, list):
        assert [value.decode() for value in stored] == expected
    else:
        assert stored.decode() == expected


def test_shards_come_in_the_order_of_the_plan_whatever_is_written_first(tmp_path: Path) -> None:
    """The statistics of the shards are merged in this order, on which their last bits depend."""
    from data_pipeline.records.write import write_records

    streams = (make_stream("a", FRAMES, 6),)
    records = {f"v{number}": make_record(f"v{number}", streams, number) for number in range(4)}
    plan = ShardPlan.divide({"train": list(records), "test": ["v0", "v1"]}, record_bytes=1, shard_bytes=1)

    def write_shards(writer: ShardWriter) -> list[ShardSummary]:
        placed = [("train", name) for name in records] + [("test", "v1"), ("test", "v0")]
        placed.sort(key=lambda one: plan.shard_of(*one), reverse=True)
        return [writer.write(split, plan.shard_of(split, name), [records[name]]) for split, name in placed]

    _, shards = write_records(write_shards, plan, streams, tmp_path, description="made")
    assert [(shard.split, shard.index) for shard in shards] == [
        *(("train", index) for index in range(4)),
        *(("test", index) for index in range(2)),
    ]


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_field_can_be_read_without_this_package(prepared: Prepared, split: str) -> None:
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(prepared.folder / prepared.manifest.records))
    records = dict(prepared.records[split])
    for stored in tfds.as_numpy(builder.as_dataset(split=split)):
        record = records.pop(stored["video_id"].decode())
        _assert_equal(stored, flatten_record(record, prepared.manifest.streams))
    assert not records
    assert builder.info.citation == "@misc{none}"
    assert "CC0" in str(builder.info.redistribution_info)


def test_flat_layout_holds_the_captions(prepared: Prepared) -> None:
    record = prepared.records["train"]["train4"]
    flat = flatten_record(record, prepared.manifest.streams)["captions"]
    ends = np.cumsum(flat["edge_counts"])
    for caption, start, end in zip(record.captions, [0, *ends[:-1]], ends, strict=True):
        assert [tuple(edge) for edge in flat["edges"][start:end].tolist()] == caption.edges
    assert flat["token_ids"].tolist() == [token for caption in record.captions for token in caption.token_ids]


def test_summaries_count_what_was_written(prepared: Prepared) -> None:
    for split, records in prepared.records.items():
        assert prepared.manifest.splits[split] == SplitSummary(
            videos=len(records),
            captions=sum(len(record.captions) for record in records.values()),
            foils=sum(len(record.foils) for record in records.values()),
        )


def _tfrecords(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.tfrecord-*"))}


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 6),)
    records = [make_record(f"v{i}", streams, i) for i in range(7)]
    write_prepared(tmp_path / "own", streams, {"train": records})
    code = (
        "import sys, pathlib; from tests.support import prepared_data as records;"
        "streams = (records.make_stream('a', 'frames', 6),);"
        "made = [records.make_record(f'v{i}', streams, i) for i in range(7)];"
        "records.write_prepared(pathlib.Path(sys.argv[1]), streams, {'train': made})"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", code, str(tmp_path / "other")]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert _tfrecords(tmp_path / "other") == _tfrecords(tmp_path / "own")
    assert list(_tfrecords(tmp_path / "own")) == ["video_text-train.tfrecord-00000-of-00001"]


def test_features_take_two_bytes_a_value(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 4096),)
    records = [
        dataclasses.replace(
            make_record(f"v{i}", streams, 0),
            frames={"a": np.ones((10, 4096), np.float16)},
            frame_times=np.zeros(0),
        )
        for i in range(3)
    ]
    write_prepared(tmp_path, streams, {"train": records})
    size = sum(map(len, _tfrecords(tmp_path).values()))
    assert 0 < size - 3 * 10 * 4096 * 2 < 20_000


def test_writing_again_replaces_the_records(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 6),)
    records = [make_record(f"v{i}", streams, i) for i in range(4)]
    write_prepared(tmp_path, streams, {"train": records})
    again = write_prepared(tmp_path, streams, {"train": records[:2], "val": records[2:]})
    assert {split: summary.videos for split, summary in again.manifest.splits.items()} == {
        "train": 2,
        "val": 2,
    }
    assert len(_tfrecords(tmp_path)) == 2


def _without_motion(record: VideoRecord) -> VideoRecord:
    return dataclasses.replace(record, frames={"appearance": record.frames["appearance"]})


def _with_motion(values: np.ndarray) -> Callable[[VideoRecord], VideoRecord]:
    return lambda record: dataclasses.replace(record, frames={**record.frames, "motion": values})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_motion, r"'bad', stream 'motion': no features; the record has \['appearance'\]"),
        (_with_motion(np.zeros((2, 4), np.float16)), r"\[frames, 3\].*found float16 of shape \[2, 4\]"),
        (_with_motion(np.zeros((0, 3), np.float16)), r"at least one frame, found float16 of shape \[0, 3\]"),
        (_with_motion(np.zeros((2, 3), np.float32)), r"found float32 of shape \[2, 3\]"),
        (
            _with_motion(np.full((2, 3), np.inf, np.float16)),
            r"'bad', stream 'motion': 6 values are NaN, infinite",
        ),
        (
            lambda record: dataclasses.replace(record, frame_times=np.zeros(99, np.float32)),
            "'bad' has 99 frame times",
        ),
    ],
)
def test_records_that_do_not_fit_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    streams = (make_stream("appearance", FRAMES, 6), make_stream("motion", FRAMES, 3))
    records = [make_record("good", streams, 0), change(make_record("bad", streams, 1))]
    with pytest.raises(InputError, match=message):
        write_prepared(tmp_path, streams, {"train": records})
    assert not _tfrecords(tmp_path)


def test_regions_of_another_number_are_refused() -> None:
    stream = make_stream("objects", REGIONS, 4, regions=2)
    record = make_record("bad", (make_stream("a", FRAMES, 6), stream), 1)
    with pytest.raises(InputError, match=r"'bad', stream 'objects': expected .*\[frames, 3, 4\]"):
        flatten_record(record, (dataclasses.replace(stream, regions=3),))


def test_a_video_given_twice_and_an_empty_split_are_refused(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 6),)
    record = make_record("twin", streams, 0)
    with pytest.raises(InputError, match="Video 'twin' occurs twice in split 'train'"):
        write_prepared(tmp_path, streams, {"train": [record, record]})
    with pytest.raises(InputError, match="Split 'val' has no videos"):
        write_prepared(tmp_path, streams, {"train": [record], "val": []})


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ((), "expected at least one 'frames'"),
        ((make_stream("r", REGIONS, 4, 2),), "expected at least one 'frames'"),
        ((make_stream("a", FRAMES, 4), make_stream("a", FRAMES, 4)), "names must differ"),
        ((make_stream("a/b", FRAMES, 4),), "none may be empty or contain '/'"),
    ],
)
def test_stream_lists_that_make_no_sense_are_refused(
    tmp_path: Path, streams: tuple[FeatureStream, ...], message: str
) -> None:
    record = make_record("v", (make_stream("a", FRAMES, 4),), 0)
    with pytest.raises(InputError, match=message):
        write_prepared(tmp_path, streams, {"train": [record]})


def test_captions_without_nodes_and_videos_without_captions_are_stored(tmp_path: Path) -> None:
    streams = (make_stream("a", FRAMES, 6),)
    caption = make_caption("bare", np.random.default_rng(0))
    bare = dataclasses.replace(
        caption,
        node_levels=[],
        node_spans=[],
        node_roles=[],
        node_negations=[],
        modifiers=[],
        edges=[],
        attributes={},
    )
    records = [
        dataclasses.replace(make_record("v", streams, 0), captions=[bare], foils=[]),
        dataclasses.replace(make_record("w", streams, 0), captions=[], foils=[], attributes={}),
    ]
    written = write_prepared(tmp_path, streams, {"train": records})
    assert written.manifest.splits["train"] == SplitSummary(videos=2, captions=1, foils=0)
