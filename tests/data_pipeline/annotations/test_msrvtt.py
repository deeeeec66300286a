import gzip
import json

import pytest

from data_pipeline.annotations import msrvtt
from data_pipeline.annotations.caption import Caption
from data_pipeline.annotations.splits import count_warnings
from mcsan_jax.errors import InputError


def corpus(videos, sentences):
    return {
        "videos": [{"video_id": name, "split": split, "url": url} for name, split, url in videos],
        "sentences": [
            {"video_id": name, "sen_id": number, "caption": text} for number, name, text in sentences
        ],
    }


SMALL = corpus(
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
        (lambda value: value.pop("sentences"), "'sentences' is missing"),
        (lambda value: value["videos"][2].pop("split"), r"videos\[2\].*'split' is missing"),
        (lambda value: value["videos"][0].update(split="dev"), r"videos\[0\].*found 'dev'"),
        (lambda value: value["videos"].append(value["videos"][0]), "'video1' occurs twice"),
        (lambda value: value["videos"].append("video9"), r"videos\[4\].*found str"),
        (
            lambda value: value["sentences"][1].update(caption=["a", "b"]),
            r"sentences\[1\].*must be str, found list",
        ),
        (lambda value: value["sentences"][1].update(video_id="video9"), "'video9' is not in 'videos'"),
        (lambda value: value["sentences"][1].update(sen_id=7), "caption id '7' occurs twice"),
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
def jsfusion(tmp_path):
    videos = [(f"video{n}", "train", f"source{n // 2}") for n in range(320)]
    sentences = [(n, f"video{n}", f"caption {n}") for n in range(320)]
    (tmp_path / "train_val_videodatainfo.json").write_text(json.dumps(corpus(videos, sentences)))
    train = "".join(f"video{n}\n" for n in range(310))
    (tmp_path / "MSRVTT_train.9k.csv").write_text("video_id\n" + train)
    (tmp_path / "MSRVTT_JSFUSION_test.csv").write_text(
        'key,vid_key,video_id,sentence\nret0,msr318,video318,"a, b"\nret1,msr315,video315,a dog\n'
    )
    return tmp_path


def test_jsfusion_tests_on_the_csv_and_carves_validation(jsfusion):
    annotations = msrvtt.read([jsfusion], "1k-A")
    assert [caption for caption in annotations.captions if caption.split == "test"] == [
        Caption("video318", "ret0", "a, b", "test"),
        Caption("video315", "ret1", "a dog", "test"),
    ]
    assert len(annotations.video_ids("val")) == 300
    assert len(annotations.video_ids("train")) == 10
    assert len(count_warnings(annotations)) == 2
    assert "ECCV 2018" in annotations.citation


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("MSRVTT_JSFUSION_test.csv", "video315", "video318", "2 rows for 1 videos"),
        ("MSRVTT_JSFUSION_test.csv", "video315", "video4", "in training: video4"),
        ("MSRVTT_JSFUSION_test.csv", "a dog", "", "line 3: no value for 'sentence'"),
        ("MSRVTT_JSFUSION_test.csv", "a dog", "a dog, a cat", "line 3: more values"),
        ("MSRVTT_JSFUSION_test.csv", ",sentence", ",text", "add the column 'sentence'"),
        ("MSRVTT_train.9k.csv", "video309", "video99999", "without annotation: video99999"),
    ],
)
def test_malformed_jsfusion_files_are_named(jsfusion, name, old, new, message):
    path = jsfusion / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        msrvtt.read([jsfusion], "1k-A")
    assert "MSRVTT_" in str(error.value)


def test_short_training_list_is_refused(jsfusion):
    (jsfusion / "MSRVTT_train.9k.csv").write_text("video_id\nvideo1\n")
    with pytest.raises(InputError, match="expected 9,000"):
        msrvtt.read([jsfusion], "1k-A")


def test_missing_jsfusion_file_is_named(jsfusion):
    (jsfusion / "MSRVTT_JSFUSION_test.csv").unlink()
    with pytest.raises(InputError, match=r"no file MSRVTT_JSFUSION_test\.csv"):
        msrvtt.read([jsfusion / "train_val_videodatainfo.json"], "1k-A")


def test_validation_takes_whole_sources_in_any_order():
    sources = {f"video{n}": f"source{n % 70}" for n in range(100)}
    chosen = msrvtt.carve_validation(sources, 30)
    assert len(chosen) == 30
    assert not {sources[each] for each in chosen} & {sources[each] for each in sources.keys() - chosen}
    assert msrvtt.carve_validation(dict(reversed(sources.items())), 30) == chosen


def test_real_full(shared_data):
    annotations = msrvtt.read([shared_data / "annotations" / "msrvtt"], "full")
    assert len(annotations.captions) == 200_000
    assert [len(annotations.video_ids(split)) for split in ("train", "val", "test")] == [6513, 497, 2990]
    assert {int(caption.caption_id) for caption in annotations.captions} == set(range(200_000))
    assert annotations.notes == ()
    assert count_warnings(annotations) == []


def test_real_jsfusion(shared_data):
    annotations = msrvtt.read([shared_data / "annotations" / "msrvtt"], "1k-A")
    train, val, test = (set(annotations.video_ids(split)) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (8700, 300, 1000)
    assert not train & val and not train & test and not val & test
    assert sum(caption.split == "test" for caption in annotations.captions) == 1000
    assert count_warnings(annotations) == []
