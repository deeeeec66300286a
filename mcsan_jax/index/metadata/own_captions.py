"""This module makes a column of the captions with which a model's data were prepared."""

import collections
from collections.abc import Iterable

import pyarrow as pa

from data_pipeline.prepared_data import GivenVideos, StoredCaptions
from mcsan_jax.index.on_disk.segments import ID

CAPTIONS = "captions"
"""The column of captions."""

_LOOKED_AT, _EXAMPLES, _EXAMPLE_LENGTHS = 64, 4, range(12, 61)
"""So many videos are looked at for so many examples of so many characters."""


def example_queries(table: pa.Table) -> tuple[str, ...]:
    """Returns a few short captions of videos far apart in the table; none where it has no column of captions.

    Args:
        table: of the videos of an index.
    """
    if CAPTIONS not in table.column_names or not len(table):
        return ()
    rows = range(0, len(table), -(-len(table) // _LOOKED_AT))
    of_video = [table[CAPTIONS][row].as_py() for row in rows]
    lists = [[texts] if isinstance(texts, str) else texts or [] for texts in of_video]
    fitting = [next((text for text in texts if len(text) in _EXAMPLE_LENGTHS), None) for texts in lists]
    found = list(dict.fromkeys(text for text in fitting if text is not None))
    return tuple(found[:: max(1, len(found) // _EXAMPLES)][:_EXAMPLES])


def captions_table(captions: Iterable[StoredCaptions], given: GivenVideos) -> pa.Table | None:
    """Returns ids and captions of the videos that have any; None where no video has.

    Captions of a whole video are those of its parts, too. Those of a stretch of a longer video belong to it, or to
    each of its parts with which the stretch shares half of itself, or half of the part.

    Args:
        captions: of the prepared data.
        given: the videos.
    """
    ids = {*given.ids, *map(given.whole, given.ids)}
    of_video: dict[str, list[str]] = collections.defaultdict(list)
    of_stretch: dict[str, list[StoredCaptions]] = collections.defaultdict(list)
    for one in captions:
        if one.segment is not None and one.video not in ids:
            of_stretch[one.segment.video_id].append(one)
        else:
            of_video[one.video] += one.texts
    found = {}
    for video in given.ids:
        part, whole = given.segments.get(video), given.whole(video)
        texts = [*of_video.get(video, ()), *(of_video.get(whole, ()) if whole != video else ())]
        for one in of_stretch.get(whole, ()):
            if part is None or (
                one.segment and _share_half(part.start, part.end, one.segment.start, one.segment.end)
            ):
                texts += one.texts
        if texts:
            found[video] = list(dict.fromkeys(texts))
    if not found:
        return None
    column = pa.array(list(found.values()), pa.list_(pa.string()))
    return pa.table({ID: pa.array(list(found), pa.string()), CAPTIONS: column})


def _share_half(start: float, end: float, other_start: float, other_end: float) -> bool:
    shared = min(end, other_end) - max(start, other_start)
    return shared >= 0.5 * min(end - start, other_end - other_start)
