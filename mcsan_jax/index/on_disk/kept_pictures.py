"""This module keeps posters and film strips of videos in an index, where the extraction of their features made them.

A file is called after a hash of the video's id, which may have any characters.
"""

import hashlib
import pathlib
import shutil
from collections.abc import Collection, Mapping
from typing import Literal

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from mcsan_jax.extraction.clip_picture_files import POSTER, STRIP, picture_file, pictures_folder
from mcsan_jax.index.on_disk.index_description import PICTURES_NAME

Kind = Literal["poster", "strip"]
KINDS: Mapping[Kind, str] = {"poster": POSTER, "strip": STRIP}
"""The ends of the names of the files that the extraction makes, by kind."""


def kept_picture(folder: pathlib.Path, video: str, kind: Kind) -> pathlib.Path:
    """Returns where an index keeps a picture of a video, whether it is there or not."""
    return folder / PICTURES_NAME / f"{_stem(video)}{KINDS[kind]}"


def extracted_pictures(features: pathlib.Path, video: str) -> dict[Kind, pathlib.Path]:
    """Returns the pictures of a video that lie beside a features file, by kind."""
    folder = pictures_folder(features)
    found = {kind: picture_file(folder, video, ending) for kind, ending in KINDS.items()}
    return {kind: path for kind, path in found.items() if path.is_file()}


def keep_pictures(folder: pathlib.Path, pictures: Mapping[str, Mapping[Kind, pathlib.Path]]) -> None:
    """Copies pictures into an index.

    Args:
        folder: of the index.
        pictures: files by kind, by the id of the video.

    Raises:
        InputError: one cannot be copied.
    """
    for video, files in pictures.items():
        for kind, file in files.items():
            kept = kept_picture(folder, video, kind)
            kept.parent.mkdir(exist_ok=True)
            try:
                with replacing(kept) as partial:
                    shutil.copyfile(file, partial)
            except OSError as error:
                raise InputError(f"{file}: cannot be copied to {kept.parent} ({error.strerror})") from error


def remove_unused_pictures(folder: pathlib.Path, ids: Collection[str]) -> None:
    """Removes the pictures of no video among the ids."""
    used = {_stem(video) for video in ids}
    for path in (folder / PICTURES_NAME).glob("*.jpg"):
        if path.name.partition(".")[0] not in used:
            path.unlink()


def _stem(video: str) -> str:
    return hashlib.sha256(video.encode()).hexdigest()[:32]
