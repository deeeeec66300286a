import sys

import pytest

from data_pipeline.host import progress_bar as progress
from data_pipeline.host.progress_bar import track


def test_one_plain_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(range(5000), 5000, "counting", "numbers")) == list(range(5000))
    assert capsys.readouterr().err == "counting: 5000 numbers in 0 s\n"


def test_long_work_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert list(track("ab", 2, "reading", "letters")) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("reading: 1 of 2 letters, ") and lines[0].endswith("s left")
    assert len(lines) == 3


def test_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(track("abc", 3, "reading", "letters")) == ["a", "b", "c"]
    shown = capsys.readouterr().err
    assert "reading: 100%" in shown and "3/3" in shown


@pytest.mark.parametrize("terminal", [False, True])
def test_more_may_be_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    seen: list[str] = []
    for letter in track("abc", 3, "reading", "letters", lambda: f"{len(seen)} seen"):
        seen.append(letter)
    said = capsys.readouterr().err
    # In the end the caller says it.
    assert "1 seen" in said and "seen" not in said.splitlines()[-1]


@pytest.mark.parametrize("terminal", [False, True])
def test_steps_on_the_way_count_for_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert list(track([0, 1, 0, 1], 2, "reading", "letters", weight=int)) == [0, 1, 0, 1]
    shown = capsys.readouterr().err
    assert ("2/2" if terminal else "reading: 0 of 2 letters, 0/s, the first one is not done\n") in shown
    assert terminal or shown.splitlines()[-1].startswith("reading: 2 letters in ")
