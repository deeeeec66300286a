"""Moments, which are sentences about parts of videos, and the two data sets that they make.

At the level `SENTENCE` each part of a video is a video of its own, named ``video_id@start-end``, with the sentences
about it; at the level `PARAGRAPH` a whole video has one caption, all its sentences joined in the source's order.
"""

import collections
import dataclasses
import fnmatch
import pathlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from data_pipeline.annotations.caption import (
    TEST,
    TRAIN,
    VALIDATION,
    Annotations,
    Caption,
    Segment,
    make_annotations,
)
from data_pipeline.annotations.msrvtt import carve_validation
from data_pipeline.annotations.reading import find_files
from data_pipeline.errors import Faults, InputError, first_few, shown

PARAGRAPH = "paragraph"
SENTENCE = "sentence"
LEVELS = (PARAGRAPH, SENTENCE)


@dataclasses.dataclass(frozen=True)
class Moment:
    """A sentence about a part of a video.

    Attributes:
        video_id: id of the whole video.
        split: one of the splits of `data_pipeline.annotations.caption`.
        text: the sentence.
        start, end: seconds as in the source; at the level `PARAGRAPH`, which does not need them, both are 0.
    """

    video_id: str
    split: str
    text: str
    start: float = 0.0
    end: float = 0.0


@dataclasses.dataclass(frozen=True)
class Collection:
    """What is known of a source beside its sentences.

    Attributes:
        name: the source, such as ``activitynet``.
        licence: the owner's terms in a sentence.
        citation: the publication to cite.
        homepage: where the source is published.
    """

    name: str
    licence: str
    citation: str
    homepage: str


class MomentReader:
    """Gathers the moments of a source, all faults in its files, and the keys that are not read."""

    def __init__(self, level: str) -> None:
        """Starts empty; ``level`` is one of `LEVELS`."""
        self.faults = Faults()
        self._moments: list[tuple[Moment, str]] = []
        self._level = level
        self._unread: collections.Counter[str] = collections.Counter()
        self._silent: list[str] = []
        self._split_of: dict[str, tuple[str, str]] = {}

    @property
    def needs_times(self) -> bool:
        """Whether the parts of the videos matter."""
        return self._level == SENTENCE

    def note_unread(self, record: object, known: Iterable[str]) -> None:
        """Remembers the keys of a record that are not ``known``."""
        if isinstance(record, dict):
            self._unread.update(key for key in record if key not in known)

    def note_silent(self, video_id: str) -> None:
        """Remembers a video about which the source says nothing."""
        self._silent.append(video_id)

    def add(self, moment: Moment, where: str) -> None:
        """Takes a moment that stands at ``where``.

        Raises:
            InputError: its video has no name, or is in another split, too.
        """
        if not moment.video_id.strip():
            raise InputError(f"{where}: the id of the video is blank; give the video's id")
        split, place = self._split_of.setdefault(moment.video_id, (moment.split, where))
        if split != moment.split:
            raise InputError(
                f"{where}: a video belongs to one split, found {shown(moment.video_id)} in split {moment.split!r} and "
                f"in split {split!r} ({place}); remove it from one"
            )
        self._moments.append((moment, where))

    def annotations(self, collection: Collection, protocol: str, notes: Iterable[str] = ()) -> Annotations:
        """The data set of all moments; where no split is for validation, training videos become one.

        Raises:
            InputError: there were faults, or no moment is left.
        """
        self.faults.check()
        moments = [moment for moment, _ in self._moments]
        lasting = [each for each in moments if not self.needs_times or each.end > max(each.start, 0.0)]
        held, held_out = hold_out({moment.video_id: moment.split for moment in lasting})
        split_of = {moment.video_id: moment.split for moment in moments} | held
        captions, segments = _captions(moments, split_of, self._level)
        unusable = {}
        if self.needs_times:
            # At this level each moment is a caption.
            for caption, (moment, where) in zip(captions, self._moments, strict=True):
                if moment.end <= max(moment.start, 0.0):
                    unusable[caption.caption_id] = (
                        f"{where}: expected a part that ends after its start, found {moment.start:g} s to "
                        f"{moment.end:g} s"
                    )
        return make_annotations(
            captions,
            **dataclasses.asdict(collection),
            protocol=protocol,
            notes=[*notes, *self._left_out(), *held_out],
            segments=segments,
            unusable=unusable,
        )

    def _left_out(self) -> Iterator[str]:
        if self._unread:
            yield f"keys that are not read: {first_few([repr(key) for key in self._unread])}"
        if self._silent:
            yield f"{len(self._silent)} videos have no sentence: {first_few(self._silent)}"


