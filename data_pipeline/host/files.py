"""This module writes files that readers see whole, either old or new, and computes checksums of files."""

import contextlib
import errno
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence

from data_pipeline.errors import InputError, first_few, nearest

_TRIED_BYTES = 2**14
"""More than a full disk takes."""


def sha256_of(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_problem(path: pathlib.Path, expected: str) -> str | None:
    """Returns what is wrong with a file that should have a SHA-256, hexadecimal; None where nothing is."""
    try:
        found = sha256_of(path)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    if found != expected:
        return f"{path}: was changed after it was written; its SHA-256 is {found}, expected {expected}"
    return None


def nearest_folder(folder: pathlib.Path, holding: str) -> str:
    """Returns what a message says of a misspelled folder: ``did you mean PATH? ``, or nothing where none is near.

    Args:
        folder: the path without the file. It may name a folder that holds the right one.
        holding: the name of a file in the folder that is meant.
    """
    beyond = pathlib.Path()
    while not folder.parent.is_dir():
        folder, beyond = folder.parent, folder.name / beyond
    try:
        if inside := sorted(str(path.parent) for path in folder.glob(f"*/{holding}")):
            return f"did you mean {'one of ' if len(inside) > 1 else ''}{first_few(inside)}? "
        siblings = [path for path in folder.parent.iterdir() if (path / beyond / holding).is_file()]
    except OSError:
        # What cannot be listed is not suggested.
        return ""
    near = nearest(folder.name, [path.name for path in siblings])
    return "" if near is None else f"did you mean {folder.with_name(near) / beyond}? "


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the path of a file to be written, which takes the name `path` when the block ends.

    The file lies in the same folder, under a name that begins with a dot; it is removed where the block raises.

    Args:
        path: the final name of the file; its folder must exist.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        # Python names no file where a disk is full.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text as UTF-8, in one step; its folder must exist."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def check_not_there(files: Sequence[pathlib.Path], flag: str) -> None:
    """Refuses files that are there already, because what is in them would be lost.

    Args:
        files: paths of the files that will be written.
        flag: with which other paths are named, for the message.

    Raises:
        InputError: some of them exist.
    """
    if found := [path for path in files if path.exists() or path.is_symlink()]:
        raise InputError(
            f"{'these files exist' if len(found) > 1 else 'this file exists'} already: {first_few(found)}; choose "
            f"another {flag}, or give --overwrite to replace what is there"
        )


def check_writable(folder: pathlib.Path, advice: str) -> None:
    """Tries whether files can be written into a folder, or whether it can be made, and leaves nothing behind.

    Programs call it before long work whose result they would not be able to write.

    Args:
        folder: where files will be written; it need not exist.
        advice: what to do where that is impossible, the end of the message.

    Raises:
        InputError: the folder cannot be made or written, or its disk is full.
    """
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    try:
        if not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(_TRIED_BYTES))
    except OSError as error:
        raise InputError(f"{folder}: nothing can be written there ({error.strerror}); {advice}") from error
