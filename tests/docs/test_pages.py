"""What stands in README.md and docs/ besides commands: the first two blocks, links, names of modules, snippets."""

import re
from pathlib import Path

import pytest

from tests.docs.documents import PAGES, Document, simple_commands, use_of_the_demo_model
from tests.support import ROOT
from tests.support.command_line import run_prepare

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")
_PYTHON_FILE = re.compile(r"[\w-][\w./-]*\.py\b")


def page(name: str) -> Document:
    [found] = [document for document in PAGES if document.name == name]
    return found


def test_the_readme_begins_with_the_two_commands() -> None:
    """Continuous integration runs both as they stand there."""
    readme = page("README.md")
    first, second = readme.blocks("bash")[:2]
    assert "pip install" in first and "mcsan_jax.main --config=configs/demo.py" in first
    assert "pip install" in second and "-m pytest" in second
    assert readme.text.count("\n") <= 200
    assert readme.text[: readme.text.index(second)].count("\n") < 25


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_relative_links_lead_somewhere(document: Document) -> None:
    folder = (ROOT / document.name).parent
    targets = [link.partition("#")[0] for link in _LINK.findall(document.prose()) if "://" not in link]
    assert not [target for target in targets if target and not (folder / target).exists()]


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_named_modules_exist(document: Document) -> None:
    names = {name for span in document.spans() for name in _PYTHON_FILE.findall(span)}
    assert not [name for name in sorted(names) if not (ROOT / name).is_file()]


def rows_of(text: str) -> list[list[str]]:
    """Cells of the rows of a page's only table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_glossary_has_each_word_once_and_its_place() -> None:
    rows = rows_of(page("docs/glossary.md").text)
    assert len(rows) == 42
    words = [word for row in rows for word in row[0].split(", ")]
    assert len(set(words)) == len(words)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    for word, meaning, where in rows:
        assert meaning.endswith(".") and meaning.count(". ") == 0, word
        places = re.findall(r"`([^`]+)`", where)
        assert places and where == ", ".join(f"`{place}`" for place in places), word
        assert not [place for place in places if not (ROOT / place).exists()], word


def test_the_snippets_of_data_md_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = page("docs/data.md")
    # The third program is tried in tests/retrieval/test_demo_model.py.
    sources = [source for source in data.blocks("python") if source != use_of_the_demo_model()]
    make, read = (compile(source, data.name, "exec") for source in sources)
    commands = [words for script in data.blocks("bash") for words in simple_commands(script)]
    [arguments] = [words[3:] for words in commands if "--dataset=jsonl" in words]
    monkeypatch.chdir(tmp_path)
    exec(make, {})
    assert run_prepare(arguments) == 0
    capsys.readouterr()
    exec(read, {})
    said = capsys.readouterr().out
    assert said.count("{'features': (") == 3 and "two men play guitar [" in said
