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
        ("video_id", ["id", "text"], "did you mean 'id'? "),
        ("dim", ["frame_dim"], "did you mean 'frame_dim'? "),
        ("dim", ["remedies", "_"], ""),
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


def said(*messages: str) -> str:
    faults = Faults()
    for message in messages:
        faults.add(message)
    with pytest.raises(InputError) as error:
        faults.check()
    return str(error.value)


def test_faults_of_one_kind_are_one_line() -> None:
    wrong = [f"a.csv, line {n}: no value for 'x'; give one" for n in (3, 7, 12, *range(20, 28))]
    assert said(*wrong) == "a.csv, lines 3, 7, 12 and 8 more: no value for 'x'; give one"
    assert said(*wrong[:2]) == "a.csv, lines 3 and 7: no value for 'x'; give one"
    assert said(wrong[0]) == "a.csv, line 3: no value for 'x'; give one"


def test_values_that_were_found_are_listed() -> None:
    wrong = [
        f"a.csv, line {n}: expected a number, found {value!r}; correct it"
        for n, value in enumerate("abaab", 1)
    ]
    assert said(*wrong) == "a.csv, lines 1, 2, 3 and 2 more: expected a number, found 'a', 'b'; correct it"
    assert said("a: found 1 twice; no", "a: found 2 twice; no") == "a (2 times): found 1 twice, 2 twice; no"
    many = [f"a.csv, line {n}: found {n}" for n in range(100)]
    assert said(*many) == "a.csv, lines 0, 1, 2 and 97 more: found 0, 1, 2, 3, 4, …"


def test_numbers_that_differ_are_examples() -> None:
    wrong = [f"x.h5, video 'v{n}': {n + 1} values are infinite; extract it again" for n in range(9)]
    assert said(*wrong) == (
        "x.h5, video 'v0', video 'v1', video 'v2' and 6 more, such as: 1 values are infinite; extract it again"
    )


def test_places_in_places_and_in_several_files_stay_apart() -> None:
    inner = [f"a.json, 'v{n}', annotations[{n}]: no text" for n in range(3)]
    assert said(*inner[:2]) == "a.json, 'v0', annotations[0] and 'v1', annotations[1]: no text"
    assert said(*inner, inner[0]) == (
        "a.json, 'v0', annotations[0]; 'v1', annotations[1]; 'v2', annotations[2] and 1 more: no text"
    )
    assert said("f/a.npy: broken", "f/b.npy: broken") == "f/a.npy and f/b.npy: broken"
    assert said("a.csv, line 1: broken", "b.csv, line 2: broken") == "a.csv, line 1 and b.csv, line 2: broken"


def test_faults_of_several_kinds_are_counted_and_each_is_said() -> None:
    lines = said("a, line 1: no x", "a, line 2: no y", "a, line 3: no x", "nothing at all").splitlines()
    assert lines == ["4 faults:", "  a, lines 1 and 3: no x", "  a, line 2: no y", "  nothing at all"]
    kinds = [f"a, line {n}: no {chr(97 + n)}" for n in range(20)] * 2
    assert said(*kinds).splitlines()[-1] == "  … and 20 more"
