"""What every annotation reader yields, captions of videos, and a video with all that is said about it."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence

from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import ROLES, SemanticGraph

TRAIN = "train"
VALIDATION = "val"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)
ENGLISH = "en"


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
) -> Annotations:
    """Strips the texts, leaves out blank captions (and lists them) and checks what all readers promise.

    Raises:
        InputError: no caption is left, a caption id occurs twice, a video is in two splits, or a text is not
            valid Unicode.
    """
    kept: dict[str, Caption] = {}
    split_of: dict[str, str] = {}
    blank: list[str] = []
    for caption in captions:
        text = caption.text.strip()
        if not text:
            blank.append(caption.caption_id)
            continue
        _check_unicode(caption, name)
        first_split = split_of.setdefault(caption.video_id, caption.split)
        if first_split != caption.split:
            raise InputError(
                f"{name}: video {caption.video_id!r} is in split {first_split!r} and in split "
                f"{caption.split!r}; a video belongs to one split, remove its captions from the other"
            )
        if caption.caption_id in kept:
            raise InputError(
                f"{name}: caption id {caption.caption_id!r} occurs twice (videos "
                f"{kept[caption.caption_id].video_id!r} and {caption.video_id!r}); give each annotation file once"
            )
        kept[caption.caption_id] = dataclasses.replace(caption, text=text)
    if not kept:
        raise InputError(
            f"{name}, protocol {protocol}: no caption found; check the paths of the annotation files"
        )
    return Annotations(
        name=name,
        protocol=protocol,
        licence=licence,
        citation=citation,
        captions=tuple(kept.values()),
        notes=tuple(notes),
        blank_captions=tuple(blank),
        homepage=homepage,
        segments=segments or {},
        graphs=graphs or {},
        roles=tuple(roles),
        official_ids=official_ids or {},
    )


def _check_unicode(caption: Caption, name: str) -> None:
    try:
        f"{caption.video_id} {caption.text}".encode()
    except UnicodeEncodeError as error:
        # JSON can spell half of a surrogate pair; such a text can be neither tokenized nor written.
        raise InputError(
            f"{name}: caption {caption.caption_id!r} of video {caption.video_id!r} holds "
            f"{error.object[error.start]!r}, which is no character; correct the text"
        ) from error


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

    def to_line(self) -> str:
        """One line of JSON; the inverse of `from_line`."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_line(line: str) -> "Video":
        """Rebuilds a video from `to_line`'s text."""
        value = json.loads(line)
        return Video(
            video_id=value["video_id"],
            split=value["split"],
            captions=tuple(Caption(**caption) for caption in value["captions"]),
            foils=tuple(Foil(**foil) for foil in value["foils"]),
            segment=None if value["segment"] is None else Segment(**value["segment"]),
            graphs={text: SemanticGraph.from_json(graph) for text, graph in value["graphs"].items()},
        )
