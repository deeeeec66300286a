"""Sentences about parts of videos, read as parts and as paragraphs of whole videos."""

import json

import pytest

from data_pipeline.annotations.caption import Segment
from data_pipeline.annotations.moments import hold_out, joined
from data_pipeline.annotations.sources import count_warnings, read_annotations
from data_pipeline.errors import InputError
from tests.support.small_sources import timed, write_json, write_source


def texts(annotations):
    return {caption.caption_id: (caption.split, caption.text) for caption in annotations.captions}


def read(source, folder, protocol):
    return read_annotations(source, [write_source(folder, source)], protocol)


def test_activitynet_paragraphs(tmp_path):
    annotations = read("activitynet", tmp_path, "paragraph")
    assert texts(annotations) == {
        "v_a#0": ("train", "A dog runs. It jumps"),
        "v_b#0": ("val", "a man cuts an onion. He cries."),
        "v_c#0": ("test", "A cat sleeps."),
    }
    assert annotations.segments == {}
    assert annotations.notes == ("there is no validation split: 1 of 2 training videos were made one",)
    [first, *_] = count_warnings(annotations)
    assert "1 train videos, the published protocol has 9,709" in first


def test_activitynet_sentences_are_parts(tmp_path):
    annotations = read("activitynet", tmp_path, "sentence")
    assert texts(annotations) == {
        "v_a@0-8.5#0": ("train", "A dog runs."),
        "v_a@8.5-20#0": ("train", "It jumps"),
        "v_b@0-9#0": ("val", "a man cuts an onion"),
        "v_b@12-15#0": ("val", "He cries."),
        "v_c@0-12.25#0": ("test", "A cat sleeps."),
    }
    assert annotations.segments["v_b@0-9"] == Segment("v_b", 0.0, 9.0)
    assert annotations.blank_captions == ("v_b@9-12#0",)
    assert count_warnings(annotations) == [
        "activitynet, protocol sentence: 4 train and val captions, the published protocol has 37,417; results are not "
        "comparable with published ones",
        "activitynet, protocol sentence: 1 test captions, the published protocol has 17,505; results are not "
        "comparable with published ones",
    ]


def test_activitynet_has_two_descriptions_of_its_validation_videos(tmp_path):
    assert texts(read("activitynet", tmp_path, "paragraph-val_2"))["v_c#0"] == (
        "test",
        "A cat lies on a bed.",
    )


def test_collections_in_the_form_of_activitynet_keep_their_validation_split(tmp_path):
    annotations = read("activitynet", tmp_path, "paragraph-custom")
    ids = [annotations.video_ids(split) for split in ("train", "val", "test")]
    assert ids == [("v_a", "v_b"), ("v_d",), ("v_e",)]
    assert annotations.notes == () and count_warnings(annotations) == []


def test_two_files_of_one_split_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_json(tmp_path / folder / "train.json", {folder: timed((0, 1, "a dog"))})
    with pytest.raises(
        InputError, match=r"b/train\.json: a second file for split 'train' beside .*a/train\.json"
    ):
        read_annotations("activitynet", [tmp_path / "a", tmp_path / "b"])


def test_parts_of_nearly_the_same_times_stay_apart(tmp_path):
    write_json(tmp_path / "train.json", {"v": timed((0, 1234.5671, "a dog"), (0, 1234.5672, "a cat"))})
    annotations = read_annotations("activitynet", [tmp_path], "sentence-custom")
    assert list(annotations.segments) == ["v@0-1234.5671", "v@0-1234.5672"]


def test_what_cannot_be_used_is_left_out_and_named(tmp_path):
    videos = {
        "v": {**timed((3, 2, "a dog"), (4, 4, "a cat"), (0, 1, "a boy")), "timestamp": 1},
        "w": {**timed(), "url": "x"},
    }
    write_json(tmp_path / "train.json", videos)
    annotations = read_annotations("activitynet", [tmp_path], "sentence-custom")
    assert [caption.text for caption in annotations.captions] == ["a boy"]
    assert annotations.notes == (
        "keys that are not read: 'timestamp', 'url'",
        "1 videos have no sentence: w",
    )
    expected = "expected a part that ends after its start, found"
    assert annotations.unusable_captions == (
        f"{tmp_path}/train.json, 'v': {expected} 3 s to 2 s",
        f"{tmp_path}/train.json, 'v': {expected} 4 s to 4 s",
    )
    # A paragraph is about the whole video.
    paragraphs = read_annotations("activitynet", [tmp_path], "paragraph-custom")
    assert [caption.text for caption in paragraphs.captions] == ["a dog. a cat. a boy"]


