"""This module keeps the programs that XLA compiles, and their memory, and says what is being compiled."""

import contextlib
import ctypes
import hashlib
import os
import pathlib
import platform
import sys
import threading
from collections.abc import Iterator

import jax

_MOST_BYTES = 512 * 2**20
_PATIENCE_SECONDS = 2.0
"""Only a compilation that takes longer is spoken of."""
_LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"
_BEGINS = "/jax/compilation_cache/compile_requests_use_cache"
_ENDS = "/jax/core/compile/backend_compile_duration"
"""JAX tells these when it has lowered a program, before it looks for it among those kept, and when it has got it."""
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""These are the numbers of two options of glibc's malloc.h."""


def programs_folder() -> pathlib.Path:
    """Returns where compiled programs are kept: ``mcsan_jax`` in the user's cache, which `$XDG_CACHE_HOME` moves.

    Machines with other processors that share a home have folders of their own.
    """
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return home / "mcsan_jax" / "programs" / hashlib.sha256(processor().encode()).hexdigest()[:16]


def processor() -> str:
    """Returns what this machine's processor can do, as far as the system tells."""
    known = pathlib.Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.is_file() else []
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def keep_compiled_programs(folder: str = "") -> None:
    """Lets this process take the programs that earlier ones have compiled, and keep its own.

    A folder that JAX was told already stays, unless one is given. In the user's cache, what was not used for longest is
    removed when all take more than half a gigabyte; without a cache that can be written nothing is kept.

    Args:
        folder: where to keep them instead of `programs_folder`.
    """
    if folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        return
    if jax.config.values["jax_compilation_cache_dir"]:
        return
    usual = programs_folder()
    try:
        usual.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(usual, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(usual))
        jax.config.update("jax_compilation_cache_max_size", _MOST_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def keep_program_memory() -> None:
    """Lets the memory that a program on the host's processors has used stay with this process, for its next run.

    XLA allocates what a program needs there anew for each run. The GNU C library would give such a large piece back to
    the system afterwards, which clears each page of it again: up to a quarter of a training step. It keeps large pieces
    for the main thread only, so that programs run in the thread that calls them, and the call returns when they end.
    The process then holds the most that it ever held. Nothing changes on accelerators; without the GNU C library
    only the thread does. It is to be called before JAX uses a device.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        # No piece comes from elsewhere than the heap, and no end of the heap is given back.
        set_option(_MMAP_MAX, 0)
        set_option(_TRIM_THRESHOLD, -1)


@contextlib.contextmanager
def compiling_is_told() -> Iterator[None]:
    """Says on the standard error output, while the block runs, what is being compiled when that takes a while."""
    thread = threading.local()
    """What the thread has lowered last, and the clock of what it compiles."""

    def lowered(event: str, duration_secs: float, **about: str | int) -> None:
        if event == _LOWERED:
            thread.program = str(about.get("fun_name", ""))
        elif event == _ENDS and getattr(thread, "clock", None):
            thread.clock.cancel()

    def begins(event: str, **_: str | int) -> None:
        if event == _BEGINS and jax.process_index() == 0:
            thread.clock = threading.Timer(_PATIENCE_SECONDS, _say, [getattr(thread, "program", "")])
            thread.clock.daemon = True
            thread.clock.start()

    jax.monitoring.register_event_duration_secs_listener(lowered)
    jax.monitoring.register_event_listener(begins)
    try:
        yield
    finally:
        jax.monitoring.unregister_event_listener(begins)
        jax.monitoring.unregister_event_duration_listener(lowered)


def _say(program: str) -> None:
    name = program.removeprefix("jit(").removesuffix(")").replace("_", " ")
    print(f"compiling {name} …", file=sys.stderr, flush=True)
