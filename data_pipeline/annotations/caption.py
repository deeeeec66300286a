"""What every annotation reader yields, captions of videos, and a video with all that is said about it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from data_pipeline.errors import Faults, InputError, shown
from data_pipeline.graphs.graph import ROLES, SemanticGraph

TRAIN = "train"
VALIDATION = "val"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)
_OTHER_NAMES = {
    "training": TRAIN,
    **dict.fromkeys(("valid", "validate", "validation", "dev", "development"), VALIDATION),
    "testing": TEST,
}
ENGLISH = "en"


def split_meant(name: str) -> str | None:
    """Returns the split that a name such as ``Train``, ``validation`` or ``dev`` means beyond doubt, if any."""
    key = name.strip().lower()
    return key if key in SPLITS else _OTHER_NAMES.get(key)


@dataclasses.dataclass(frozen=True)
class Caption:
    """One sentence about one video.

    Attributes:
        video_id: id of the video, as in its source.
        caption_id: unique among all captions of the source.
        text: the sentence as written, without white space at its ends.
        split: one of `SPLITS`.
        language: of the text, as an ISO 639-1 code; only English captions are parsed.
    """

    video_id: str
    caption_id: str
    text: str
    split: str
    language: str = ENGLISH


@dataclasses.dataclass(frozen=True)
class Segment:
    """The part of a longer video that a clip is cut from.

    Attributes:
        video_id: id of the longer video, under which its features lie.
        start, end: seconds; ``start`` < ``end``.
    """

    video_id: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Foil:
    """A caption that is false of its video and differs from a true one in a single point.

    Attributes:
        kind: what was changed to make it false.
        caption_index: which of the video's captions it was made from, in their order.
        text: the false caption.
    """

    kind: str
    caption_index: int
    text: str


@dataclasses.dataclass(frozen=True)
class Annotations:
    """Captions of one source under one protocol, in the source's order.

    Attributes:
        name: the source, such as ``msrvtt``.
        protocol: how the splits were chosen, such as ``1k-A``.
        licence: the owner's terms in a sentence.
        citation: the publication to cite.
        captions: at least one per video.
        notes: what the reader left out and why, a sentence each; empty when all was used.
        blank_captions: ids of captions without text, which were left out.
        unusable_captions: a sentence for each further caption that was left out because it cannot be used.
        videos_without_captions: split of each video all of whose captions were left out.
        why_without_captions: why one of its captions was left out, for each of these videos.
        homepage: where the source is published.
        segments: for videos that are parts of longer ones, by video id, what part of which.
        graphs: semantic graphs that the source itself provides, by text; captions without one are parsed.
        roles: names of the roles in the graphs, in the order of their ids.
        official_ids: the videos of each split by the published protocol, for the splits where they are known.
    """

    name: str
    protocol: str
    licence: str
    citation: str
    captions: tuple[Caption, ...]
    notes: tuple[str, ...] = ()
    blank_captions: tuple[str, ...] = ()
    unusable_captions: tuple[str, ...] = ()
    videos_without_captions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    why_without_captions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    homepage: str = ""
    segments: Mapping[str, Segment] = dataclasses.field(default_factory=dict)
    graphs: Mapping[str, SemanticGraph] = dataclasses.field(default_factory=dict)
    roles: tuple[str, ...] = ROLES
    official_ids: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    def video_ids(self, split: str) -> tuple[str, ...]:
        """Ids of the videos of a split, each once, in the order of their first captions."""
        return tuple(dict.fromkeys(caption.video_id for caption in self.captions if caption.split == split))


def make_annotations(
    captions: Iterable[Caption],
    *,
    name: str,
    protocol: str,
    licence: str,
    citation: str,
    homepage: str = "",
    notes: Iterable[str] = (),
    segments: Mapping[str, Segment] | None = None,
    graphs: Mapping[str, SemanticGraph] | None = None,
    roles: Iterable[str] = ROLES,
    official_ids: Mapping[str, Sequence[str]] | None = None,
    unusable: Mapping[str, str] | None = None,
) -> Annotations:
    """Strips the texts, leaves out what cannot be used (and lists it) and checks what all readers promise.

    Args:
        captions: all captions of the source, blank ones too.
        name, protocol, licence, citation, homepage, notes, segments, graphs, roles, official_ids: see `Annotations`.
        unusable: by the ids of captions that are to be left out, a sentence that says where each stands and why.

    Raises:
        InputError: no caption is left, a caption id occurs twice, a video is in two splits, or its id is not valid
            Unicode; all faults are named.
    """
    kept: dict[str, Caption] = {}
    split_of: dict[str, str] = {}
    blank: list[str] = []
    reasons: list[str] = []
    why: dict[str, str] = {}
    faults = Faults()
    for caption in captions:
        first_split = split_of.setdefault(caption.video_id, caption.split)
        text = caption.text.strip()
        reason = (unusable or {}).get(caption.caption_id) or _unusable_character(caption)
        if not _is_unicode(caption.video_id):
            faults.add(
                f"{name}: a video id is text, found {caption.video_id!r}, which holds what is no character; correct it"
            )
        elif first_split != caption.split:
            faults.add(
                f"{name}: a video belongs to one split, found {shown(caption.video_id)} in split "
                f"{first_split!r} and in split {caption.split!r}; remove its captions from the other"
            )
        elif caption.caption_id in kept:
            faults.add(
                f"{name}: a caption id occurs once, found {shown(caption.caption_id)} twice (videos "
                f"{shown(kept[caption.caption_id].video_id)} and {shown(caption.video_id)}); give each annotation file "
                "once"
            )
        elif not text:
            blank.append(caption.caption_id)
            why.setdefault(caption.video_id, f"caption {shown(caption.caption_id)}: the text is blank")
        elif reason:
            reasons.append(reason)
            why.setdefault(caption.video_id, reason)
        else:
            kept[caption.caption_id] = dataclasses.replace(caption, text=text)
    faults.check()
    if not kept:
        left_out = f", {len(blank):,} are blank" if blank else ""
        left_out += f", {len(reasons):,} cannot be used ({reasons[0]})" if reasons else ""
        remedy = "correct them" if left_out else "check the paths of the annotation files"
        raise InputError(f"{name}, protocol {protocol}: no caption found{left_out}; {remedy}")
    with_captions = {caption.video_id for caption in kept.values()}
    without = {video_id: split for video_id, split in split_of.items() if video_id not in with_captions}
    return Annotations(
        name=name,
        protocol=protocol,
        licence=licence,
        citation=citation,
        captions=tuple(kept.values()),
        notes=tuple(notes),
        blank_captions=tuple(blank),
        unusable_captions=tuple(reasons),
        videos_without_captions=without,
        why_without_captions={video_id: why[video_id] for video_id in without},
        homepage=homepage,
        segments=segments or {},
        graphs=graphs or {},
        roles=tuple(roles),
        official_ids=official_ids or {},
    )


def _is_unicode(text: str) -> bool:
    """Whether a text can be written; JSON can spell half of a surrogate pair, which cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _unusable_character(caption: Caption) -> str:
    """A sentence about a character with which a text can be neither tokenized nor written; empty if it has none."""
    if _is_unicode(caption.text) and "\0" not in caption.text:
        return ""
    return f"caption {shown(caption.caption_id)}: {shown(caption.text)} holds what is no character"


@dataclasses.dataclass(frozen=True)
class Video:
    """What is known of a video but its features.

    Attributes:
        video_id: unique in the data set.
        split: the split it belongs to.
        captions: at least one.
        foils: false captions made from true ones.
        segment: the part of a longer video that it is; None for a whole one.
        graphs: semantic graphs by text; those of `unparsed` texts are missing.
    """

    video_id: str
    split: str
    captions: tuple[Caption, ...]
    foils: tuple[Foil, ...] = ()
    segment: Segment | None = None
    graphs: Mapping[str, SemanticGraph] = dataclasses.field(default_factory=dict)

    def unparsed(self) -> list[str]:
        """Texts of captions and foils without a graph, each once, in order."""
        texts = dict.fromkeys(
            [*(caption.text for caption in self.captions), *(foil.text for foil in self.foils)]
        )
        return [text for text in texts if text not in self.graphs]

    def with_graphs(self, graphs: Mapping[str, SemanticGraph]) -> "Video":
        """The video with the graphs of all its texts.

        Raises:
            KeyError: a text has no graph.
        """
        found = {text: graphs[text] for text in self.unparsed()}
        return dataclasses.replace(self, graphs={**self.graphs, **found})
