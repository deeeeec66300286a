"""Captions of whole clips in the forms of LSMDC, hybrid_space and Collaborative Experts."""

import json
import pickle
import subprocess
import sys

import pytest

from data_pipeline.annotations.sources import count_warnings, read_annotations, split_mismatches
from data_pipeline.errors import InputError
from tests.support.small_sources import write_json, write_source


def texts(annotations):
    return {caption.caption_id: (caption.split, caption.text) for caption in annotations.captions}


def test_lsmdc(tmp_path):
    annotations = read_annotations("lsmdc", [write_source(tmp_path, "lsmdc")])
    smiles = "SOMEONE smiles."
    assert texts(annotations) == {
        "1_A#0": ("train", smiles),
        "1_A#1": ("train", smiles),
        "1_B#0": ("train", smiles),
        "2_A#0": ("val", smiles),
        "3_A#0": ("test", smiles),
    }
    assert [warning.split(";")[0] for warning in count_warnings(annotations)] == [
        "lsmdc, protocol official: 3 train captions, the published protocol has 101,079",
        "lsmdc, protocol official: 1 val captions, the published protocol has 7,408",
        "lsmdc, protocol official: 1 test captions, the published protocol has 1,000",
    ]


def test_lsmdc_lines_with_other_columns_are_named_together(tmp_path):
    (write_source(tmp_path, "lsmdc") / "LSMDC16_annos_val.csv").write_text(
        "2_A a b\n2_B\t0\t1\t0\t1\tok\n\t\n2_C\t0\n"
    )
    with pytest.raises(InputError) as error:
        read_annotations("lsmdc", [tmp_path])
    for expected in (
        "LSMDC16_annos_val.csv, lines 1 and 4: expected 6 columns",
        "found 1 in '2_A a b', 2 in '2_C\\t0'; use the official file",
    ):
        assert expected in str(error.value)


@pytest.mark.parametrize("inner", ["", "TextData"])
def test_hybrid_space(tmp_path, inner):
    (tmp_path / inner).mkdir(exist_ok=True)
    write_source(tmp_path / inner, "hybrid_space")
    annotations = read_annotations("hybrid_space", [tmp_path])
    assert texts(annotations) == {
        "video0#enc#0": ("train", "a car is shown"),
        "video0#enc#1": ("train", "a car # 2"),
        "video9#0": ("train", "a dog"),
        "video1#enc#0": ("val", "a man sings"),
        "video2#enc#0": ("test", "a dog runs"),
    }
    assert annotations.blank_captions == ("video9#1",)
    assert [caption.video_id for caption in annotations.captions][:3] == ["video0", "video0", "video9"]
    assert count_warnings(annotations) == []
    assert len(count_warnings(read_annotations("hybrid_space", [tmp_path], "msrvtt10k"))) == 3


def test_hybrid_space_lines_without_a_caption_id_are_named_together(tmp_path):
    path = write_source(tmp_path, "hybrid_space") / "msrvtt10kval.caption.txt"
    path.write_text("video1 a man\n#enc#0 a man\nvideo1#0 a man\n")
    with pytest.raises(
        InputError, match=r"lines 1 and 2: expected VIDEO#enc#N.*'video1 a man', '#enc#0 a man'"
    ):
        read_annotations("hybrid_space", [tmp_path])


def test_collaborative_experts(tmp_path):
    annotations = read_annotations("collaborative_experts", [write_source(tmp_path, "collaborative_experts")])
    assert texts(annotations) == {
        "video0#0": ("train", "a car"),
        "video0#1": ("train", "a red car"),
        "video1#0": ("train", "a man"),
        "video2#0": ("val", "a dog"),
        "video3#0": ("test", "x"),
    }
    assert annotations.notes == () and count_warnings(annotations) == []
    names = ("raw-captions.json", "train_list.txt", "val_list.txt", "test_list.txt")
    one_by_one = read_annotations("collaborative_experts", [tmp_path / name for name in names])
    assert one_by_one == annotations


def test_collaborative_experts_with_two_lists_tests_on_the_second(tmp_path):
    folder = write_source(tmp_path, "collaborative_experts")
    (folder / "val_list_jsfusion.txt").write_text("video2\nvideo7\n")
    annotations = read_annotations("collaborative_experts", [folder], "jsfusion")
    assert {caption.video_id: caption.split for caption in annotations.captions} == {
        "video0": "val",
        "video1": "train",
        "video2": "test",
    }
    assert annotations.notes == (
        "there is no validation split: 1 of 2 training videos were made one",
        "test videos keep all their captions, the published protocol takes one of each: use --dataset=msrvtt "
        "--protocol=1k-A for comparable results",
        "1 videos are on no list and were left out: video3",
    )
    assert split_mismatches(annotations)["test"]["missing"] == ["video7"]
    (folder / "val_list_jsfusion.txt").unlink()
    with pytest.raises(InputError, match=r"no file val_list_jsfusion\.txt \(or \.gz\); put it beside"):
        read_annotations("collaborative_experts", [folder], "jsfusion")


def test_the_pickle_of_captions_is_not_opened_and_the_advice_converts_it(tmp_path):
    folder = write_source(tmp_path, "collaborative_experts")
    captions = json.loads((folder / "raw-captions.json").read_text())
    (folder / "raw-captions.json").unlink()
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(captions))
    for path in (folder, folder / "raw-captions.pkl"):
        with pytest.raises(InputError, match=r"raw-captions\.pkl: a pickle can run any program") as error:
            read_annotations("collaborative_experts", [path])
    _, _, code = str(error.value).partition("python -c ")
    subprocess.run([sys.executable, "-c", code.strip('"')], check=True)
    assert len(read_annotations("collaborative_experts", [folder]).captions) == 5


def test_captions_of_experts_that_cannot_be_read_are_named_together(tmp_path):
    folder = write_source(tmp_path, "collaborative_experts")
    write_json(folder / "raw-captions.json", {"video0": "a dog", "video1": [["a", 1]], "video2": [{}]})
    write_json(folder / "raw-captions-more.json", {"video3": ["a dog"], "video4": ["a cat"]})
    with pytest.raises(InputError) as error:
        read_annotations("collaborative_experts", [folder])
    for expected in (
        "3 faults",
        "key 'video0' must be list, found str",
        "'video1', caption 0 and 'video2', caption 0: expected a text or a list of words, found ['a', 1], {}; correct",
    ):
        assert expected in str(error.value)
    write_json(folder / "raw-captions.json", {"video3": ["another"]})
    with pytest.raises(InputError, match="'video3': another file has other captions of this video"):
        read_annotations("collaborative_experts", [folder])
    write_json(folder / "raw-captions.json", [])
    with pytest.raises(InputError, match=r"expected an object .*found list"):
        read_annotations("collaborative_experts", [folder])
