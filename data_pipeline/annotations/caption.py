"""What every annotation reader yields: captions of videos, each video in one split."""

import dataclasses
from collections.abc import Iterable

from mcsan_jax.errors import InputError

TRAIN = "train"
VALIDATION = "val"
TEST = "test"
SPLITS = (TRAIN, VALIDATION, TEST)


@dataclasses.dataclass(frozen=True)
class Caption:
    """One sentence about one video.

    Attributes:
        video_id: id of the video, as in its source.
        caption_id: unique among all captions of the source.
        text: the sentence as written, without white space at its ends.
        split: one of `SPLITS`.
    """

    video_id: str
    caption_id: str
    text: str
    split: str


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
    """

    name: str
    protocol: str
    licence: str
    citation: str
    captions: tuple[Caption, ...]
    notes: tuple[str, ...] = ()
    blank_captions: tuple[str, ...] = ()

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
    notes: Iterable[str] = (),
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
    return Annotations(name, protocol, licence, citation, tuple(kept.values()), tuple(notes), tuple(blank))


def _check_unicode(caption: Caption, name: str) -> None:
    try:
        f"{caption.video_id} {caption.text}".encode()
    except UnicodeEncodeError as error:
        # JSON can spell half of a surrogate pair; such a text can be neither tokenized nor written.
        raise InputError(
            f"{name}: caption {caption.caption_id!r} of video {caption.video_id!r} holds "
            f"{error.object[error.start]!r}, which is no character; correct the text"
        ) from error
