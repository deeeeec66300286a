"""Ids that differ only in how they are written match, where they stay unique; else the nearest are shown."""

import pathlib
import unicodedata
from collections.abc import Collection

import h5py
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.features.ids import match_ids, nearest_pairs
from data_pipeline.features.source import FeatureSource
from data_pipeline.features.streams import open_features


def write(folder: pathlib.Path, ids: Collection[str]) -> FeatureSource:
    """Features of which each value is the place of the id in the order given."""
    path = folder / f"{len(list(folder.iterdir()))}.h5"
    with h5py.File(path, "w") as file:
        file.attrs["fps"] = 2.0
        for number, video_id in enumerate(ids):
            file[video_id.replace("/", "\\")] = np.full((2, 3), number, np.float32)
    return open_features(path)


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


NAMES = [f"café{number}" for number in range(1, 5)]


@pytest.mark.parametrize(
    ("annotated", "stored", "rules"),
    [
        (NAMES, [decomposed(each) for each in NAMES], "normal form NFC, such as"),
        ([decomposed(each) for each in NAMES], NAMES, "normal form NFC, such as"),
        (NAMES, [f"v_{each}" for each in NAMES], "without v_ before them, such as"),
        ([f"{each}.mp4" for each in NAMES], NAMES, r"without the ending of a file \(\.mp4\), such as"),
        (NAMES, [f"{each}.AVI" for each in NAMES], r"without the ending of a file \(\.mp4\), such as"),
        ([f"videos/{each}" for each in NAMES], NAMES, "without folders before the name, such as"),
        (NAMES, [rf"C:\videos\{each}" for each in NAMES], "without folders before the name, such as"),
        ([f"{each}#enc#0" for each in NAMES], NAMES, "without the number of a caption"),
        (NAMES, [each.upper() for each in NAMES], "in lower case, such as"),
        (NAMES, [each.replace("é", "é00") for each in NAMES], "without zeros before numbers, such as"),
        (
            [f"videos/{decomposed(each)}.mp4" for each in NAMES],
            [f"v_{each}" for each in NAMES],
            r"NFC, without folders before the name, without the ending of a file \(\.mp4\), without v_ before",
        ),
    ],
)
def test_ids_match_by_the_fewest_rules(
    annotated: list[str], stored: list[str], rules: str, tmp_path: pathlib.Path
) -> None:
    matched, (note,) = match_ids(annotated, {"x": write(tmp_path, [*stored, "stranger"])})
    assert matched["x"].ids() == {*annotated, "stranger"}
    for number, video_id in enumerate(annotated):
        assert (matched["x"].read(video_id) == number).all()
        times = matched["x"].times(video_id, 2)
        assert times is not None and times.tolist() == [0.25, 0.75]
    with pytest.raises(InputError, match=rf"stream 'x': 4 ids .* match .* when compared .*{rules}"):
        raise InputError(note)


def test_ids_that_are_the_same_are_left_alone(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path, ["a", "b", "A"])
    matched, notes = match_ids(["a", "b"], {"x": source})
    assert matched == {"x": source} and notes == []
    # What is left matches, too.
    matched, (note,) = match_ids(["a", "b", "c"], {"x": write(tmp_path, ["a", "b", "v_c"])})
    assert matched["x"].ids() == {"a", "b", "c"} and "1 ids" in note


def test_an_id_that_begins_like_the_prefix_matches_too(tmp_path: pathlib.Path) -> None:
    matched, _ = match_ids(["v_a", "b"], {"x": write(tmp_path, ["v_v_a", "v_b"])})
    assert matched["x"].ids() == {"v_a", "b"}


@pytest.mark.parametrize(
    ("annotated", "stored", "twins"),
    [
        (["a", "b"], ["a", "b.mp4", "b.avi"], "'b.avi' and 'b.mp4'"),
        (["a", "b1", "b01"], ["a", "b001"], "'b01' and 'b1'"),
        (["a", "v#enc#0", "v#enc#1"], ["a", "v"], "'v#enc#0' and 'v#enc#1'"),
    ],
)
def test_a_difference_that_has_a_meaning_is_kept(
    annotated: list[str], stored: list[str], twins: str, tmp_path: pathlib.Path
) -> None:
    matched, notes = match_ids(annotated, {"x": write(tmp_path, stored)})
    assert matched["x"].read("a").tolist() == [[0.0] * 3] * 2
    refused = [note for note in notes if "which is not done because" in note]
    assert len(refused) == 1 and f"{twins} would be the same" in refused[0]
    assert len(matched["x"].ids() & set(annotated)) <= 2


def test_what_may_be_either_of_two_is_not_decided(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path, ["a", "c.mp4", "B", "b.mp4"])
    matched, (found, unsure, _) = match_ids(["a", "b", "c"], {"x": source})
    assert matched["x"].ids() == {"a", "c", "B", "b.mp4"} and "1 ids of features match" in found
    assert "1 ids of the annotations match several of the features, which is not decided" in unsure
    assert "'b' may be 'B' or 'b.mp4'" in unsure


def test_nearest_ids_are_shown_where_none_match(tmp_path: pathlib.Path) -> None:
    sources = {"x": write(tmp_path, [f"clip_{number}" for number in range(40)])}
    with pytest.raises(
        InputError, match="none of the 40 annotated videos has features in stream 'x'"
    ) as error:
        match_ids([f"clip-{number}" for number in range(40)], sources)
    assert "nearest: 'clip-0' and 'clip_0', 'clip-1' and 'clip_1', 'clip-10' and 'clip_10'" in str(
        error.value
    )
    assert len(str(error.value)) < 500


def test_nearest_ids_are_shown_where_many_are_missing(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path, ["a", "b", "clip_1"])
    _, (note,) = match_ids(["a", "b", "clip-1"], {"x": source})
    assert "1 annotated videos have no features under their ids; nearest: 'clip-1' and 'clip_1'" in note


def test_every_stream_without_a_match_is_named(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path, ["a"])
    with pytest.raises(InputError, match=r"(?s)in stream 'x' .*in stream 'y' "):
        match_ids(["b", "c"], {"x": source, "y": source})


def test_look_alikes_are_told_apart() -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    said = nearest_pairs([composed], [apart])
    assert said == rf"'{composed}' ('caf\xe9') and '{apart}' ('cafe\u0301')"
