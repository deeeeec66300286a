"""Where annotation files lie: given one by one, in a folder, or beside others."""

import pathlib
from collections.abc import Sequence

from mcsan_jax.errors import InputError


def check_given(paths: Sequence[pathlib.Path]) -> None:
    """Refuses an empty list of paths and paths that do not exist.

    Raises:
        InputError: there is nothing at a path, or no path.
    """
    if not paths:
        raise InputError("no annotation files given; name the files or the folder that holds them")
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path of the annotations")


def find_files(paths: Sequence[pathlib.Path], patterns: Sequence[str]) -> list[pathlib.Path]:
    """The files given, and in place of a folder the files in it that match a pattern (or pattern + ``.gz``).

    Where a folder holds a file both plain and as gzip, the plain one is taken.

    Raises:
        InputError: no paths were given, one does not exist, or a folder has no such file.
    """
    check_given(paths)
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        matches = {match.name: match for pattern in patterns for match in path.glob(pattern)}
        packed = {match.name: match for pattern in patterns for match in path.glob(f"{pattern}.gz")}
        matches |= {name: match for name, match in packed.items() if name.removesuffix(".gz") not in matches}
        if not matches:
            raise InputError(
                f"{path}: no file named {' or '.join(patterns)} (or .gz) in this folder; put it there"
            )
        found += [matches[name] for name in sorted(matches)]
    return found


def look_beside(paths: Sequence[pathlib.Path], *names: str) -> pathlib.Path | None:
    """The first of the files ``names`` (or name + ``.gz``) in the folder of one of the paths, if there is any."""
    for folder in _folders(paths):
        for candidate in (folder / each for name in names for each in (name, f"{name}.gz")):
            if candidate.is_file():
                return candidate
    return None


def find_beside(paths: Sequence[pathlib.Path], *names: str) -> pathlib.Path:
    """Like `look_beside`, for a file that is needed.

    Raises:
        InputError: there is none.
    """
    found = look_beside(paths, *names)
    if found is None:
        raise InputError(
            f"{', '.join(map(str, _folders(paths)))}: no file {' or '.join(names)} (or .gz); put it beside the "
            "annotation files"
        )
    return found


def _folders(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