def test_all_faults_are_told_at_once(tmp_path):
    broken = {
        "v1": {"sentences": ["a dog"]},
        "v2": {"timestamps": [[0, 1]], "sentences": ["a dog", "a cat"]},
        "v3": {"timestamps": [[0, 1]], "sentences": "a dog"},
        "v4": [1],
        "v5": {"timestamps": [[0, float("nan")]], "sentences": ["a dog"]},
        "v6": {"timestamps": [[True, 2]], "sentences": ["a dog"]},
        "v7": {"timestamps": [[0, 10**400]], "sentences": ["a dog"]},
        "v8": {"timestamps": [[0, 1, 2]], "sentences": ["a dog"]},
        " ": timed((0, 1, "a dog")),
    }
    write_json(tmp_path / "train.json", broken)
    (tmp_path / "val.json").write_text(json.dumps({f"w{n}": {} for n in range(500)}))
    with pytest.raises(InputError) as error:
        read_annotations("activitynet", [tmp_path], "sentence-custom")
    said = str(error.value)
    for expected in (
        "509 faults:",
        "train.json, 'v1': key 'timestamps' is missing",
        "'v2': 2 sentences and 1 timestamps; expected one [start, end] a sentence",
        "'v3': key 'sentences' must be list, found str",
        "'v4': expected an object with key 'sentences', found list",
        "'v5', timestamps[0]; 'v6', timestamps[0]; 'v7', timestamps[0] and 1 more: expected [start, end] in seconds, "
        "found [0, nan], [True, 2], ",
        "[0, 1, 2]; correct it",
        "the id of the video is blank",
        "val.json, 'w0', 'w1', 'w2' and 497 more: key 'sentences' is missing",
    ):
        assert expected in said
    assert len(said) < 4000 and "'w3'" not in said


