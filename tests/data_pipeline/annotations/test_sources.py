import gzip
import pathlib

import pytest

from data_pipeline.annotations.caption import SPLITS
from data_pipeline.annotations.sources import (
    OFFICIAL_CAPTIONS,
    OFFICIAL_COUNTS,
    PROTOCOLS,
    READERS,
    read_annotations,
)
from data_pipeline.errors import InputError
from tests.support.small_sources import write_source

OWN_DATA = ("jsonl", "csv")
ALL_PROTOCOLS = [(source, protocol) for source, protocols in PROTOCOLS.items() for protocol in protocols]
TEXT_FILES = [
    ("msrvtt", "full", "train_val_videodatainfo.json"),
    ("msrvtt", "1k-A", "MSRVTT_JSFUSION_test.csv"),
    ("msrvtt", "1k-A-7k", "MSRVTT_train.7k.csv"),
    ("msrvtt", "1k-B", "MSRVTT_1kB_test.csv"),
    ("vatex", "hgr", "vatex_training_v1.0.json"),
    ("vatex", "hgr-bilingual", "val_list.txt"),
    ("msvd", "official", "train.txt"),
    ("hgr", "published", "annotation/RET/ref_captions.json"),
    ("hgr", "published", "annotation/RET/sent2rolegraph.augment.json"),
    ("activitynet", "paragraph", "train.json"),
    ("activitynet", "sentence-val_2", "val_2.json"),
    ("youcook2", "sentence", "youcookii_annotations_trainval.json"),
    ("didemo", "paragraph", "val_data.json"),
    ("charades_sta", "sentence", "charades_sta_train.txt"),
    ("lsmdc", "official", "LSMDC16_challenge_1000_publictect.csv"),
    ("hybrid_space", "custom", "msrvtt10kval.caption.txt"),
    ("collaborative_experts", "lists", "raw-captions.json"),
    ("collaborative_experts", "miech", "test_list_miech.txt"),
    ("jsonl", "custom", "own.jsonl"),
    ("csv", "custom", "own.csv"),
]


def test_every_reader_has_protocols_and_every_count_a_protocol():
    assert READERS.keys() == PROTOCOLS.keys()
    assert all(protocol in PROTOCOLS[source] for source, protocol in OFFICIAL_COUNTS | OFFICIAL_CAPTIONS)


@pytest.mark.parametrize("source", READERS)
def test_every_reader_refuses_an_unknown_protocol_an_empty_folder_and_no_folder(source, tmp_path):
    with pytest.raises(InputError, match=f"{source}: no protocol 'odd'"):
        read_annotations(source, [tmp_path], "odd")
    with pytest.raises(InputError, match=r"no file.*put it"):
        read_annotations(source, [tmp_path])
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        read_annotations(source, [tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no annotation files given"):
        read_annotations(source, [])


def test_unknown_source_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"expected one of {', '.join(READERS)}"):
        read_annotations("imagenet", [tmp_path])


@pytest.mark.parametrize(("source", "protocol"), ALL_PROTOCOLS)
def test_every_protocol_has_metadata_and_all_splits(source, protocol, tmp_path):
    annotations = read_annotations(source, [write_source(tmp_path, source)], protocol)
    assert (annotations.name, annotations.protocol) == (source, protocol)
    assert annotations.licence.endswith(".") and annotations.citation.endswith(".")
    # A data set of the user's own has no page that we could know.
    assert annotations.homepage.startswith("https://") != (source in OWN_DATA)
    if protocol != "full":
        assert all(annotations.video_ids(split) for split in SPLITS)


@pytest.mark.parametrize(("source", "protocol", "name"), TEXT_FILES)
def test_broken_gzip_and_text_of_another_encoding_are_named(source, protocol, name, tmp_path):
    path = write_source(tmp_path, source) / name
    packed = path.with_name(f"{path.name}.gz")
    data = path.read_bytes()
    path.write_bytes(data + "ä".encode("latin-1"))
    with pytest.raises(InputError, match=r"expected UTF-8 text.*convert") as error:
        read_annotations(source, [tmp_path], protocol)
    assert str(path) in str(error.value)
    path.unlink()
    packed.write_bytes(gzip.compress(data)[:-5])
    with pytest.raises(InputError, match="broken gzip archive") as error:
        read_annotations(source, [tmp_path], protocol)
    assert str(packed) in str(error.value)
    packed.write_bytes(gzip.compress(data))
    assert read_annotations(source, [tmp_path], protocol).captions


@pytest.mark.parametrize(
    ("source", "name", "old", "new", "message"),
    [
        ("msrvtt", "train_val_videodatainfo.json", '"video1"', '"video0"', "'video0' occurs twice"),
        ("vatex", "vatex_training_v1.0.json", '"b_0', '"a_0', "'a_000001_000011' occurs twice"),
        ("vatex", "val_list.txt", "a_0", "b_0", "'b_000001_000011' is also in split 'train'"),
        ("msvd", "val.txt", "y_1", "x_1", r"belongs to one split, found 'x_1_2' in split"),
        ("hgr", "annotation/RET/ref_captions.json", '"video1"', '"video0"', "key 'video0' occurs twice"),
        ("activitynet", "val_1.json", "v_c", "v_a", r"'v_a'.*the video is also in .*train\.json"),
        ("youcook2", "youcookii_annotations_trainval.json", '"b2"', '"a1"', "key 'a1' occurs twice"),
        ("didemo", "val_data.json", "2@", "1@", r"'1@N0\.mov' in split 'val' and in split 'train'"),
        (
            "charades_sta",
            "charades_sta_test.txt",
            "3MSZA",
            "AO8RW",
            "'AO8RW' in split 'test' and in split 'train'",
        ),
        ("lsmdc", "LSMDC16_annos_val.csv", "2_A", "1_A", "'1_A' in split 'train' and in split 'val'"),
        (
            "hybrid_space",
            "msrvtt10kval.caption.txt",
            "video1#",
            "video0#",
            "'video0' in split 'train' and in",
        ),
        (
            "collaborative_experts",
            "val_list.txt",
            "video2",
            "video0",
            r"val_list\.txt, line 1: video 'video0' is",
        ),
        ("jsonl", "own.jsonl", '"y"', '"x"', r"'x' in split 'train' \(.*line 1\) and in split 'val'"),
        ("csv", "own.csv", "y,", "x,", r"'x' in split 'train' \(.*line 2\) and in split 'val'"),
    ],
)
def test_video_that_occurs_twice_is_refused(source, name, old, new, message, tmp_path):
    path: pathlib.Path = write_source(tmp_path, source) / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        read_annotations(source, [tmp_path])
