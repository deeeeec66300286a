"""This module knows what the last command left: an end, or finished segments that the same command takes up."""

import pathlib
import shutil

from mcsan_jax.index.on_disk.index_description import COMMAND_NAME, SEGMENTS_NAME, IndexDescription
from mcsan_jax.index.on_disk.index_files import read_command
from mcsan_jax.index.on_disk.segments import segment_folder, segment_problems


def is_finished(folder: pathlib.Path, description: IndexDescription, digest: str) -> bool:
    """Returns whether the last command that changed an index was the one of this digest, and has ended."""
    command = read_command(folder) if digest and description.checksum else None
    return (
        command is not None
        and command.digest == digest
        and command.result.signed().checksum == description.checksum
    )


def take_up(
    folder: pathlib.Path, now: IndexDescription, digest: str
) -> tuple[IndexDescription | None, str | None]:
    """Takes up what an interrupted command has finished, or removes it where another command was interrupted.

    Args:
        folder: of the index.
        now: its description.
        digest: of the command that wants to go on; empty for one that never does.

    Returns:
        The description with the finished segments, or None where there are none, and what the user should know.
    """
    command = read_command(folder)
    if command is not None and command.result.commits != now.commits + 1:
        command = None
    if command is not None and digest == command.digest:
        result = command.result
        new = [stored for stored in result.segments if stored.number >= now.next_segment]
        if not any(segment_problems(folder, one, result.arrays, result.fingerprint) for one in new):
            return result, "continued where the same command was interrupted"
    note = None
    if command is not None and command.result.next_segment > now.next_segment:
        note = f"removed what an interrupted command had finished ({command.words})"
    (folder / COMMAND_NAME).unlink(missing_ok=True)
    remove_unused(folder, now)
    return None, note


def remove_unused(folder: pathlib.Path, description: IndexDescription) -> None:
    """Removes the folders of segments that a description does not have."""
    used = {segment_folder(folder, stored.number) for stored in description.segments}
    place = folder / SEGMENTS_NAME
    for path in place.iterdir() if place.is_dir() else ():
        if path not in used:
            shutil.rmtree(path, ignore_errors=True)
