import ast
import pathlib

import pytest

from data_pipeline.host.files import replacing, write_text
from tests.support import ROOT

PROGRAMS = [
    path for room in ("data_pipeline", "mcsan_jax", "benchmarks") for path in (ROOT / room).rglob("*.py")
]
FOLDERS = ("prepare_folder.py", "model_folder.py", "index_folder.py", "write_segment.py")
"""Modules that put whole folders into their place, which is another thing."""


def test_what_fails_leaves_the_older_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a file.txt"
    write_text(path, "é\n")
    with pytest.raises(OSError, match="full"), replacing(path) as partial:
        partial.write_text("half")
        assert path.read_bytes() == "é\n".encode()
        raise OSError("the disk is full")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ["é\n".encode()]


def test_what_a_killed_process_left_is_written_over(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "figures.json"
    with replacing(path) as partial:
        pass_over = partial
        partial.write_text("{}")
    pass_over.write_text("of another process, half")
    write_text(path, "[]")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("figures.json", "[]")]


def test_no_other_module_puts_files_into_their_place() -> None:
    """A call of `replace` with one argument, which no text has: that of a path."""
    found = {
        path.name
        for path in PROGRAMS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("replace", "rename")
        and ast.unparse(node.func.value) != "dataclasses"
        and len(node.args) + len(node.keywords) == 1
    }
    assert found == {"files.py", *FOLDERS}
