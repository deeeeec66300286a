"""What the reading of queries is worth, on a few clips."""

import pathlib
import random

import pytest

from benchmarks.quality.typed_queries import FORMS, misspelt
from tests.benchmarks.programs import figures_of
from tests.benchmarks.small_comparison import rows_of


def test_a_slip_is_a_small_one() -> None:
    chance = random.Random(0)
    for _ in range(50):
        [word] = misspelt("triangle", chance).split()
        assert word[0] == "t" and 7 <= len(word) <= 9
        assert sorted(set(word)) == sorted(set("triangle")) or len(word) == 7
    assert misspelt("a red box", chance) == "a red box"


@pytest.mark.slow
def test_every_table_is_printed(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = figures_of("typed_queries", tmp_path, "--count=16", "--split=val")
    said = capsys.readouterr().out
    typed = rows_of(said, "a caption, typed")
    assert set(typed) == {"a caption, typed", *FORMS}
    # A request is left out, so that it is found like the caption itself.
    assert typed["show me …"][2:] == typed["as it is"][2:] == typed["as it is"][:2]
    assert float(typed["show me …"][0]) <= float(typed["show me …"][2])
    unwanted = rows_of(said, "first ten answers")
    assert all(float(row[2]) <= float(row[0]) for name, row in unwanted.items() if "box" in name)
    order = rows_of(said, "two clips joined")
    assert float(order["A then B"][2]) > 75
    moments = rows_of(said, "where a caption is true")
    assert float(moments["the moment"][1]) > float(moments["the whole video"][1])
    assert moments["the whole video"] == ["0.0", "50.0"]
    assert moments["the first half"] == ["50.0", "50.0"]
    assert figures["clips"] == 16 and figures["typed"].keys() == FORMS.keys()
    assert figures["moments"]["the first half"] == {"inside": 50.0, "IoU": 50.0}
    assert f"{figures['order']['A then B']['R@10']:.1f}" == order["A then B"][1]
