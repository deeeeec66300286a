"""This module lets a command that searches once begin soon: most of its time would go into compiling and loading."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import jax

from mcsan_jax.retrieval.model import Mcsan

_MOST_BYTES = 512 * 2**20


def programs_folder() -> pathlib.Path:
    """Returns where compiled programs are kept: ``mcsan_jax`` in the user's cache, which `$XDG_CACHE_HOME` moves."""
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return home / "mcsan_jax" / "programs"


def keep_compiled_programs() -> None:
    """Lets this process take the programs that earlier ones have compiled, and keep its own.

    A folder that JAX was told already stays; without a folder that can be written nothing is kept. What was not used
    for longest is removed when all take more than half a gigabyte.
    """
    if jax.config.values["jax_compilation_cache_dir"]:
        return
    folder = programs_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", _MOST_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@contextlib.contextmanager
def parser_loading(model: Mcsan) -> Iterator[None]:
    """Loads what parses texts while the block runs; the block ends when it is loaded.

    It is meant for a command, which has its process for itself: while the parser loads, PyTorch counts as not
    installed. The parser would load it for nothing, in a second and 150 MB, wherever it is installed.

    Raises:
        InputError: the parser of the training is not installed.
    """
    absent = "torch" not in sys.modules
    if absent:
        cast(Any, sys.modules)["torch"] = None
    try:
        with ThreadPoolExecutor(1, "parser") as beside:
            loaded = beside.submit(lambda: model.parser.parse(["a"]))
            yield
            loaded.result()
    finally:
        if absent:
            sys.modules.pop("torch", None)
