"""This module links the files to play to the videos of an index."""

import pathlib
from collections.abc import Sequence

from data_pipeline.errors import InputError, first_few
from mcsan_jax.index.on_disk.video_ids import counted_videos

CLIP_ENDINGS = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif")
"""Endings of files to play; of several for one video, the first of these is linked."""


def find_clips(folder: pathlib.Path, ids: Sequence[str], index: pathlib.Path) -> dict[str, str]:
    """Returns the files ``<id>.mp4`` and the like of a folder by the id of the video.

    Args:
        folder: with the files.
        ids: of the videos.
        index: folder of the index; what lies in it is named from there, so that both can be moved together.

    Raises:
        InputError: there is no such folder, or it has no file of any of the videos.
    """
    if not folder.is_dir():
        raise InputError(f"--clips={folder}: no such folder; name the one with the files to play, <id>.mp4")
    found: dict[str, str] = {}
    wanted = set(ids)
    paths = sorted(path for path in folder.resolve().iterdir() if path.is_file())
    playable = [path for path in paths if path.suffix.lower() in CLIP_ENDINGS]
    for path in sorted(playable, key=lambda one: CLIP_ENDINGS.index(one.suffix.lower()), reverse=True):
        if path.stem in wanted:
            found[path.stem] = as_linked(path, index)
    if not found:
        raise InputError(
            f"--clips={folder}: no file of {counted_videos(len(ids))}; expected <id> with an ending "
            f"{', '.join(CLIP_ENDINGS)}, such as {ids[0]}.mp4, found {first_few([one.name for one in paths]) or '-'}"
        )
    return found


def as_linked(path: pathlib.Path, index: pathlib.Path) -> str:
    """Returns how an index names a file to play: one that lies in it from there, others by their absolute paths."""
    inside = path.is_relative_to(index.resolve())
    return path.relative_to(index.resolve()).as_posix() if inside else str(path)
