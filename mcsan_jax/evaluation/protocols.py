"""This module knows protocols: what a split should hold, and what a reader of its figures must know.

Published counts are checked, because a split that lacks a few videos gives numbers that look comparable and are not.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

EVERY_CAPTION = "every caption is its own query"
SAME_TEXT = f"{EVERY_CAPTION}, to which every video with a caption of its text is relevant"
MERGED_CAPTIONS = "captions of the same text are one query with several correct videos (HGR's rule)"


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A protocol says how a data set is split and how its figures are to be read.

    Attributes:
        name: for people, such as ``MSR-VTT 1k-A``.
        source: where the splits come from.
        videos: number of videos of each split; empty where it is not published, or every user has another.
        captions: number of captions of the splits for which it is fixed.
        captions_in_words: the captions of a video.
        selection: what is to choose the checkpoint; empty where that is up to the user.
        remarks: further sentences, printed with every table.
    """

    name: str
    source: str
    videos: Mapping[str, int] = dataclasses.field(default_factory=dict)
    captions: Mapping[str, int] = dataclasses.field(default_factory=dict)
    captions_in_words: str = ""
    selection: str = "the validation videos choose the checkpoint"
    remarks: tuple[str, ...] = ()


_HGR_REMARK = (
    "HGR's own figures count captions of the same text as one query; most others count every caption."
)


def _thousand_tests(name: str, source: str, training: int) -> Protocol:
    """Makes a protocol of MSR-VTT with a list of 1,000 test videos."""
    return Protocol(
        name=name,
        source=source,
        videos={"train": training, "val": 300, "test": 1000},
        captions={"test": 1000},
        captions_in_words="one caption for each test video, 20 for the others",
        selection="300 validation videos carved from the training list choose the checkpoint, not the test file",
        remarks=(_SELECTION_REMARK,),
    )


def _vatex(name: str, captions_each: int, captions_in_words: str, remark: str) -> Protocol:
    """Makes a protocol on HGR's split of VATEX."""
    videos = {"train": 25_991, "val": 1500, "test": 1500}
    return Protocol(
        name=name,
        source="HGR's lists: 25,991 training videos, and the official validation set cut into two of 1,500",
        videos=videos,
        captions={split: captions_each * count for split, count in videos.items()},
        captions_in_words=captions_in_words,
        remarks=(remark,),
    )


_CARVED = "validation videos carved from training choose the checkpoint, not those that are reported"
_SELECTION_REMARK = "Much of the literature chooses its best epoch on the test file, which flatters it."


def _moments(
    name: str,
    source: str,
    paragraphs: Mapping[str, int],
    sentences: Mapping[str, int],
    is_carved: bool = True,
) -> Protocol:
    """A protocol on sentences about parts of longer videos.

    Args:
        name, source: as in `Protocol`.
        paragraphs: numbers of whole videos with a paragraph each; empty where parts are videos.
        sentences: numbers of sentences where parts are videos, whose own number is not published.
        is_carved: whether the validation split is taken from training.
    """
    return Protocol(
        name=f"{name}, {'paragraphs' if paragraphs else 'sentences'}",
        source=source,
        videos=paragraphs,
        captions=paragraphs or sentences,
        captions_in_words="one paragraph a video" if paragraphs else "sentences about parts of longer videos",
        selection=_CARVED if is_carved else Protocol.selection,
        remarks=(_SELECTION_REMARK,) if is_carved else (),
    )


_VAL_1 = "train.json (10,009 videos, 300 of them for validation) and val_1.json"
_VAL_2 = "train.json (10,009 videos, 300 of them for validation) and val_2.json"
_YOUCOOK2 = "1,333 training videos, 133 of them for validation, and 457 validation videos as the test split"
_DIDEMO = "the official files of 8,395, 1,065 and 1,004 videos"
_CHARADES_STA = "5,338 training videos, 300 of them for validation, and 1,334 test videos"

