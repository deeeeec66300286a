"""Posters and film strips of clips lie in a folder beside their features, under names that this module makes."""

import hashlib
import pathlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from data_pipeline.host.files import replacing

if TYPE_CHECKING:
    # Who only looks for pictures needs no decoder.
    from data_pipeline.clips.passing_pictures import PassingPictures

POSTER, STRIP = ".poster.jpg", ".strip.jpg"
_MOST_BYTES = 200
"""A longer id is cut off, because file systems take names of 255 bytes."""


def pictures_folder(features: pathlib.Path) -> pathlib.Path:
    """Returns the folder of the pictures of a features file."""
    return features.with_name(f"{features.stem}.pictures")


def picture_file(folder: pathlib.Path, video_id: str, kind: str) -> pathlib.Path:
    """Returns the path of a clip's poster or film strip.

    Args:
        folder: of the pictures.
        video_id: of the clip.
        kind: `POSTER` or `STRIP`.
    """
    name = video_id.encode()
    if len(name) > _MOST_BYTES:
        digest = hashlib.sha256(name).hexdigest()[:16]
        return folder / f"{name[:_MOST_BYTES].decode(errors='ignore')}~{digest}{kind}"
    return folder / f"{video_id}{kind}"


def write_pictures(passed: "PassingPictures", video_id: str, folder: pathlib.Path) -> None:
    """Writes the poster and the film strip of a clip that has passed.

    Raises:
        OSError: the files cannot be written.
    """
    for kind, made in ((POSTER, passed.poster()), (STRIP, passed.film_strip())):
        with replacing(picture_file(folder, video_id, kind)) as partial:
            partial.write_bytes(made)


def remove_others(folder: pathlib.Path, ids: Collection[str]) -> None:
    """Removes the pictures of all but some clips."""
    kept = {picture_file(folder, video_id, kind) for video_id in ids for kind in (POSTER, STRIP)}
    for kind in (POSTER, STRIP):
        for path in folder.glob(f"*{kind}"):
            if path not in kept:
                path.unlink()
