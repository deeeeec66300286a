"""A message holds a few of the user's keys, however many and however long they are."""

import pytest

from data_pipeline.errors import Faults, InputError, first_few, nearest_name, shown


def test_long_lists_are_cut() -> None:
    assert first_few(["a", "b"]) == "a, b"
    assert first_few([str(n) for n in range(7)]) == "0, 1, 2, 3, 4, … (7 in all)"
    assert first_few({1: "x", None: "y"}) == "1, None"
    assert len(first_few(["x" * 100_000] * 9)) < 1500


@pytest.mark.parametrize("value", ["x" * 100_000, {"x" * 100_000: ["y"] * 1000}, 10**400, [[["z" * 999]]]])
def test_long_values_are_cut(value: object) -> None:
    assert 3 < len(shown(value)) < 400


def test_short_values_are_whole() -> None:
    assert shown("a 'dog'\n") == repr("a 'dog'\n")
    assert shown(["a", 1, None]) == "['a', 1, None]"


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("video_id", ["VideoID", "caption"], "did you mean 'VideoID'? "),
        ("caption", ["Captions", "id"], "did you mean 'Captions'? "),
        ("split", ["caption", "set"], ""),
        ("split", [], ""),
    ],
)
def test_the_nearest_name_is_asked_for(name: str, found: list[str], expected: str) -> None:
    assert nearest_name(name, found) == expected


def test_one_fault_is_said_alone() -> None:
    faults = Faults()
    faults.check()
    with faults.gathered():
        raise InputError("no dog")
    with pytest.raises(InputError, match=r"^no dog$"):
        faults.check()


def test_other_errors_are_no_faults() -> None:
    with pytest.raises(KeyError), Faults().gathered():
        raise KeyError("a bug")
