"""Checksums of files."""

import hashlib
import pathlib


def sha256_of(path: pathlib.Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_problem(path: pathlib.Path, expected: str) -> str | None:
    """What is wrong with a file that should have a SHA-256, hexadecimal; None where it has that one."""
    try:
        found = sha256_of(path)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    if found != expected:
        return f"{path}: was changed after it was written; its SHA-256 is {found}, expected {expected}"
    return None
