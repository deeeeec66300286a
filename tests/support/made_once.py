"""Folders that are dear to make: once in a session, whichever worker needs it first."""

import os
import pathlib
from collections.abc import Callable

import filelock
import pytest


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[pathlib.Path], object]
) -> pathlib.Path:
    """A folder that all workers share, and that no test changes.

    Args:
        factory: of the session's temporary folders.
        name: of the folder.
        make: is given the path, where nothing is yet, and makes the folder; other workers wait meanwhile.
    """
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    done = folder.with_suffix(".made")
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