PROTOCOLS: dict[tuple[str, str], Protocol] = {
    ("msrvtt", "full"): Protocol(
        name="MSR-VTT full",
        source="the official split of 6,513, 497 and 2,990 videos",
        videos={"train": 6513, "val": 497, "test": 2990},
        captions={"train": 130_260, "val": 9940, "test": 59_800},
        captions_in_words="20 captions a video",
        remarks=(_HGR_REMARK,),
    ),
    ("msrvtt", "1k-A"): _thousand_tests(
        "MSR-VTT 1k-A",
        "the lists MSRVTT_train.9k.csv (9,000 videos) and MSRVTT_JSFUSION_test.csv (1,000 videos)",
        training=8700,
    ),
    ("msrvtt", "1k-A-7k"): _thousand_tests(
        "MSR-VTT 1k-A, 7k training",
        "the lists MSRVTT_train.7k.csv (7,010 videos) and MSRVTT_JSFUSION_test.csv (1,000 videos)",
        training=6710,
    ),
    ("msrvtt", "1k-B"): _thousand_tests(
        "MSR-VTT 1k-B",
        "the user's lists after Miech et al. (6,656 and 1,000 videos), whose ids cannot be checked",
        training=6356,
    ),
    ("vatex", "hgr"): _vatex("VATEX, HGR's split", 10, "10 English captions a video", _HGR_REMARK),
    ("vatex", "hgr-bilingual"): _vatex(
        "VATEX, HGR's split, both languages",
        20,
        "10 English and 10 Chinese captions a video",
        "Published numbers on HGR's split are for the English captions alone.",
    ),
    ("msvd", "official"): Protocol(
        name="MSVD",
        source="the official split of 1,200, 100 and 670 clips",
        videos={"train": 1200, "val": 100, "test": 670},
        captions_in_words="about 40 captions a video",
    ),
    ("activitynet", "paragraph"): _moments(
        "ActivityNet Captions val_1", _VAL_1, {"train": 9709, "val": 300, "test": 4917}, {}
    ),
    ("activitynet", "sentence"): _moments("ActivityNet Captions val_1", _VAL_1, {}, {"test": 17_505}),
    ("activitynet", "paragraph-val_2"): _moments(
        "ActivityNet Captions val_2", _VAL_2, {"train": 9709, "val": 300, "test": 4885}, {}
    ),
    ("activitynet", "sentence-val_2"): _moments("ActivityNet Captions val_2", _VAL_2, {}, {"test": 17_031}),
    ("youcook2", "paragraph"): _moments("YouCook2", _YOUCOOK2, {"train": 1200, "val": 133, "test": 457}, {}),
    ("youcook2", "sentence"): _moments("YouCook2", _YOUCOOK2, {}, {"test": 3492}),
    ("didemo", "paragraph"): _moments(
        "DiDeMo", _DIDEMO, {"train": 8395, "val": 1065, "test": 1004}, {}, is_carved=False
    ),
    ("didemo", "sentence"): _moments(
        "DiDeMo", _DIDEMO, {}, {"train": 33_005, "val": 4180, "test": 4021}, is_carved=False
    ),
    ("charades_sta", "paragraph"): _moments(
        "Charades-STA", _CHARADES_STA, {"train": 5038, "val": 300, "test": 1334}, {}
    ),
    ("charades_sta", "sentence"): _moments("Charades-STA", _CHARADES_STA, {}, {"test": 3720}),
    ("lsmdc", "official"): Protocol(
        name="LSMDC",
        source="the files LSMDC16_annos_training, LSMDC16_annos_val and LSMDC16_challenge_1000_publictect",
        captions={"train": 101_079, "val": 7408, "test": 1000},
        captions_in_words="about one a clip",
    ),
    ("hybrid_space", "msrvtt10k"): Protocol(
        name="MSR-VTT full, hybrid_space's files",
        source="the official split of 6,513, 497 and 2,990 videos",
        videos={"train": 6513, "val": 497, "test": 2990},
        captions_in_words="20 captions a video",
    ),
    ("hybrid_space", "vatex"): Protocol(
        name="VATEX, HGR's split, hybrid_space's files",
        source="25,991 training videos, and the official validation set cut into two of 1,500",
        videos={"train": 25_991, "val": 1500, "test": 1500},
        captions_in_words="10 English captions a video",
    ),
    **{
        (f"{kind}_shapes", "seed 0"): Protocol(
            name=f"{kind} shapes",
            source="clips made on the spot with seed 0",
            videos={"train": 3000, "val": 300, "test": 500},
            captions={"train": 15_000, "val": 1500, "test": 2500},
            captions_in_words="5 captions a video",
        )
        for kind in ("moving", "crowded")
    },
}
"""Known protocols by the names of the data set and of the protocol in its manifest."""


