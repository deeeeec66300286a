"""A misspelled folder of prepared data, or of a run, is answered with the nearest one that is there."""

import pathlib

import pytest

from data_pipeline.errors import InputError
from data_pipeline.host.files import nearest_folder
from mcsan_jax.config import DataConfig
from mcsan_jax.runs.open import find_prepared_data
from tests.support.command_line import run_mcsan
from tests.test_front_door import check_message


@pytest.fixture
def data(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Some folders, of which two hold a manifest each and one has nothing but a similar name."""
    # Other tests may have left data beside the folder of this one.
    home = tmp_path / "home"
    for name in ("My Custom", "msrvtt"):
        (home / "data" / name).mkdir(parents=True)
        (home / "data" / name / "manifest.json").touch()
    (home / "data" / "custon").mkdir()
    monkeypatch.chdir(home)
    return home / "data"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("data/my_custom", "did you mean data/My Custom? "),
        ("data/msrvt", "did you mean data/msrvtt? "),
        ("dta/msrvtt", "did you mean data/msrvtt? "),
        ("data", "did you mean one of data/My Custom, data/msrvtt? "),
        # Several slips, nothing similar, and a similar folder without the file.
        ("dta/msrvt", ""),
        ("data/vatex", ""),
        ("elsewhere/entirely/x", ""),
        (".", ""),
        ("..", ""),
    ],
)
def test_the_nearest_folder_is_one_that_holds_the_file(data: pathlib.Path, typed: str, hint: str) -> None:
    assert nearest_folder(pathlib.Path(typed), "manifest.json") == hint


def test_data_of_a_training_that_was_renamed_are_suggested(data: pathlib.Path) -> None:
    with pytest.raises(
        InputError, match=r"where it was in training; did you mean data/msrvtt\? name the folder"
    ):
        find_prepared_data(DataConfig(dir="data/msrvt"), "--data")


def test_absolute_paths_stay_absolute(data: pathlib.Path) -> None:
    assert nearest_folder(data / "msrvt", "manifest.json") == f"did you mean {data / 'msrvtt'}? "


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("train", "--config=custom", "--config.data.dir=data/msrvt"),
            "data/msrvt; did you mean data/msrvtt?\nWrite your captions",
        ),
        (("inspect", "data/msrvt"), "the folder does not exist; did you mean data/msrvtt? Give the folder"),
    ],
)
def test_a_slip_in_the_folder_of_data_gets_the_nearest_one(words: tuple[str, ...], said: str) -> None:
    ended = run_mcsan(*words)
    assert ended.status == 2 and said in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("eval",),
        ("report",),
        ("card",),
        ("export", "--out=new"),
        ("export", "--to=trec", "--out=trec"),
        ("train", "--config=custom", "--mode=eval", "--workdir"),
    ],
)
def test_a_slip_in_the_folder_of_a_run_gets_the_nearest_one(
    words: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    (tmp_path / "three_levels").mkdir()
    (tmp_path / "three_levels" / "config.json").touch()
    ended = run_mcsan(*words, tmp_path / "three_level")
    check_message(ended.status, ended.stderr, f"did you mean {tmp_path / 'three_levels'}? ")
