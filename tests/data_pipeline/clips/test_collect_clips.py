"""Clips in folders and the ids that they get."""

import os
import pathlib

import pytest

from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.errors import InputError


def made(folder: pathlib.Path, *names: str) -> pathlib.Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_a_folder_is_walked(tmp_path: pathlib.Path) -> None:
    names = ("b.MP4", "a.webm", "deep/er/c.avi", "notes.txt", ".hidden.mp4", "._d.mov", ".git/e.mp4", "f.gif")
    found = collect_clips([made(tmp_path, *names)])
    assert found == {
        "a": tmp_path / "a.webm",
        "b": tmp_path / "b.MP4",
        "c": tmp_path / "deep/er/c.avi",
        "f": tmp_path / "f.gif",
    }
    assert list(found) == sorted(found)


def test_a_file_is_taken_whatever_its_ending(tmp_path: pathlib.Path) -> None:
    made(tmp_path, "odd.bin", "no_ending")
    assert list(collect_clips([tmp_path / "odd.bin", tmp_path / "no_ending"])) == ["no_ending", "odd"]


def test_paths_may_be_relative(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "clips/a.mp4", "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    expected = {"12:30": tmp_path / "12:30.mp4", "a": tmp_path / "clips/a.mp4"}
    assert collect_clips(["clips", "12:30.mp4"]) == expected
    assert collect_clips(["."]) == expected


def test_clips_of_one_name_are_told_apart(tmp_path: pathlib.Path) -> None:
    one = made(tmp_path / "one", "x/a.mp4", "y/a.mp4", "y/a.avi", "b.mp4", "x/c.mp4")
    assert {name: str(path.relative_to(tmp_path)) for name, path in collect_clips([one]).items()} == {
        "b": "one/b.mp4",
        "c": "one/x/c.mp4",
        "x__a": "one/x/a.mp4",
        "y__a.avi": "one/y/a.avi",
        "y__a.mp4": "one/y/a.mp4",
    }


def test_folders_of_the_same_content_are_told_apart(tmp_path: pathlib.Path) -> None:
    one, two = made(tmp_path / "one", "x/a.mp4"), made(tmp_path / "two", "x/a.mp4", "b.mp4")
    above = "__".join(tmp_path.parts[1:])
    assert set(collect_clips([one, two])) == {f"{above}__one__x__a.mp4", f"{above}__two__x__a.mp4", "b"}


def test_an_id_that_is_made_is_nobody_elses(tmp_path: pathlib.Path) -> None:
    folder = made(tmp_path, "x/a.mp4", "y/a.mp4", "x__a.mp4", "x__a.avi")
    found = collect_clips([folder])
    assert len(found) == 4 and set(found.values()) == {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sign", ["\n", "\r", "\t", "\x7f", "\u2028", "\x85"])
def test_an_id_stands_in_a_line(tmp_path: pathlib.Path, sign: str) -> None:
    found = collect_clips([made(tmp_path, f"a{sign}b.mp4", "a_b.mp4")])
    assert found == {"a_b": tmp_path / "a_b.mp4", "a_b~2": tmp_path / f"a{sign}b.mp4"}


def test_other_letters_stay(tmp_path: pathlib.Path) -> None:
    names = ("Žluťoučký kůň", "猫が走る", 'it\'s "this" one', " spaces ", "a;b&c", "100%d", "a\\b")
    assert set(collect_clips([made(tmp_path, *(f"{name}.mp4" for name in names))])) == set(names)


def test_a_name_that_is_no_text_becomes_one(tmp_path: pathlib.Path) -> None:
    file = os.fsencode(tmp_path) + b"/b\xe4r.mp4"
    pathlib.Path(os.fsdecode(file)).touch()
    (name,) = collect_clips([tmp_path])
    assert name == "b_r" and name.encode()


def test_a_link_loop_ends(tmp_path: pathlib.Path) -> None:
    made(tmp_path, "in/a.mp4", "elsewhere/b.mp4")
    (tmp_path / "in/again").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in/above").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "in/self.mp4").symlink_to(tmp_path / "in/self.mp4")
    assert list(collect_clips([tmp_path / "in"])) == ["a", "b"]


def test_a_clip_that_is_given_twice_is_one(tmp_path: pathlib.Path) -> None:
    folder = made(tmp_path, "in/a.mp4", "in/b.mp4")
    assert list(collect_clips([folder, folder / "in", folder / "in/a.mp4"])) == ["a", "b"]


def test_all_that_is_missing_is_named_at_once(tmp_path: pathlib.Path) -> None:
    made(tmp_path, "notes/read.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        collect_clips([tmp_path / "gone.mp4", tmp_path / "notes", tmp_path / "empty"])
    said = str(caught.value)
    assert "/gone.mp4': expected a clip or a folder of clips, found nothing there" in said
    assert "/notes'" in said and "/empty'" in said
    assert "expected a folder with clips (.3gp, .avi" in said and "found read.txt, no file" in said