@pytest.mark.parametrize(
    ("source", "name", "content", "message"),
    [
        ("activitynet", "train.json", "[]", r"train\.json: expected an object .*found list"),
        ("youcook2", "trainval.json", "{}", "key 'database' is missing"),
        (
            "youcook2",
            "trainval.json",
            '{"database": {"a": {"subset": "train"}}}',
            "'a': 'subset' must be one of training, validation, testing, found 'train'",
        ),
        (
            "youcook2",
            "trainval.json",
            '{"database": {"a": {"subset": "training", "annotations": [{"segment": [0], "sentence": "x"}]}}}',
            r"'a', annotations\[0\]: expected \[start, end\] in seconds, found \[0\]",
        ),
        ("didemo", "train_data.json", "{}", "expected a list of moments, found dict"),
        ("didemo", "train_data.json", '[{"video": "v"}]', "record 0: key 'description' is missing"),
        (
            "didemo",
            "train_data.json",
            '[{"video": "v", "description": "x", "times": [[0, 1.5]]}]',
            r"record 0: 'times' must be pairs \[first, last\] of chunks of 5 s counted from 0, found",
        ),
        (
            "didemo",
            "train_data.json",
            '[{"video": "v", "description": "x", "times": []}]',
            "'times' must be pairs",
        ),
        (
            "charades_sta",
            "charades_sta_train.txt",
            "v 0 1 # a dog",
            "line 1: expected ID START END##SENTENCE",
        ),
        (
            "charades_sta",
            "charades_sta_train.txt",
            "v 0 b##a dog",
            r"line 1: expected \[start, end\] in seconds",
        ),
        (
            "charades_sta",
            "charades_sta_train.txt",
            "v 0 nan##a dog",
            r"line 1: expected \[start, end\] in seconds",
        ),
    ],
)
def test_malformed_file_is_named(tmp_path, source, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_annotations(source, [tmp_path], "sentence")


@pytest.mark.parametrize("source", ["activitynet", "didemo", "charades_sta", "lsmdc", "hybrid_space"])
def test_a_name_that_tells_no_split_is_refused(tmp_path, source):
    (tmp_path / "strange.json").write_text("{}")
    with pytest.raises(InputError, match=r"strange\.json: the name tells the split; expected .*train"):
        read_annotations(source, [tmp_path / "strange.json"])


def test_youcook2(tmp_path):
    annotations = read("youcook2", tmp_path, "paragraph")
    assert texts(annotations) == {
        "a1#0": ("train", "dice the onion. fry it"),
        "b2#0": ("val", "boil the eggs"),
        "c3#0": ("test", "add salt"),
    }
    assert annotations.notes[0] == "no testing video has sentences: the validation videos are the test split"
    parts = read_annotations("youcook2", [tmp_path], "sentence")
    assert parts.segments["a1@25-37"] == Segment("a1", 25.0, 37.0)


def test_youcook2_with_sentences_of_its_testing_videos_keeps_its_validation_split(tmp_path):
    path = write_source(tmp_path, "youcook2") / "youcookii_annotations_trainval.json"
    content = json.loads(path.read_text())
    content["database"]["d4"]["annotations"][0]["sentence"] = "serve"
    write_json(path, content)
    annotations = read_annotations("youcook2", [path], "paragraph")
    splits = {caption.video_id: caption.split for caption in annotations.captions}
    assert splits == {"a1": "train", "b2": "train", "c3": "val", "d4": "test"}
    assert annotations.notes == ()


def test_didemo(tmp_path):
    assert texts(read("didemo", tmp_path, "paragraph"))["1@N0.mov#0"] == ("train", "a dog runs. it jumps")
    parts = read_annotations("didemo", [tmp_path], "sentence")
    # Most annotators, or the first of equals.
    assert parts.segments == {
        "1@N0.mov@0-5": Segment("1@N0.mov", 0.0, 5.0),
        "1@N0.mov@10-20": Segment("1@N0.mov", 10.0, 20.0),
        "2@N0.mov@5-10": Segment("2@N0.mov", 5.0, 10.0),
        "3@N0.mov@25-30": Segment("3@N0.mov", 25.0, 30.0),
    }
    assert parts.notes == ()


def test_charades_sta(tmp_path):
    annotations = read("charades_sta", tmp_path, "sentence")
    assert texts(annotations) == {
        "AO8RW@0-6.9#0": ("val", "a person puts a book on a shelf."),
        "AO8RW@0-6.9#1": ("val", "person smiles."),
        "Y6R7T@20.8-30#0": ("train", "a man sits"),
        "3MSZA@24.3-30.4#0": ("test", "person turns a light on."),
    }
    paragraph = texts(read_annotations("charades_sta", [tmp_path], "paragraph"))["AO8RW#0"]
    assert paragraph == ("val", "a person puts a book on a shelf. person smiles.")


def test_a_tenth_of_training_is_held_out_at_most_300_the_same_every_time():
    splits = {f"v{n}": "train" for n in range(4000)} | {"t": "test"}
    found, notes = hold_out(splits)
    assert notes == ["there is no validation split: 300 of 4,000 training videos were made one"]
    assert list(found) == list(splits)
    chosen = {each for each, split in found.items() if split == "val"}
    assert len(chosen) == 300 and found["t"] == "test"
    again = hold_out(dict(reversed(splits.items())))[0]
    assert {each for each, split in again.items() if split == "val"} == chosen
    for kept in ({"a": "train", "b": "train"}, {"a": "train", "t": "test"}, {**splits, "w": "val"}):
        assert hold_out(kept) == (kept, [])


def test_sentences_of_a_paragraph_do_not_run_into_each_other():
    assert joined(["a dog ", " ", "Who?", 'He says "no"', "the end"]) == 'a dog. Who? He says "no" the end'
