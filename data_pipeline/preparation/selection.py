"""Which videos and captions are prepared; whatever is left out or cut off is listed, never dropped in silence."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data_pipeline.annotations.caption import ENGLISH, SPLITS, TRAIN, Annotations, Caption, Foil, Video
from data_pipeline.annotations.sources import count_warnings, split_mismatches
from data_pipeline.errors import Faults, InputError, first_few
from data_pipeline.features.source import FeatureSource
from data_pipeline.features.streams import FeatureReader
from data_pipeline.graphs.graph import SemanticGraph

OMISSIONS = (
    "videos_without_features",
    "parts_without_frames",
    "features_without_captions",
    "blank_captions",
    "unusable_captions",
    "truncated_captions",
)
"""Keys of the report's lists: what was left out or cut off, by ids (`unusable_captions`: with the reasons)."""

_REMEDIES = {"truncated_captions": "; --max_words=N keeps N words"}

_LOST_SHARE = 10


def select_videos(
    annotations: Annotations,
    features: Mapping[str, FeatureSource],
    foils_of: Mapping[str, Sequence[Foil]],
    max_words: int,
) -> tuple[list[Video], dict[str, Any]]:
    """The videos that have features in every stream, with their captions, and the lists of omissions.

    Raises:
        InputError: no video or no training video has features.
    """
    captions_of: dict[str, list[Caption]] = collections.defaultdict(list)
    for caption in annotations.captions:
        captions_of[caption.video_id].append(caption)
    ids = [source.ids() for source in features.values()]
    in_all, in_any = set.intersection(*ids), set.union(*ids)
    segments = annotations.segments
    stored = {each: segments[each].video_id if each in segments else each for each in captions_of}
    chosen = {each: captions for each, captions in captions_of.items() if stored[each] in in_all}
    _check_chosen(chosen, stored, in_any, annotations)
    truncated: list[str] = []
    videos = []
    for video_id, captions in chosen.items():
        kept = tuple(_cut(caption, max_words, truncated) for caption in captions)
        foils = tuple(foils_of.get(video_id, ()))
        graphs = _given_graphs(kept, annotations.graphs)
        videos.append(Video(video_id, kept[0].split, kept, foils, segments.get(video_id), graphs))
    return videos, {
        "dataset": annotations.name,
        "protocol": annotations.protocol,
        "warnings": [*annotations.notes, *count_warnings(annotations)],
        "split_mismatches": split_mismatches(annotations),
        "videos_without_features": [each for each in captions_of if stored[each] not in in_all],
        "parts_without_frames": [],
        "features_without_captions": sorted(in_any - set(stored.values())),
        "blank_captions": list(annotations.blank_captions),
        "unusable_captions": list(annotations.unusable_captions),
        "truncated_captions": truncated,
    }


def leave_out_empty_parts(
    videos: Sequence[Video], features: FeatureReader, report: dict[str, Any]
) -> list[Video]:
    """The videos but for parts of longer ones in which some stream has no frame; these are listed in the report.

    Raises:
        InputError: the times of frames are needed and unknown, features cannot be used, or no training video is left.
    """
    parts: dict[str, list[Video]] = collections.defaultdict(list)
    for video in videos:
        if video.segment is not None:
            parts[video.segment.video_id].append(video)
    empty = {
        part.video_id
        for stored_as, its_parts in parts.items()
        for part, covered in zip(
            its_parts,
            features.covered(stored_as, [part.segment for part in its_parts if part.segment]),
            strict=True,
        )
        if not covered
    }
    report["parts_without_frames"] = [video.video_id for video in videos if video.video_id in empty]
    kept = [video for video in videos if video.video_id not in empty]
    if not any(video.split == TRAIN for video in kept):
        raise InputError(
            f"no training video has a frame: in all {len(empty):,} parts of longer videos there is none, such as in "
            f"{first_few(report['parts_without_frames'])}; correct 'start' and 'end' (seconds) or the frame rate"
        )
    return kept