def split_files(paths: Sequence[pathlib.Path], patterns: Mapping[str, str]) -> list[tuple[pathlib.Path, str]]:
    """The files of a source, plain or gzip, each with the split that its name tells.

    Args:
        paths: the files, or the folder that holds them.
        patterns: split by the pattern of a name, without the ``.gz``, in the order in which they are read.

    Raises:
        InputError: there is no file, a name tells no split, or two tell the same.
    """
    file_of: dict[str, pathlib.Path] = {}
    for path in find_files(paths, list(patterns)):
        name = path.name.removesuffix(".gz")
        split = next((its for pattern, its in patterns.items() if fnmatch.fnmatchcase(name, pattern)), None)
        if split is None:
            raise InputError(
                f"{path}: the name tells the split; expected {' or '.join(patterns)} (or .gz), rename or omit it"
            )
        if split in file_of:
            raise InputError(
                f"{path}: a second file for split {split!r} beside {file_of[split]}; give one of them"
            )
        file_of[split] = path
    return [(file_of[split], split) for split in patterns.values() if split in file_of]


def hold_out(split_of: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Makes a validation split where a published protocol has none, the same one every time.

    A tenth of the training videos, at most 300, are chosen by a hash of their ids.

    Args:
        split_of: split of each video.

    Returns:
        The splits, with the chosen videos in `VALIDATION`, and a note about them if there are any.
    """
    training = [video_id for video_id, split in split_of.items() if split == TRAIN]
    if VALIDATION in split_of.values() or TEST not in split_of.values() or len(training) < 2:
        return dict(split_of), []
    chosen = carve_validation({each: each for each in training}, min(300, max(1, len(training) // 10)))
    note = f"there is no validation split: {len(chosen):,} of {len(training):,} training videos were made one"
    return {**split_of, **dict.fromkeys(chosen, VALIDATION)}, [note]


def _captions(
    moments: Sequence[Moment], split_of: Mapping[str, str], level: str
) -> tuple[list[Caption], dict[str, Segment]]:
    """Captions at a level, and which part of which video the videos with a part are."""
    if level == PARAGRAPH:
        sentences: dict[str, list[str]] = {}
        for moment in moments:
            sentences.setdefault(moment.video_id, []).append(moment.text)
        return [
            Caption(video_id, f"{video_id}#0", joined(texts), split_of[video_id])
            for video_id, texts in sentences.items()
        ], {}
    captions: list[Caption] = []
    segments: dict[str, Segment] = {}
    counts: collections.Counter[str] = collections.Counter()
    for moment in moments:
        # Published starts a little before 0 name the same frames.
        segment = Segment(moment.video_id, max(moment.start, 0.0), moment.end)
        part = f"{moment.video_id}@{_short(segment.start)}-{_short(segment.end)}"
        segments[part] = segment
        captions.append(Caption(part, f"{part}#{counts[part]}", moment.text, split_of[moment.video_id]))
        counts[part] += 1
    return captions, segments


def _short(seconds: float) -> str:
    """The shortest text that stands for no other number."""
    short = f"{seconds:g}"
    return short if float(short) == seconds else repr(seconds)


def joined(sentences: Iterable[str]) -> str:
    """A paragraph; a sentence that ends without a mark gets a full stop, lest it run into the next one."""
    kept = [sentence.strip() for sentence in sentences if sentence.strip()]
    ended = [sentence if sentence[-1] in ".!?\"')" else f"{sentence}." for sentence in kept[:-1]]
    return " ".join([*ended, *kept[-1:]])


def pair_of_seconds(value: object, where: str) -> tuple[float, float]:
    """Start and end in seconds from a list of two numbers.

    Raises:
        InputError: it is none.
    """
    pair = value if isinstance(value, list) else []
    # JSON's true would pass as a number; neither NaN nor a number too large for a float is below the maximum.
    numbers = [
        float(each)
        for each in pair
        if isinstance(each, int | float) and not isinstance(each, bool) and abs(each) <= sys.float_info.max
    ]
    if len(pair) != 2 or len(numbers) != 2:
        raise InputError(f"{where}: expected [start, end] in seconds, found {shown(value)}; correct it")
    return numbers[0], numbers[1]
