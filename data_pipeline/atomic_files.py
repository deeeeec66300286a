"""Files that appear under their name whole: who reads meanwhile has the old one or the new one, never half of one."""

import contextlib
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the path of a file to be written, which takes the name `path` when the block ends.

    The file lies in the same folder, under a name that begins with a dot; it is removed where the block raises.

    Args:
        path: the name that the file gets; its folder must exist.
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
