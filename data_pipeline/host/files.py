"""Checksums of files."""

import hashlib
import pathlib


def sha256_of(path: pathlib.Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
