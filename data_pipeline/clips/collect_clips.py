"""This module finds clips in folders and gives each an id."""

import os
import pathlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from data_pipeline.errors import Faults, InputError, first_few

CLIP_ENDINGS = frozenset(
    ".3gp .avi .flv .gif .m4v .mkv .mov .mp4 .mpeg .mpg .mts .m2ts .ogv .ts .vob .webm .wmv".split()
)
"""Endings of the clips that are taken from a folder, in lower case."""


def collect_clips(paths: Sequence[str | pathlib.Path]) -> dict[str, pathlib.Path]:
    """Returns clips by their ids, sorted.

    A folder is walked with its folders, also through links; hidden files and those without an ending of a clip are
    left out. A file that is given itself is taken whatever its ending.

    The id is the name of the file without its ending. Where several would have the same, theirs is the path below the
    folder that was given, with "__" for "/"; where that does not tell them apart, such as a.mp4 and a.avi in one
    folder, the ending is kept, then the whole path is taken. Characters that lists of ids and HDF5 cannot hold (those
    that break lines, control characters, parts of broken encodings) become "_".

    Args:
        paths: folders and files.

    Raises:
        InputError: a path leads nowhere, or a folder holds no clip.
    """
    faults = Faults()
    found: dict[pathlib.Path, pathlib.Path] = {}
    for given in map(pathlib.Path, paths):
        with faults.gathered():
            for file in _clips_of(given):
                # A file that is given twice is one clip, also below a folder that is given as well.
                found.setdefault(file, file.parent if file == given.absolute() else given.absolute())
    faults.check()
    return dict(sorted(_by_id(found).items()))


def _clips_of(given: pathlib.Path) -> Iterator[pathlib.Path]:
    path = given.absolute()
    if path.is_dir():
        files = list(_walk(path))
        clips = [file for file in files if file.suffix.lower() in CLIP_ENDINGS]
        if not clips:
            names = first_few([file.name for file in files]) if files else "no file"
            raise InputError(
                f"{str(given)!r}: expected a folder with clips ({', '.join(sorted(CLIP_ENDINGS))}), found {names}"
            )
        yield from clips
    elif path.is_file():
        yield path
    else:
        raise InputError(f"{str(given)!r}: expected a clip or a folder of clips, found nothing there")


def _walk(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the files of a folder and of those in it, sorted; a folder that links lead to again comes once."""
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        status = pathlib.Path(place).stat()
        known = (status.st_dev, status.st_ino) in seen
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [] if known else sorted(name for name in folders if not name.startswith("."))
        if not known:
            inside = (pathlib.Path(place, name) for name in sorted(files) if not name.startswith("."))
            yield from (file for file in inside if file.is_file())


def _by_id(found: dict[pathlib.Path, pathlib.Path]) -> dict[str, pathlib.Path]:
    """Returns the files by the shortest id that tells each from all others; `found` has the folder of each."""
    forms = {file: _forms(file, folder) for file, folder in found.items()}
    level = dict.fromkeys(forms, 0)
    while True:
        ids = {file: forms[file][level[file]] for file in forms}
        count = Counter(ids.values())
        again = [file for file in forms if count[ids[file]] > 1 and level[file] + 1 < len(forms[file])]
        if not again:
            break
        for file in again:
            level[file] += 1
    by_id: dict[str, pathlib.Path] = {}
    # Paths that differ in characters that became "_" alone are numbered, after those that are written so.
    for file in sorted(ids, key=lambda one: (_usable(str(one)) != str(one), one)):
        meant = ids[file] if count[ids[file]] == 1 else forms[file][0]
        name, number = meant, 2
        while name in by_id:
            name, number = f"{meant}~{number}", number + 1
        by_id[name] = file
    return by_id


def _forms(file: pathlib.Path, folder: pathlib.Path) -> tuple[str, ...]:
    below = file.relative_to(folder)
    return tuple(
        _usable("__".join(parts))
        for parts in (
            (file.stem,),
            below.with_suffix("").parts,
            below.parts,
            file.parts[1:],
        )
    )


def _usable(name: str) -> str:
    """Returns a name without what a line or UTF-8 cannot hold."""
    return "".join("_" if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in name)
