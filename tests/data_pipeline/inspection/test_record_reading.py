import dataclasses
from typing import Any

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.host.tensorflow import load_tensorflow
from data_pipeline.manifest import FRAMES, REGIONS
from data_pipeline.records.read import parse_example, unflatten_record
from data_pipeline.records.record_files import find_record_files
from data_pipeline.records.schema import TEXT, VideoRecord, flatten_record, record_fields
from tests.support.prepared_data import Prepared, make_record, make_stream

STREAMS = (make_stream("motion", FRAMES, 3), make_stream("objects", REGIONS, 4, regions=2))


def flat(record: VideoRecord) -> dict[str, Any]:
    """A record's values as they lie on disk."""
    values: dict[str, Any] = {}

    def collect(prefix: str, nested: Any) -> None:
        for name, value in nested.items():
            if isinstance(value, dict):
                collect(f"{prefix}{name}/", value)
            elif isinstance(value, str):
                values[prefix + name] = [value.encode()]
            elif isinstance(value, list):
                values[prefix + name] = [text.encode() for text in value]
            elif value.dtype == np.float16:
                values[prefix + name] = [value.tobytes()]
            else:
                number = np.int64 if value.dtype.kind == "i" else np.float32
                values[prefix + name] = value.ravel().astype(number)

    collect("", flatten_record(record, STREAMS))
    return values


def assert_same(found: VideoRecord, expected: VideoRecord) -> None:
    for name in ("frames", "regions"):
        given, wanted = getattr(found, name), getattr(expected, name)
        assert list(given) == list(wanted)
        for stream in wanted:
            assert given[stream].dtype == np.float16
            np.testing.assert_array_equal(given[stream], wanted[stream])
    np.testing.assert_array_equal(found.frame_times, expected.frame_times)
    for field in ("video_id", "captions", "foils", "attributes"):
        assert getattr(found, field) == getattr(expected, field)


@pytest.mark.parametrize("split", ["train", "test"])
def test_records_come_back_as_they_were_written(prepared: Prepared, split: str) -> None:
    tf = load_tensorflow()
    files = find_record_files(prepared.folder, prepared.manifest, split)
    serialized = tf.data.TFRecordDataset([str(file.path) for file in files]).as_numpy_iterator()
    found = [unflatten_record(parse_example(one), prepared.manifest.streams) for one in serialized]
    assert {record.video_id for record in found} == set(prepared.records[split])
    assert any(record.foils for record in found) and any(len(record.frame_times) for record in found)
    for record in found:
        assert_same(record, prepared.records[split][record.video_id])


def test_a_record_without_captions_comes_back() -> None:
    record = dataclasses.replace(make_record("a", STREAMS, 1), captions=[], foils=[])
    assert_same(unflatten_record(flat(record), STREAMS), record)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("frames/motion", None, "frames/motion: missing"),
        ("frames/motion", [b"1234567"], "frames/motion: 7 bytes; expected frames of 6"),
        ("frames/motion", np.zeros(3, np.float32), "frames/motion: numbers"),
        ("regions/objects", [b"", b""], "regions/objects: 2 byte strings; expected 1"),
        ("frames/sound", [b""], "frames/sound: no such key is expected"),
        ("video_id", [b"\xff"], "video_id: a text is not UTF-8"),
        ("frame_times", np.zeros(2, np.int64), "frame_times: int64; expected floating-point numbers"),
        ("captions/texts", [b"one"], "captions/texts: 1 byte strings; expected 4"),
        ("captions/token_counts", np.array([3], np.int64), "captions/token_counts: 1 values; expected 4"),
        (
            "captions/token_ids",
            np.array([3], np.int64),
            "captions/token_ids: 1 entries, but captions/token_counts",
        ),
        ("captions/node_counts", np.array([2, -1, 0, 0], np.int64), "captions/node_levels: "),
        ("captions/edges", np.array([3, 4], np.int64), "captions/edges: 2 values; expected any number × 4"),
        ("captions/edges", [b"a"], "captions/edges: byte strings; expected integers"),
        ("captions/attributes/action", np.zeros(99, np.int64), "captions/attributes/action: 99 entries"),
        ("foils/caption_indices", np.zeros(9, np.int64), "foils/caption_indices: 9 values; expected 2"),
    ],
)
def test_values_that_do_not_fit_are_named(key: str, value: Any, message: str) -> None:
    record = next(
        record
        for seed in range(1, 99)
        if len((record := make_record("a", STREAMS, seed)).captions) == 4 and len(record.foils) == 2
    )
    values = flat(record)
    assert_same(unflatten_record(values, STREAMS), record)
    values[key] = value
    if value is None:
        del values[key]
    with pytest.raises(InputError) as caught:
        unflatten_record(values, STREAMS)
    assert message in str(caught.value)


def test_all_wrong_values_are_named() -> None:
    values = flat(make_record("a", STREAMS, 1))
    del values["captions/edges"], values["attributes/entity"]
    with pytest.raises(InputError, match=r"captions/edges: missing; attributes/entity: missing$"):
        unflatten_record(values, STREAMS)


def test_bytes_that_are_no_record_are_refused() -> None:
    with pytest.raises(InputError, match=r"not a tf\.train\.Example"):
        parse_example(b"\xff\xff\xff")


def test_the_table_of_fields_names_what_lies_on_disk(prepared: Prepared) -> None:
    tf = load_tensorflow()
    files = find_record_files(prepared.folder, prepared.manifest, "test")
    fields = record_fields(prepared.manifest.streams)
    for serialized in tf.data.TFRecordDataset([str(file.path) for file in files]).as_numpy_iterator():
        values = parse_example(serialized)
        assert set(values) == set(fields)
        for key, field in fields.items():
            stored = values[key]
            if isinstance(stored, np.ndarray) and len(stored):
                assert stored.dtype.kind == np.dtype(field.dtype).kind
                assert len(stored) % np.prod(field.columns, dtype=int) == 0
            elif len(stored):
                assert field.dtype in (TEXT, "float16")
                assert len(stored) == 1 or not field.single
