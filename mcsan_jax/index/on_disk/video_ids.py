"""This module checks the ids of videos that are to be added to an index or removed from it, and counts videos."""

import pathlib
from collections.abc import Collection, Sequence

from data_pipeline.errors import Faults, InputError, first_few, nearest_name, shown


def check_new_ids(folder: pathlib.Path, ids: Sequence[str], known: Collection[str]) -> None:
    """Checks ids of videos that are to be added to an index.

    Raises:
        InputError: there is none, or names every one that is empty, no text, given twice, or in the index already.
    """
    faults, seen, there = Faults(), set[str](), list[str]()
    if not ids:
        raise InputError("there are no videos to add")
    for video in ids:
        if not _is_text(video):
            faults.add(f"the id {shown(video)} is empty or no text; expected a text")
        elif video in known:
            there.append(video)
        elif video in seen:
            faults.add(f"video {shown(video)} is given twice")
        seen.add(video)
    if there:
        faults.add(
            f"{folder}: {len(there):,} of the {counted_videos(len(ids))} {'is' if len(there) == 1 else 'are'} in the "
            f"index already: {first_few(there)}; remove them first, or leave them out"
        )
    faults.check()


def check_known_ids(folder: pathlib.Path, ids: Collection[str], known: Collection[str]) -> None:
    """Checks ids of videos that are to be removed from an index.

    Raises:
        InputError: names every one that is not in the index.
    """
    faults = Faults()
    for video in sorted(set(ids) - set(known)):
        faults.add(
            f"{folder}: no video {shown(video)} in the index; {nearest_name(video, known)}`mcsan index list` shows them"
        )
    faults.check()


def counted_videos(count: int) -> str:
    """Returns a number of videos in words."""
    return "1 video" if count == 1 else f"{count:,} videos"


def _is_text(video: str) -> bool:
    """Returns whether UTF-8 can hold an id: a file's name may have bytes that are no text."""
    try:
        return bool(video.encode())
    except UnicodeEncodeError:
        return False
