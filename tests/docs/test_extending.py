"""The changes that docs/extending.md shows can be applied, and do what the lines below them say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import PAGES, Document
from tests.support import ROOT

[PAGE] = [document for document in PAGES if document.name == "docs/extending.md"]
SECTIONS = {
    text.partition("\n")[0]: Document(PAGE.name, text)
    for text in re.split(r"^## ", PAGE.text, flags=re.MULTILINE)[1:]
}


def run(program: str, sources: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program with the packages of `sources`; the tests are those of the checkout."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=sources,
        env={**os.environ, "PYTHONPATH": f"{sources}{os.pathsep}{ROOT}", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_works(section: str, tmp_path: Path) -> None:
    [change], [program] = (SECTIONS[section].blocks(language) for language in ("diff", "python"))
    for package in ("data_pipeline", "mcsan_jax"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    before = run(program, tmp_path)
    assert before.returncode == 1 and "Error" in before.stderr, "the lines hold without the change"
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=change, text=True, check=True)
    after = run(program, tmp_path)
    assert after.returncode == 0, after.stderr


def test_each_part_has_an_example() -> None:
    assert list(SECTIONS) == ["A level", "A loss", "A data source", "A frame encoder", "A metric"]
