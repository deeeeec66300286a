import json

import numpy as np
import pytest

from data_pipeline.annotations import hgr
from data_pipeline.annotations.caption import Caption
from data_pipeline.annotations.sources import count_warnings
from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import ROLES
from tests.support.small_sources import EGG, write_source

CAPTIONS = "annotation/RET/ref_captions.json"
GRAPHS = "annotation/RET/sent2rolegraph.augment.json"


@pytest.fixture
def folder(tmp_path):
    return write_source(tmp_path, "hgr")


def test_captions_graphs_and_roles(folder):
    annotations = hgr.read([folder], "published")
    assert annotations.captions == (
        Caption("video0", "video0#0", EGG, "train"),
        Caption("video0", "video0#1", "a man sings", "train"),
        Caption("video1", "video1#0", "A red car.", "val"),
        Caption("video2", "video2#0", EGG, "test"),
    )
    assert annotations.graphs.keys() == {EGG, "A red car."}
    assert len(annotations.graphs[EGG].relationships) == 5
    assert annotations.roles == (*ROLES, "ARG4", "ARGM-LOC")
    assert annotations.notes == (
        "the lists of names give 1 train, 1 val, 1 test videos",
        "1 videos are in no split list and were left out: video3",
        "1 captions have no role graph and are parsed: video0#1",
    )
    assert count_warnings(annotations) == []


def test_folder_may_be_that_of_the_annotations_and_hold_the_lists(folder):
    whole = hgr.read([folder], "published")
    assert hgr.read([folder / "annotation" / "RET"], "published") == whole
    assert hgr.read([folder / CAPTIONS], "published") == whole
    for path in (folder / "public_split").iterdir():
        path.rename(folder / "annotation" / "RET" / path.name)
    assert hgr.read([folder], "published") == whole


def test_listed_video_without_captions_is_named(folder):
    np.save(folder / "public_split" / "tst_names.npy", np.array(["video2", "video9"]))
    (warning,) = count_warnings(hgr.read([folder], "published"))
    assert "1 test videos, the published protocol has 2 (missing: video9)" in warning


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (CAPTIONS, ["a man"], r"ref_captions\.json: expected an object of videos.*found list"),
        (CAPTIONS, {"video0": EGG}, r"ref_captions\.json.*key 'video0' must be list, found str"),
        (CAPTIONS, {"video0": [EGG, None]}, "'video0' must be a list of texts, found NoneType.*at index 1"),
        (CAPTIONS, {"video9": [EGG]}, "no caption found"),
        (GRAPHS, [EGG], r"sent2rolegraph\.augment\.json: expected an object of captions.*found list"),
        (
            GRAPHS,
            {"A red car.": []},
            r"sent2rolegraph\.augment\.json, 'A red car\.': expected a list of nodes",
        ),
        (
            GRAPHS,
            {"A red car.": [{"ROOT": {"words": ["A", "blue", "car"]}}, []]},
            r"'A red car\.': word 1 of the role graph, 'blue'",
        ),
    ],
)
def test_malformed_json_is_named(folder, name, content, message):
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        hgr.read([folder], "published")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            np.array(["video1", "x"], object),
            r"Object arrays.*np\.save\(path, .*allow_pickle=True\)\.astype\(str\)\)",
        ),
        (np.array([b"video1"]), r"found \|S6 of shape \(1,\).*astype\(str\)"),
        (np.array([["video1"]]), r"found <U6 of shape \(1, 1\)"),
        (np.array([1, 2]), "found int64"),
        (np.array(["video1", "video1"]), "'video1' is already in val_names"),
        (np.array(["video0"]), "'video0' is already in trn_names"),
    ],
)
def test_malformed_names_are_refused(folder, names, message):
    np.save(folder / "public_split" / "val_names.npy", names)
    with pytest.raises(InputError, match=message) as error:
        hgr.read([folder], "published")
    assert "val_names.npy" in str(error.value)


@pytest.mark.parametrize("data", [b"", b"video1\n", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_file_that_is_no_array_is_named(folder, data):
    (folder / "public_split" / "val_names.npy").write_bytes(data)
    with pytest.raises(InputError, match=r"val_names\.npy: cannot be read as an array of names"):
        hgr.read([folder], "published")


def test_archive_of_arrays_is_refused(folder):
    np.savez(folder / "names.npz", names=np.array(["video1"]))
    (folder / "names.npz").rename(folder / "public_split" / "val_names.npy")
    with pytest.raises(InputError, match="found an archive of arrays"):
        hgr.read([folder], "published")


@pytest.mark.parametrize("name", [CAPTIONS, GRAPHS, "public_split/tst_names.npy"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"no file {name.rpartition('/')[2]}"):
        hgr.read([folder], "published")
