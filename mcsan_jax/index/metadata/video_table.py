"""This module makes the table of the videos that are to be added to an index: ids, files to play, metadata, parts."""

import pathlib
from collections.abc import Mapping

import pyarrow as pa

from data_pipeline.errors import InputError, first_few
from data_pipeline.prepared_data import GivenVideos
from mcsan_jax.index.metadata.linked_clips import as_linked, find_clips
from mcsan_jax.index.metadata.metadata_table import PART_END, PART_OF, PART_START, aligned
from mcsan_jax.index.on_disk.segments import ID
from mcsan_jax.index.on_disk.video_ids import counted_videos


def video_table(given: GivenVideos, metadata: pa.Table | None, clips: Mapping[str, str]) -> pa.Table:
    """Returns ``id``, ``clip``, the columns of metadata and, where there are parts of longer videos, what they are of.

    Args:
        given: the videos.
        metadata: of some of them, or of the longer videos that they are parts of.
        clips: the file to play, by id.
    """
    table = aligned(metadata, given.ids, clips, given.whole)
    if not given.segments:
        return table
    parts = [given.segments.get(video) for video in given.ids]
    columns = {
        PART_OF: pa.array([one and one.video_id for one in parts], pa.string()),
        PART_START: pa.array([one and one.start for one in parts], pa.float64()),
        PART_END: pa.array([one and one.end for one in parts], pa.float64()),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


def link_clips(
    given: GivenVideos, folder: pathlib.Path | None, index: pathlib.Path
) -> tuple[dict[str, str], list[str]]:
    """Returns the file to play of each video, by id, and what is said of those that have none.

    Args:
        given: the videos.
        folder: with the files; None for those that the features name.
        index: folder of the index.

    Raises:
        InputError: the folder has no file of any of the videos.
    """
    if folder is not None:
        of_whole = find_clips(folder, list(dict.fromkeys(map(given.whole, given.ids))), index)
        found = {video: of_whole[of] for video in given.ids if (of := given.whole(video)) in of_whole}
        missing = [video for video in given.ids if video not in found]
        said = f"{len(missing):,} of {len(given.ids):,} videos have no clip: {first_few(missing)}"
        return found, [said] if missing else []
    paths = {video: pathlib.Path(path) for video, path in given.clips.items()}
    gone = sorted({str(path) for path in paths.values() if not path.is_file()})
    said = f"{len(gone):,} of the clips that the features name are gone: {first_few(gone)}; --clips=FOLDER links others"
    return {video: as_linked(path, index) for video, path in paths.items()}, [said] if gone else []


def without_metadata(
    metadata: pa.Table, given: GivenVideos, source: pathlib.Path | None, skip_unknown: bool
) -> list[str]:
    """Returns what is said of videos without metadata and of metadata without videos.

    Args:
        metadata: with a column of ids.
        given: the videos.
        source: file of the metadata, for messages.
        skip_unknown: whether metadata of videos without features are left out; else they are refused.

    Raises:
        InputError: there are metadata of videos without features, and they are not to be left out.
    """
    described, ids = metadata[ID].to_pylist(), given.ids
    known = {*ids, *map(given.whole, ids)}
    unknown = [one for one in described if one not in known]
    if unknown and (not skip_unknown or len(unknown) == len(described)):
        raise InputError(
            f"--metadata={source}: {len(unknown):,} of {len(described):,} videos have no features: "
            f"{first_few(unknown)}; the features are those of {first_few(list(ids))}. Leave these rows out"
            f"{'' if len(unknown) == len(described) else ', or give --skip_unknown'}"
        )
    lines = [
        f"left out the metadata of {counted_videos(len(unknown))} without features: {first_few(unknown)}"
    ]
    with_metadata = set(described)
    missing = sorted(one for one in ids if not {one, given.whole(one)} & with_metadata)
    without = [f"{len(missing):,} of {len(ids):,} videos have no metadata: {first_few(missing)}"]
    return (lines if unknown else []) + (without if missing else [])
