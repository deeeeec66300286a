"""Which captions are prepared; whatever is left out or cut off is listed, never dropped in silence."""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from data_pipeline.annotations.caption import TRAIN, Annotations, Caption
from data_pipeline.annotations.reading import first_few
from data_pipeline.annotations.splits import count_warnings
from data_pipeline.features.readers import FeatureSource
from mcsan_jax.errors import InputError

OMISSIONS = (
    "videos_without_features",
    "features_without_captions",
    "blank_captions",
    "truncated_captions",
)
"""Keys of the report's lists of ids: what was left out or cut off."""


def select_captions(
    annotations: Annotations, features: Mapping[str, FeatureSource], max_words: int
) -> tuple[dict[str, list[Caption]], dict[str, Any]]:
    """Captions by video, for the videos that have features in every stream, and the lists of omissions.

    Raises:
        InputError: no video or no training video has features.
    """
    captions_of: dict[str, list[Caption]] = collections.defaultdict(list)
    for caption in annotations.captions:
        captions_of[caption.video_id].append(caption)
    ids = [source.ids() for source in features.values()]
    in_all, in_any = set.intersection(*ids), set.union(*ids)
    chosen = {video_id: captions for video_id, captions in captions_of.items() if video_id in in_all}
    _check_chosen(chosen, captions_of, in_any)
    truncated: list[str] = []
    for captions in chosen.values():
        for index, caption in enumerate(captions):
            words = caption.text.split()
            if len(words) > max_words:
                captions[index] = dataclasses.replace(caption, text=" ".join(words[:max_words]))
                truncated.append(caption.caption_id)
    return chosen, {
        "dataset": annotations.name,
        "protocol": annotations.protocol,
        "warnings": [*annotations.notes, *count_warnings(annotations)],
        "videos_without_features": [video_id for video_id in captions_of if video_id not in in_all],
        "features_without_captions": sorted(in_any - set(captions_of)),
        "blank_captions": list(annotations.blank_captions),
        "truncated_captions": truncated,
    }


def refuse_omissions(report: Mapping[str, Any]) -> None:
    """Refuses what `select_captions` left out or cut off; videos that split lists leave out are no omission.

    Raises:
        InputError: there is anything of that kind.
    """
    reasons = [
        f"{len(report[key])} {key.replace('_', ' ')}: {first_few(report[key])}"
        for key in OMISSIONS
        if report[key]
    ]
    if reasons:
        raise InputError("strict preparation refuses to leave anything out:\n  " + "\n  ".join(reasons))


def _check_chosen(
    chosen: Mapping[str, list[Caption]], captions_of: Mapping[str, list[Caption]], with_features: set[str]
) -> None:
    if not chosen:
        raise InputError(
            f"none of the {len(captions_of)} annotated videos has features (in every stream); the annotations name "
            f"videos like {next(iter(captions_of))!r}, the features like {min(with_features, default='(none)')!r}"
        )
    if not any(captions[0].split == TRAIN for captions in chosen.values()):
        raise InputError(
            "no training video has features; attributes, tokenizer and statistics come from training: name "
            "training videos with --split_file=train=FILE, or give the features of the training videos"
        )
