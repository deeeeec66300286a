"""This module lets the process keep memory that it frees, instead of giving it back to the system and asking again."""

import ctypes
import sys

# The numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Lets this process keep the memory that it frees, whatever its size, for what it allocates next.

    XLA allocates what a program needs on a processor anew for each run. By default the GNU C library gives such a large
    piece back to the system afterwards, which clears each page of it when it is touched again; that is up to a quarter
    of a training step. The process then holds the most that it ever held. Elsewhere than with the GNU C library
    nothing happens. It is to be called before threads allocate, because each of them may have an arena of its own.
    """
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return
    # One arena, because only the first one grows beyond 64 MB; nothing outside it; and no end of it given back.
    for option, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
        set_option(option, value)
