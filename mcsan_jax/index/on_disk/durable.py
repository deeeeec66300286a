"""This module brings files to the disk itself, so that a power cut loses nothing that a later file names."""

import concurrent.futures
import os
import pathlib

_AT_A_TIME = 8
"""Files that wait for the disk together: a file system with a journal writes it once for all of them."""


def sync(*paths: pathlib.Path) -> None:
    """Waits until files, and the names in folders, are on the disk.

    Args:
        paths: files or folders; a folder stands for the names in it, not for what its files hold.
    """
    with concurrent.futures.ThreadPoolExecutor(_AT_A_TIME) as together:
        list(together.map(_sync, paths))


def _sync(path: pathlib.Path) -> None:
    if os.name != "posix" and path.is_dir():
        # A folder can be opened on POSIX systems alone.
        return
    opened = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
