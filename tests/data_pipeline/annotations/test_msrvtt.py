import gzip
import json

import pytest

from data_pipeline.annotations import msrvtt
from data_pipeline.annotations.caption import Caption
from data_pipeline.annotations.msrvtt import carve_validation
from data_pipeline.annotations.sources import count_warnings, split_mismatches
from data_pipeline.errors import InputError
from tests.support.small_sources import msrvtt_corpus, write_source

SMALL = msrvtt_corpus(
    [
        ("video1", "train", "a"),
        ("video0", "validate", "b"),
        ("video2", "test", "c"),
        ("video3", "train", "d"),
    ],
    [(7, "video1", " a dog runs "), (3, "video0", "a cat"), (4, "video2", "a man"), (5, "video1", "  ")],
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train_val_videodatainfo.json").write_text(json.dumps(SMALL))
    return tmp_path


def test_full_maps_splits_keeps_order_and_leaves_out_blank_captions(folder):
    annotations = msrvtt.read([folder], "full")
    assert annotations.captions == (
        Caption("video1", "7", "a dog runs", "train"),
        Caption("video0", "3", "a cat", "val"),
        Caption("video2", "4", "a man", "test"),
    )
    assert annotations.notes == ("1 videos have no caption: video3",)
    assert annotations.blank_captions == ("5",)


def test_file_and_folder_and_gzip_give_the_same(folder, tmp_path_factory):
    packed = tmp_path_factory.mktemp("packed") / "train_val_videodatainfo.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(SMALL).encode()))
    plain = folder / "train_val_videodatainfo.json"
    read = [msrvtt.read([path], "full") for path in (folder, plain, packed, packed.parent)]
    assert read == [read[0]] * 4


def test_plain_file_wins_over_its_gzip_copy(folder):
    (folder / "train_val_videodatainfo.json.gz").write_bytes(b"not read")
    assert len(msrvtt.read([folder], "full").captions) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.pop("sentences"), r"train_val_videodatainfo\.json.*'sentences' is missing"),
        (lambda value: value["videos"][2].pop("split"), r"videos\[2\].*'split' is missing"),
        (lambda value: value["videos"][0].update(split="dev"), r"videos\[0\].*found 'dev'"),
        (lambda value: value["videos"][0].update(url=3), "'url' must be str"),
        (lambda value: value["videos"].append(value["videos"][0]), "'video1' occurs twice"),
        (lambda value: value["videos"].append("video9"), r"videos\[4\].*found str"),
        (
            lambda value: value["sentences"][1].update(caption=["a", "b"]),
            r"sentences\[1\].*must be str, found list",
        ),
        (lambda value: value["sentences"][1].update(video_id="video9"), "'video9' is not in 'videos'"),
        (lambda value: value["sentences"][1].update(sen_id=7), "a caption id occurs once, found '7' twice"),
        (lambda value: value["sentences"][1].update(sen_id=None), "must be int or str, found NoneType"),
        (lambda value: value.update(sentences=[]), "no caption found"),
    ],
)
def test_malformed_content_is_named(folder, change, message):
    value = json.loads(json.dumps(SMALL))
    change(value)
    (folder / "train_val_videodatainfo.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match=message):
        msrvtt.read([folder], "full")


def test_unknown_protocol_is_refused(folder):
    with pytest.raises(InputError, match=r"'1kA'; expected one of full, 1k-A"):
        msrvtt.read([folder], "1kA")


@pytest.fixture
def lists(tmp_path):
    return write_source(tmp_path, "msrvtt")


@pytest.mark.parametrize("protocol", ["1k-A", "1k-A-7k", "1k-B"])
def test_lists_choose_the_videos_and_validation_is_carved(lists, protocol):
    annotations = msrvtt.read([lists], protocol)
    assert [caption for caption in annotations.captions if caption.split == "test"] == [
        Caption("video318", "ret0", "a, b", "test"),
        Caption("video315", "ret1", "a dog", "test"),
    ]
    assert len(annotations.video_ids("val")) == 300
    assert len(annotations.video_ids("train")) == 10
    assert annotations.notes == ()
    warnings = count_warnings(annotations)
    assert len(warnings) == 2 and all("its ids are not known" in warning for warning in warnings)
    assert split_mismatches(annotations) == {}
    assert ("ECCV 2018" if protocol != "1k-B" else "Miech") in annotations.citation


def test_1kb_test_list_without_sentences_keeps_all_captions(lists):
    (lists / "MSRVTT_1kB_test.csv").unlink()
    (lists / "MSRVTT_1kB_test.txt").write_text("video318\nvideo315\n")
    annotations = msrvtt.read([lists], "1k-B")
    tests = [caption for caption in annotations.captions if caption.split == "test"]
    assert [caption.caption_id for caption in tests] == ["315", "318", "635", "638"]
    assert "MSRVTT_1kB_test.txt has no sentences" in annotations.notes[0]
    (lists / "MSRVTT_1kB_test.csv").write_text("video_id\nvideo318\nvideo315\n")
    assert msrvtt.read([lists], "1k-B").captions == annotations.captions


def test_1kb_test_captions_need_no_key(lists):
    (lists / "MSRVTT_1kB_test.csv").write_text("video_id,sentence\nvideo318,a dog\n")
    (test,) = (caption for caption in msrvtt.read([lists], "1k-B").captions if caption.split == "test")
    assert test == Caption("video318", "video318#test", "a dog", "test")


@pytest.mark.parametrize(
    ("protocol", "name", "old", "new", "message"),
    [
        ("1k-A", "MSRVTT_JSFUSION_test.csv", "video315", "video318", "line 3: video 'video318' occurs twice"),
        ("1k-A", "MSRVTT_JSFUSION_test.csv", "video315", "video4", "in training: video4"),
        ("1k-A", "MSRVTT_JSFUSION_test.csv", "a dog", "", "line 3: no value for 'sentence'"),
        ("1k-A", "MSRVTT_JSFUSION_test.csv", "a dog", "a dog, a cat", "line 3: more values"),
        ("1k-A", "MSRVTT_JSFUSION_test.csv", ",sentence", ",text", "add the column 'sentence'"),
        ("1k-A", "MSRVTT_train.9k.csv", "video309", "video99999", "without annotation: video99999"),
        ("1k-A", "MSRVTT_train.9k.csv", "video309", "video308", "line 311: video 'video308' occurs twice"),
        ("1k-A-7k", "MSRVTT_train.7k.csv", "video309", "video318", "in training: video318"),
        (
            "1k-A-7k",
            "MSRVTT_train.7k.csv",
            "video_id",
            "id",
            "found id; did you mean 'id'. rename it to 'video_id'",
        ),
        ("1k-B", "MSRVTT_1kB_test.csv", "a dog", "", "no value for 'sentence' at video315"),
        ("1k-B", "MSRVTT_1kB_test.csv", "video_id", "id", "did you mean 'id'. rename it to 'video_id'"),
        ("1k-B", "MSRVTT_1kB_train.csv", "video309", "video315", "in training: video315"),
    ],
)
def test_malformed_lists_are_named(lists, protocol, name, old, new, message):
    path = lists / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        msrvtt.read([lists], protocol)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("protocol", "train", "count"),
    [
        ("1k-A", "MSRVTT_train.9k.csv", "9,000"),
        ("1k-A-7k", "MSRVTT_train.7k.csv", "7,010"),
        ("1k-B", "MSRVTT_1kB_train.csv", "6,656"),
    ],
)
def test_short_empty_and_missing_training_lists_are_named(lists, protocol, train, count):
    (lists / train).write_text("video_id\nvideo1\n")
    with pytest.raises(InputError, match=f"1 videos; expected {count}"):
        msrvtt.read([lists], protocol)
    (lists / train).write_text("video_id\n")
    with pytest.raises(InputError, match=f"{train}: no video ids"):
        msrvtt.read([lists], protocol)
    (lists / train).unlink()
    with pytest.raises(InputError, match=f"no file {train}"):
        msrvtt.read([lists / "train_val_videodatainfo.json"], protocol)


