"""This module writes the embedded data set as a user's own would lie there: files to play, and a file of captions."""

import json
import pathlib
import re
from collections.abc import Iterator

from data_pipeline.clips.render_clips import render_clips
from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, write_text
from data_pipeline.host.progress_bar import track_if
from data_pipeline.moving_shapes.dataset import FRAMES_PER_SECOND, Clip, clips, split_sizes
from data_pipeline.moving_shapes.scene import Scene

CAPTIONS_NAME = "captions.jsonl"

_RENDERED = re.compile(r"(train|val|test)_\d{5}\.mp4")


def check_clips_folder(folder: pathlib.Path, overwrite: bool = False) -> None:
    """Refuses, before long work, a folder to which no clips can or should be written.

    Raises:
        InputError: it is a file, holds something else, or clips that are not to be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--render_clips={folder}: expected a folder, found a file; name a new path")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / CAPTIONS_NAME).is_file():
            raise InputError(
                f"--render_clips={folder}: exists already and holds no {CAPTIONS_NAME}; choose another"
            )
        if not overwrite:
            raise InputError(
                f"--render_clips={folder}: exists already; choose another, or give --overwrite to replace it"
            )
    check_writable(folder.parent, "choose another --render_clips")


def render_moving_shapes(folder: pathlib.Path, share: float = 1.0, overwrite: bool = False) -> int:
    """Writes the clips of all splits, FOLDER/ID.mp4, and their captions, FOLDER/captions.jsonl.

    A line of the captions is ``{"video_id": …, "caption": …, "split": …}``, as ``--dataset=jsonl`` reads it. The file
    is written last: where it is, all clips are. The bytes are the same each time.

    Args:
        folder: is made where it is missing.
        share: the part of the usual number of clips; each split has at least one.
        overwrite: whether clips that were written before are replaced, and removed where they are not made again.

    Returns:
        How many clips there are.

    Raises:
        InputError: see `check_clips_folder`, or the clips cannot be written.
    """
    check_clips_folder(folder, overwrite)
    sizes = split_sizes(share)
    total = sum(sizes.values())
    lines: list[str] = []
    made: set[str] = set()
    try:
        (folder / CAPTIONS_NAME).unlink(missing_ok=True)
        for clip in track_if(None, _all_clips(sizes), total, "rendering clips", "clips"):
            render_clips({clip.video_id: clip.images}, folder, FRAMES_PER_SECOND)
            made.add(f"{clip.video_id}.mp4")
            split = clip.video_id.partition("_")[0]
            lines += [
                json.dumps({"video_id": clip.video_id, "caption": text, "split": split})
                for text in clip.captions
            ]
        for path in folder.iterdir():
            if _RENDERED.fullmatch(path.name) and path.name not in made:
                path.unlink()
        write_text(folder / CAPTIONS_NAME, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise InputError(f"{folder}: no clips can be written here: {error.strerror or error}") from error
    return total


def _all_clips(sizes: dict[str, int]) -> Iterator[Clip[Scene]]:
    for split, count in sizes.items():
        yield from clips(split, count, seed=0)
