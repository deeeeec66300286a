"""Every library that the project imports is one that pyproject.toml declares for the place that imports it."""

import ast
import functools
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import ROOT

EXTRAS = {
    "mcsan_jax": ("hub", "serve", "milvus"),
    "data_pipeline": ("beam", "video"),
    "configs": (),
    "benchmarks": ("bench", "mteb", "video"),
    "tests": ("test", "beam"),
}
"""For each folder, the optional dependencies that its files may import beside the ordinary ones."""


@functools.cache
def distributions() -> dict[str, set[str]]:
    """For each importable top-level module, the normalised names of the distributions that install it."""
    installed = {
        module: {canonicalize_name(name) for name in names}
        for module, names in metadata.packages_distributions().items()
    }
    # The tests do without Beam.
    return {"apache_beam": {canonicalize_name("apache-beam")}, **installed}


@functools.cache
def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


@functools.cache
def declared(extras: tuple[str, ...]) -> frozenset[str]:
    """Normalised names of the dependencies and of those of some extras; an extra may name another one."""
    lines = [*project()["dependencies"]]
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    names: set[str] = set()
    for requirement in map(Requirement, lines):
        if requirement.name == project()["name"]:
            names |= declared(tuple(sorted(requirement.extras)))
        else:
            names.add(canonicalize_name(requirement.name))
    return frozenset(names)


def imported(source: str) -> Iterator[str]:
    """Top-level modules that a program imports anywhere, also through `importlib`."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names = [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
        yield from (name.partition(".")[0] for name in names)


def undeclared(source: str, extras: tuple[str, ...]) -> set[str]:
    """Modules that a program imports and that no declared dependency installs."""
    others = set(imported(source)) - sys.stdlib_module_names - set(EXTRAS)
    return {name for name in others if not distributions().get(name, {name}) & declared(extras)}


@pytest.mark.parametrize("folder", EXTRAS)
def test_what_is_imported_is_declared(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    missing = [
        f"{path.relative_to(ROOT)} imports {name}, which pyproject.toml does not declare for {folder}/"
        for path in files
        for name in sorted(undeclared(path.read_text(encoding="utf-8"), EXTRAS[folder]))
    ]
    assert not missing


@pytest.mark.parametrize(
    ("source", "extras", "found"),
    [
        ("import os, numpy.linalg", (), set()),
        ("def f():\n    from pytest import fixture", (), {"pytest"}),
        ("from pytest import fixture", ("test",), set()),
        ("import torch", (), {"torch"}),
        # The extra "test" contains "bench".
        ("import torch", ("test",), set()),
        ("importlib.import_module('apache_beam.io')", (), {"apache_beam"}),
        ("import apache_beam", ("beam",), set()),
        ("import no_such_library", ("test",), {"no_such_library"}),
    ],
)
def test_an_undeclared_import_is_found(source: str, extras: tuple[str, ...], found: set[str]) -> None:
    assert undeclared(source, extras) == found
