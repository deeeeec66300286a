"""Disks that are small, full or read-only: real ones, in memory, which only the process sees that is started there."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.support import ROOT

_NAMESPACE = ("unshare", "-rm", "sh", "-ec")
"""In a user namespace of its own a process may mount."""

FULL = 'dd if=/dev/zero of="$1/filling" bs=1k 2> "$1/../dd" || true'
READ_ONLY = 'mount -o remount,ro "$1"'
"""Commands of the shell that make the disk `$1` so."""


def python_on_a_disk(
    disk: pathlib.Path,
    size: str,
    arguments: Sequence[str],
    copied: Sequence[pathlib.Path] = (),
    then: str = "",
    folder: pathlib.Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs Python where a disk is mounted; where nothing can be mounted, the test is skipped.

    Args:
        disk: folder to be made, at which the disk is mounted.
        size: of the disk, such as ``2m``.
        arguments: of Python.
        copied: folders whose copies lie on the disk.
        then: a command of the shell before Python is started, such as `FULL` or `READ_ONLY`.
        folder: the working directory.
    """
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={size} tmpfs "$1"'
    if subprocess.run([*_NAMESPACE, mount, "sh", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("a disk cannot be mounted here")
    copies = " && ".join([mount, *(f'cp -r "{each}" "$1"' for each in copied)])
    return subprocess.run(
        [
            *_NAMESPACE,
            f'{copies}; {then or ":"}; shift; exec "$@"',
            "sh",
            str(disk),
            sys.executable,
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