def test_validation_takes_whole_sources_in_any_order():
    sources = {f"video{n}": f"source{n % 70}" for n in range(100)}
    chosen = carve_validation(sources, 30)
    assert len(chosen) == 30
    assert not {sources[each] for each in chosen} & {sources[each] for each in sources.keys() - chosen}
    assert carve_validation(dict(reversed(sources.items())), 30) == chosen


def test_real_full(shared_data):
    annotations = msrvtt.read([shared_data / "annotations" / "msrvtt"], "full")
    assert len(annotations.captions) == 200_000
    assert [len(annotations.video_ids(split)) for split in ("train", "val", "test")] == [6513, 497, 2990]
    assert {int(caption.caption_id) for caption in annotations.captions} == set(range(200_000))
    assert annotations.notes == ()
    assert annotations.official_ids.keys() == {"train", "val", "test"}
    assert count_warnings(annotations) == []


@pytest.mark.parametrize(("protocol", "count"), [("1k-A", 8700), ("1k-A-7k", 6710)])
def test_real_jsfusion(shared_data, protocol, count):
    annotations = msrvtt.read([shared_data / "annotations" / "msrvtt"], protocol)
    train, val, test = (set(annotations.video_ids(split)) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (count, 300, 1000)
    assert not train & val and not train & test and not val & test
    assert sum(caption.split == "test" for caption in annotations.captions) == 1000
    assert annotations.official_ids.keys() == {"train", "val", "test"}
    assert count_warnings(annotations) == []


def test_real_lists_that_differ_are_named(shared_data, tmp_path):
    for path in (shared_data / "annotations" / "msrvtt").iterdir():
        (tmp_path / path.name).symlink_to(path.resolve())
    train = tmp_path / "MSRVTT_train.7k.csv"
    text = train.read_text()
    train.unlink()
    train.write_text(text.replace("video7009\n", "video7010\n").replace("video7008\n", ""))
    annotations = msrvtt.read([tmp_path], "1k-A-7k")
    mismatches = split_mismatches(annotations)
    assert mismatches["train"]["missing"] == ["video7008", "video7009"]
    assert [*mismatches["train"]["unexpected"], *mismatches["val"]["unexpected"]] == ["video7010"]
    assert "missing: video7008, video7009" in " ".join(count_warnings(annotations))
