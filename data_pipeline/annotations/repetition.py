"""Captions that stand twice, in one file or in several, and longer videos that several splits share.

An old copy of a file beside the new one repeats most of it."""

import collections
import re
from collections.abc import Iterable, Mapping, Sequence

from data_pipeline.annotations.caption import Caption, Segment
from data_pipeline.errors import Faults, first_few

_COPY_SHARE = 0.5


def repetition_notes(captions: Sequence[Caption], places: Sequence[str]) -> list[str]:
    """Sentences about captions that repeat another one of the same video, but for case and punctuation.

    Args:
        captions: all captions.
        places: where each stands: the file, a comma and the place in it.

    Raises:
        InputError: at least half of a file's captions repeat those of another file: one is a copy of the other.
    """
    files = [place.rpartition(", ")[0] for place in places]
    sizes = collections.Counter(files)
    files_of: dict[str, set[str]] = {}
    first: dict[tuple[str, str], str] = {}
    repeats: dict[tuple[str, str], list[str]] = {}
    for caption, file, place in zip(captions, files, places, strict=True):
        files_of.setdefault(caption.video_id, set()).add(file)
        key = caption.video_id, " ".join(re.findall(r"\w+", caption.text.casefold()))
        if key in first:
            repeats.setdefault((first[key], file), []).append(place)
        elif key[1]:
            first[key] = file
    faults = Faults()
    for (one, other), repeated in repeats.items():
        if one != other and len(repeated) >= _COPY_SHARE * min(sizes[one], sizes[other]):
            faults.add(
                f"{other}: {len(repeated):,} of its {sizes[other]:,} captions are those of {one}, the first at "
                f"{repeated[0]}; if one is an old copy, keep it in another folder, otherwise remove what is repeated"
            )
    faults.check()
    notes = []
    if found := [place for repeated in repeats.values() for place in repeated]:
        notes.append(f"{len(found):,} captions repeat another one of the same video: {first_few(found)}")
    if shared := [video_id for video_id, its_files in files_of.items() if len(its_files) > 1]:
        notes.append(f"{len(shared):,} videos have captions in more than one file: {first_few(shared)}")
    return notes


def shared_videos(captions: Iterable[Caption], parts: Mapping[str, Segment]) -> list[str]:
    """A sentence about longer videos whose parts are in more than one split, if there are any."""
    splits_of: dict[str, set[str]] = {}
    for caption in captions:
        source = parts[caption.video_id].video_id if caption.video_id in parts else caption.video_id
        splits_of.setdefault(source, set()).add(caption.split)
    shared = [video_id for video_id, splits in splits_of.items() if len(splits) > 1]
    if not shared:
        return []
    return [f"{len(shared)} longer videos have parts in more than one split: {first_few(shared)}"]
