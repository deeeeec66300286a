"""Tables of the documents are those that the figures in `benchmarks/results/` make."""

import json
import pathlib
import re

import pytest

from benchmarks import document_tables
from benchmarks.document_tables import DOCUMENTS, MAKERS, RESULTS, ROOT, row_table, with_tables, write_tables
from data_pipeline.errors import InputError

PATHS = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
MARK = re.compile(r"^<!-- table: (\w+) ([\w.]+) -->$", re.MULTILINE)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_tables_are_those_of_the_figures(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert with_tables(text) == text, "make them anew with: python -m benchmarks tables"


def test_all_figures_are_shown() -> None:
    marks = [mark for path in PATHS for mark in MARK.findall(path.read_text(encoding="utf-8"))]
    assert {name for name, _ in marks} == {path.stem for path in RESULTS.glob("*.json")}
    assert set(MAKERS) <= {maker.partition(".")[0] for _, maker in marks}


@pytest.fixture
def results(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(document_tables, "ROOT", tmp_path)
    monkeypatch.setattr(document_tables, "RESULTS", tmp_path)
    figures = {"steps": [{"what": "scores", "seconds": {"ours": 0.5, "peer": 1234.6}, "videos": 1000}]}
    content = {"date": "2026-03-04", "commit": "abc", "figures": {"speed": figures}}
    (tmp_path / "made.json").write_text(json.dumps(content))
    return tmp_path


TABLE = """\
Above.

<!-- table: made speed.steps -->
Measured on 4 March 2026 (abc).

| what   | seconds ours | seconds peer | videos |
|--------|--------------|--------------|--------|
| scores | 0.5          | 1,235        | 1,000  |

Below.
"""


def test_a_table_is_made_below_its_mark_and_once(results: pathlib.Path) -> None:
    new = re.sub(r"Measured.*\|\n", "", TABLE, flags=re.DOTALL)
    assert new != TABLE and with_tables(new) == TABLE and with_tables(TABLE) == TABLE
    assert with_tables(TABLE.replace("0.5", "0.7")) == TABLE


def test_documents_are_written(results: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (results / "README.md").write_text(TABLE.replace("1,235", "1,236"))
    write_tables()
    assert (results / "README.md").read_text() == TABLE
    assert capsys.readouterr().out == "written to README.md\n"
    write_tables()
    assert capsys.readouterr().out == ""


def test_figures_that_are_missing_are_named(results: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"other\.json is missing; write it with --json"):
        with_tables("<!-- table: other rows -->\n")


def test_rows_may_have_names_and_lack_columns() -> None:
    assert row_table({"three_levels": {"ms": 2.0}, "peer": {"bytes": 7}}) == [
        ["", "ms", "bytes"],
        ["three levels", "2", ""],
        ["peer", "", "7"],
    ]
