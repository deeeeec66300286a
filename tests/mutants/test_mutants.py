import ast
import collections
import pathlib

import pytest

from tests.mutants.mutants import MUTANTS, Mutant
from tests.mutants.run import ERROR, KILLED, SURVIVED, judge
from tests.support import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_the_code_of_today_and_has_tests(mutant: Mutant) -> None:
    before = ast.dump(ast.parse((ROOT / mutant.file).read_text(encoding="utf-8")))
    assert ast.dump(ast.parse(mutant.mutated(ROOT))) != before
    assert mutant.file.startswith(("mcsan_jax/", "data_pipeline/"))
    assert mutant.tests
    for test in mutant.tests:
        assert (ROOT / "tests" / test).exists(), f"tests/{test} is gone; name its heir in tests/mutants"


def test_there_are_forty_two_of_different_names() -> None:
    names = collections.Counter(mutant.name for mutant in MUTANTS)
    assert len(names) == len(MUTANTS) >= 42


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> pathlib.Path:
    """A program of one line with a test."""
    (tmp_path / "half.py").write_text("def half(x):\n    return x / 2\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_half.py").write_text(
        "from half import half\n\ndef test_four():\n    assert half(4) == 2\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "outcome", "by"),
    [
        ("x / 2", "x / 3", KILLED, "tests/test_half.py::test_four"),
        ("x / 2", "x //", KILLED, "tests/test_half.py"),
        ("x / 2", "x - 2", SURVIVED, ""),
        ("x / 4", "x / 3", ERROR, "'x / 4' occurs 0 times in half.py, expected once"),
    ],
)
def test_what_becomes_of_a_mutant(
    repository: pathlib.Path, old: str, new: str, outcome: str, by: str
) -> None:
    before = (repository / "half.py").read_text()
    found = judge(repository, Mutant("wrong", "half.py", old, new, ("test_half.py",)))
    assert found.outcome == outcome
    assert by in found.by and (outcome != SURVIVED or not found.by)
    assert (repository / "half.py").read_text() == before


def test_a_hang_kills_and_nothing_selected_does_not(repository: pathlib.Path) -> None:
    endless = Mutant("endless", "half.py", "x / 2", "__import__('time').sleep(99)", ("test_half.py",))
    assert judge(repository, endless, seconds=3).by == "a hang: stopped after 3 s"
    deselected = judge(repository, endless, ["-k", "other"])
    assert (deselected.outcome, deselected.by) == (SURVIVED, "no related test is selected")