def find_protocol(dataset: str, protocol: str) -> Protocol:
    """Returns the known protocol of these names, or one without counts for data of the user's own."""
    known = PROTOCOLS.get((dataset, protocol))
    return known or Protocol(
        name=f"{dataset} ({protocol})",
        source="a split of the user's own",
        selection="",
        remarks=("Numbers compare only with numbers on the very same videos and captions.",),
    )


def describe_protocol(
    dataset: str,
    protocol: str,
    split: str,
    videos: int,
    captions: int,
    merge_duplicates: bool,
    selected_on: str | None,
    step: int,
    features: str,
    same_text: str = "wrong",
    share_from: str | None = None,
    stopped: str | None = None,
) -> dict[str, Any]:
    """Returns what is printed above every table and stored with the figures.

    Args:
        dataset, protocol: names in the manifest.
        split: the evaluated one.
        videos, captions: how many of it were evaluated; captions are counted before any are merged.
        merge_duplicates: whether captions of the same text were one query.
        selected_on: split whose Rsum chose the checkpoint, or None where none did.
        step, stopped: of the checkpoint, and after which one training ended early and why (None: it did not).
        features: the streams of features, in words.
        same_text: what a video is to another video's caption that has the text of one of its own: relevant, or wrong.
        share_from: split that chose the share of the linear branch, or None where there is no branch.

    Returns:
        ``name``, ``source``, ``lines`` (sentences), ``official`` (True where the published counts are met, False
        where they are not, None without any), ``duplicate_captions``, ``selection``, ``expected`` (``videos`` and
        ``captions``, None where there is no such number) and ``features``.
    """
    known = find_protocol(dataset, protocol)
    expected = {"videos": known.videos.get(split), "captions": known.captions.get(split)}
    found = {"videos": videos, "captions": captions}
    official = _is_official(known, expected, found)
    every_caption = SAME_TEXT if same_text == "relevant" else EVERY_CAPTION
    duplicates = MERGED_CAPTIONS if merge_duplicates else every_caption
    how = f" has the best Rsum on split {selected_on}" if selected_on else ", which no split chose"
    selection = f"step {step:,}{how}" + (f"; training {stopped}" if stopped else "")
    rule = f" Rule of the protocol: {known.selection}." if known.selection else ""
    each = f" ({known.captions_in_words})" if known.captions_in_words else ""
    lines = [
        f"Protocol: {known.name}, split {split}: {_counted(found)}{each}; source: {known.source}.",
        *_count_lines(known, split, expected, found, official),
        f"Queries: {duplicates}; video-to-text counts the best-ranked of a video's captions (Success@K in "
        "trec_eval).",
        f"Selection: {selection}.{rule}",
    ]
    choices = {"the checkpoint": selected_on, "the share of the linear branch": share_from}
    chosen = " and ".join(what for what, chosen_on in choices.items() if chosen_on == split)
    if chosen:
        lines.append(f"OPTIMISTIC: split {split} itself chose {chosen}, with which it is evaluated here.")
    lines += [f"Features: {features}.", *known.remarks]
    return {
        "name": known.name,
        "source": known.source,
        "lines": lines,
        "official": official,
        "duplicate_captions": duplicates,
        "selection": selection,
        "expected": expected,
        "features": features,
    }


def _is_official(
    protocol: Protocol, expected: Mapping[str, int | None], found: Mapping[str, int]
) -> bool | None:
    if not protocol.videos and expected["captions"] is None:
        return None
    numbers = {kind: count for kind, count in expected.items() if count is not None}
    return bool(numbers) and all(count == found[kind] for kind, count in numbers.items())


def _count_lines(
    protocol: Protocol,
    split: str,
    expected: Mapping[str, int | None],
    found: Mapping[str, int],
    official: bool | None,
) -> list[str]:
    if official is None:
        return []
    if official:
        return [f"The counts are those of the protocol: {_counted(expected)}."]
    wanted = _counted(expected) or f"one of the splits {', '.join(protocol.videos)}, not {split}"
    return [
        f"NOT THE SPLIT OF {protocol.name}: expected {wanted}, found {_counted(found)}; these numbers are not "
        "comparable with published numbers."
    ]


def _counted(counts: Mapping[str, int | None]) -> str:
    return " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count is not None)
