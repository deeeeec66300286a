"""This module writes files that readers see whole, either old or new, and computes checksums of files."""

import contextlib
import hashlib
import pathlib
from collections.abc import Iterator


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
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text as UTF-8, in one step; its folder must exist."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
