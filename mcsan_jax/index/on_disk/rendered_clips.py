"""This module knows which files to play were rendered into an index, and removes those that no video has.

``rendered.json`` names them, before they are written, so that what an interrupted command made is known. Other files in
the folder of clips are the user's, and stay.
"""

import json
import pathlib
from collections.abc import Collection, Iterable

from data_pipeline.host.files import write_text
from mcsan_jax.index.on_disk.index_description import CLIPS_NAME, RENDERED_NAME


def note_rendered(folder: pathlib.Path, names: Iterable[str]) -> None:
    """Notes names of files in the folder of clips of an index, which are about to be rendered."""
    _note(folder, {*_noted(folder), *names})


def remove_unused_clips(folder: pathlib.Path, used: Collection[str | None]) -> int:
    """Removes the rendered files that no video has, and nothing outside the folder of clips.

    Args:
        folder: of the index.
        used: the clips of the videos, relative to the index.

    Returns:
        How many files were removed.
    """
    noted = _noted(folder)
    unused = {name for name in noted if f"{CLIPS_NAME}/{name}" not in used}
    removed = 0
    for name in sorted(unused):
        path = folder / CLIPS_NAME / name
        if path.is_file() and path.resolve().parent == folder.resolve() / CLIPS_NAME:
            path.unlink()
            removed += 1
    if unused:
        _note(folder, noted - unused)
    return removed


def _noted(folder: pathlib.Path) -> set[str]:
    """Returns the noted names; none where nothing is noted, or the note is damaged, which only leaves files behind."""
    try:
        names = json.loads((folder / RENDERED_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    plain = names if isinstance(names, list) else []
    return {name for name in plain if isinstance(name, str) and pathlib.PurePath(name).name == name}


def _note(folder: pathlib.Path, names: Collection[str]) -> None:
    if names:
        write_text(folder / RENDERED_NAME, json.dumps(sorted(names)) + "\n")
    else:
        (folder / RENDERED_NAME).unlink(missing_ok=True)
