"""Programs that XLA compiled, kept between sessions: most of a test's time is compiling.

One folder of a user serves all workers and all programs that tests start, for one jaxlib, one set of XLA flags and one
kind of processor. Entries that no session has read for a week are removed. An entry that cannot be read, because a
program was killed while it wrote it, is compiled again; JAX warns of it, and the warning fails no test.
"""

import hashlib
import os
import pathlib
import time
from importlib import metadata

import jax

from mcsan_jax.compiled_programs import processor

WARNINGS = (
    "Error reading persistent compilation cache entry",
    "Error writing persistent compilation cache entry",
)
"""How JAX's warnings of broken entries begin."""

_UNREAD_SECONDS = 7 * 24 * 3600


def cache_folder() -> pathlib.Path:
    """Where this session's compiled programs are; `$XDG_CACHE_HOME` moves it."""
    key = "\n".join(
        [jax.__version__, metadata.version("jaxlib"), os.environ.get("XLA_FLAGS", ""), processor()]
    )
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return home / "mcsan_jax_tests" / hashlib.sha256(key.encode()).hexdigest()[:16]


def use_compilation_cache() -> None:
    """Lets this process and all that it starts read and write the folder."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONWARNINGS"] = ",".join(f"ignore:{message}" for message in WARNINGS)
    for name, value in (
        ("jax_compilation_cache_dir", str(folder)),
        ("jax_persistent_cache_min_compile_time_secs", 0),
        ("jax_persistent_cache_min_entry_size_bytes", -1),
    ):
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)


def remove_unread_entries() -> None:
    """Forgets what no session has read for a week, of any jaxlib and flags."""
    oldest = time.time() - _UNREAD_SECONDS
    for entry in cache_folder().parent.glob("*/*"):
        if entry.stat().st_atime < oldest:
            entry.unlink(missing_ok=True)
