"""What XLA compiled is kept for the next start, its memory for the next run, and a long compilation is spoken of."""

import os
import pathlib
import platform
import subprocess
import sys

import pytest

from tests.support import ROOT

PROGRAM = """
import time
import jax
from mcsan_jax import compiled_programs

compiled_programs._PATIENCE_SECONDS = 0.0
compiled_programs.keep_compiled_programs({folder!r})

@jax.jit
def a_long_program(x):
    for _ in range(60):
        x = jax.numpy.sort(x @ x)
    return x

jax.jit(lambda x: x + 2).lower(1.0)
with compiled_programs.compiling_is_told():
    a_long_program(jax.numpy.ones((3, 3))).block_until_ready()
    a_long_program(jax.numpy.ones((3, 3))).block_until_ready()
a_long_program(jax.numpy.ones((4, 4))).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
"""


def started(cache: pathlib.Path, folder: str = "", **environment: str) -> tuple[str, str]:
    """The output of a process that compiles a program, and its errors."""
    own = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(folder=folder)],
        env={
            **own,
            "PYTHONPATH": str(ROOT),
            "JAX_PLATFORMS": "cpu",
            "XDG_CACHE_HOME": str(cache),
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr


def kept(folder: pathlib.Path) -> list[tuple[str, int]]:
    found = folder.rglob("jit_a_long_program-*-cache")
    return sorted((path.name, path.stat().st_mtime_ns) for path in found)


def test_the_next_start_takes_what_was_compiled_and_a_compilation_is_told_once(
    tmp_path: pathlib.Path,
) -> None:
    said, errors = started(tmp_path)
    assert pathlib.Path(said).parent == tmp_path / "mcsan_jax" / "programs"
    assert errors.count("compiling a long program …") == 1
    first = kept(tmp_path)
    assert len(first) == 2
    assert started(tmp_path)[0] == said and kept(tmp_path) == first


def test_a_folder_that_was_named_is_taken_instead(tmp_path: pathlib.Path) -> None:
    cache, own, of_jax = tmp_path / "cache", tmp_path / "own", tmp_path / "jax"
    of_the_environment = {"JAX_COMPILATION_CACHE_DIR": str(of_jax)}
    assert started(cache, **of_the_environment)[0] == str(of_jax)
    assert started(cache, str(own), **of_the_environment)[0] == str(own)
    assert not cache.exists()


def test_without_a_place_nothing_is_kept(tmp_path: pathlib.Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("a file")
    assert started(cache)[0] == "None"


MEMORY = """
import resource, sys
import jax
from mcsan_jax import compiled_programs

if sys.argv[1] == "kept":
    compiled_programs.keep_program_memory()

@jax.jit
def program(x):
    return x * 2.0

x = jax.numpy.ones((4096, 4096))

def run():
    program(x).block_until_ready()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(4):
    run()
before = faults()
for _ in range(20):
    run()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU C library alone has the options")
def test_a_program_uses_the_memory_of_its_last_run_again() -> None:
    def faults(how: str) -> int:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", MEMORY, how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    # A result may still be held when the next one is made, so that a second piece, or a third, is touched once. How
    # many pages a piece has depends on the system.
    assert 3 * faults("kept") < faults("returned")
