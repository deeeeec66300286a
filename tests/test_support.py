"""What tests rely on: dear ones are named, and a broken entry in the cache of compiled programs fails none."""

import os
import pathlib

import jax
import numpy as np
import pytest

from tests.support.compilation_cache import WARNINGS, cache_folder
from tests.support.made_once import made_once

pytest_plugins = ["pytester"]

BUSY = """
import pytest, time

def spend(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

@pytest.fixture(scope="session")
def for_all():
    spend(0.6)

@pytest.fixture
def for_one():
    spend(0.6)

def test_cheap(): pass
def test_of_the_session(for_all): pass
def test_dear(): spend(0.6)
def test_far_too_dear(): spend(2.1)
def test_dear_fixture(for_one): pass
@pytest.mark.slow
def test_marked(): spend(0.6)
"""


def test_a_dear_test_without_the_mark_is_named_and_fails_if_it_is_far_too_dear(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(BUSY)
    pytester.makeini("[pytest]\nmarkers = slow: dear\nprocessor_seconds = 0.5")
    done = pytester.runpytest_inprocess("-p", "tests.support.processor_time", "-p", "no:xdist", "-q")
    done.assert_outcomes(passed=5, failed=1)
    for name in ("test_dear", "test_dear_fixture", "test_far_too_dear"):
        done.stdout.fnmatch_lines(
            f"*::{name} took [0-9.]* processor seconds; without the mark 'slow', 0.5 are*"
        )
    done.stdout.no_fnmatch_line("*::test_cheap took*")
    done.stdout.no_fnmatch_line("*::test_marked took*")
    done.stdout.fnmatch_lines("FAILED *::test_far_too_dear*")


def _doubled(values: np.ndarray) -> np.ndarray:
    # Another function each time, so that JAX looks into the folder and not into its memory.
    def half_written_entry(x: jax.Array) -> jax.Array:
        return x * np.float32(2.25)

    return np.asarray(jax.jit(half_written_entry)(values))


def test_a_broken_entry_of_the_cache_fails_no_test() -> None:
    values = np.arange(3, dtype=np.float32)
    expected = _doubled(values)
    entries = list(cache_folder().glob("jit_half_written_entry-*-cache"))
    assert entries
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:40])
    try:
        with pytest.warns(UserWarning, match=WARNINGS[0]):
            again = _doubled(values)
        # As in any other test: warnings are errors, but this one is not.
        np.testing.assert_array_equal(_doubled(values), again)
        np.testing.assert_array_equal(again, expected)
    finally:
        for entry in entries:
            entry.unlink()


def test_a_dear_folder_is_made_once(tmp_path_factory: pytest.TempPathFactory, tmp_path: pathlib.Path) -> None:
    made: list[pathlib.Path] = []

    def make(folder: pathlib.Path) -> None:
        folder.mkdir()
        made.append(folder)

    name = f"made_once_{tmp_path.name}_{os.getpid()}"
    folders = [made_once(tmp_path_factory, name, make) for _ in range(2)]
    assert folders == made * 2


def test_a_folder_that_could_not_be_made_is_tried_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    def fail(folder: pathlib.Path) -> None:
        raise OSError("disk full")

    name = f"made_in_vain_{os.getpid()}"
    with pytest.raises(OSError, match="disk full"):
        made_once(tmp_path_factory, name, fail)
    assert made_once(tmp_path_factory, name, pathlib.Path.mkdir).is_dir()