def refuse_losses(
    annotations: Annotations,
    kept: Iterable[Video],
    report: Mapping[str, Any],
    without: str = "no features; extract them",
) -> None:
    """Refuses to leave out more than a tenth of a split's videos, or a whole split.

    Args:
        annotations: as read.
        kept: the videos that are prepared.
        report: what `select_videos` and `leave_out_empty_parts` left out.
        without: what is said of a video without features, and what to do.

    Raises:
        InputError: a split loses as many; the message says why.
    """
    wanted: dict[str, dict[str, None]] = {
        split: dict.fromkeys(annotations.video_ids(split)) for split in SPLITS
    }
    for video_id, split in annotations.videos_without_captions.items():
        wanted[split][video_id] = None
    found = {video.video_id for video in kept}
    losses = []
    for split, ids in wanted.items():
        lost = [video_id for video_id in ids if video_id not in found]
        if len(lost) * _LOST_SHARE > len(ids):
            losses.append(f"{split}: {len(lost):,} of {len(ids):,} videos cannot be used: {first_few(lost)}")
            losses += [f"  {reason}" for reason in _reasons(lost, annotations, report, without)]
    if losses:
        raise InputError(
            "a split would lose more than a tenth of its videos; correct what is named here, or go on without them "
            "with --allow_missing:\n  " + "\n  ".join(losses)
        )


def _reasons(
    lost: Iterable[str], annotations: Annotations, report: Mapping[str, Any], without: str = ""
) -> list[str]:
    """Why videos cannot be used, a line for each kind of reason."""
    without_features, without_frames = (
        set(report["videos_without_features"]),
        set(report["parts_without_frames"]),
    )
    reasons = Faults()
    for video_id in lost:
        if video_id in without_features:
            reasons.add(f"{video_id}: {without}")
        elif video_id in without_frames:
            reasons.add(
                f"{video_id}: no frame between 'start' and 'end'; correct these (seconds) or the frame rate"
            )
        else:
            reasons.add(annotations.why_without_captions[video_id])
    return reasons.lines()


def videos_by_split(videos: Iterable[Video]) -> dict[str, list[str]]:
    """Video ids of each split, training first."""
    ids: dict[str, list[str]] = {TRAIN: []}
    for video in videos:
        ids.setdefault(video.split, []).append(video.video_id)
    return ids


def first_training_video(videos: Iterable[Video]) -> Video:
    """The training video that stands for all where one must be looked at."""
    return next(video for video in videos if video.split == TRAIN)


def _cut(caption: Caption, max_words: int, truncated: list[str]) -> Caption:
    words = caption.text.split()
    if len(words) <= max_words:
        return caption
    truncated.append(caption.caption_id)
    return dataclasses.replace(caption, text=" ".join(words[:max_words]))


def _given_graphs(
    captions: Iterable[Caption], given: Mapping[str, SemanticGraph]
) -> dict[str, SemanticGraph]:
    """Graphs that need no parser: those of the source, and empty ones for languages that it does not know."""
    graphs = {}
    for caption in captions:
        if caption.text in given:
            graphs[caption.text] = given[caption.text]
        elif caption.language != ENGLISH:
            graphs[caption.text] = SemanticGraph((), ())
    return graphs


def omission_lines(report: Mapping[str, Any]) -> dict[str, str]:
    """For each of `OMISSIONS` of which there is any, a line with the first few."""
    return {
        key: f"{key.replace('_', ' ')}: {first_few(report[key])}{_REMEDIES.get(key, '')}"
        for key in OMISSIONS
        if report[key]
    }


def refuse_omissions(report: Mapping[str, Any]) -> None:
    """Refuses what `select_videos` left out or cut off; videos that split lists leave out are no omission.

    Raises:
        InputError: there is anything of that kind.
    """
    reasons = [f"{len(report[key])} {line}" for key, line in omission_lines(report).items()]
    if reasons:
        raise InputError("strict preparation refuses to leave anything out:\n  " + "\n  ".join(reasons))


def _check_chosen(
    chosen: Mapping[str, list[Caption]],
    stored: Mapping[str, str],
    with_features: set[str],
    annotations: Annotations,
) -> None:
    if not chosen:
        raise InputError(
            f"none of the {len(stored)} annotated videos has features (in every stream); the annotations name "
            f"videos like {next(iter(stored.values()))!r}, the features like {min(with_features, default='(none)')!r}"
        )
    if any(captions[0].split == TRAIN for captions in chosen.values()):
        return
    learned = "attributes, tokenizer and statistics come from training"
    if annotations.video_ids(TRAIN):
        raise InputError(
            f"no training video has features; {learned}: name training videos with --split_file=train=FILE, or give "
            "the features of the training videos"
        )
    without = [each for each, split in annotations.videos_without_captions.items() if split == TRAIN]
    if without:
        raise InputError(
            "no training video has a caption that can be used; correct what is named here:\n  "
            + "\n  ".join(
                _reasons(without, annotations, {"videos_without_features": [], "parts_without_frames": []})
            )
        )
    raise InputError(
        f"no video is in the split {TRAIN}, found {', '.join(sorted({one.split for one in annotations.captions}))}; "
        f"{learned}: give videos that split in the annotations, or name them with --split_file=train=FILE"
    )
