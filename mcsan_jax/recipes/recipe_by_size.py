"""This module chooses what a training needs from the size of the data: batch, steps, width, captions, evaluations."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from data_pipeline.prepared_data import FEWEST_VALIDATION_VIDEOS, SMALL_VOCABULARY, Manifest, SplitSummary
from mcsan_jax.config import Config
from mcsan_jax.pretrained.bert_files import installed_reader

_ENCODER = "minilm"
_BATCH = 128
"""The most videos of a batch, and those of a batch by which the passes over large data are counted."""
_EVALUATIONS = 6
"""So many times a validation split that can choose is evaluated."""
_ROWS = 8
"""A batch is a multiple of it, which most numbers of devices divide."""
_SMALL_STEPS = 1e-4
"""The learning rate where training adds to the score of an image-text encoder."""
_CACHED_CAPTIONS = 100_000
"""The states of the tokens of more captions are not kept in memory."""


def begin_with_encoder(config: Config, set_by_hand: Collection[str] = ()) -> tuple[Config, list[str]]:
    """Returns the configuration with what suits a network that begins with an image-text encoder's score, and lines.

    It takes the states of the encoder's text tower, and small steps, because large ones lose what the encoder knows
    before they learn more. Fields that the configuration or the command line chose are left.

    Args:
        config: the experiment.
        set_by_hand: dotted names of fields that the command line set.
    """
    if not config.model.pretrained_video or config.model.zero_shot_only:
        return config, []
    free, chosen, lines = _free_fields(config, set_by_hand), dict[str, Any](), []
    if {"model.context", "model.pretrained"} <= free:
        chosen["model.context"] = "pretrained"
        lines.append(
            f"captions are read by the text tower of {config.model.pretrained_video} "
            "(--config.model.context=bigru learns their words instead)"
        )
    if "optim.learning_rate" in free:
        chosen["optim.learning_rate"] = _SMALL_STEPS
        lines.append(
            f"optim.learning_rate = {_SMALL_STEPS:g}, because larger steps lose what the encoder knows"
        )
    return _with_fields(config, chosen), lines


def recipe_by_size(
    config: Config, manifest: Manifest, set_by_hand: Collection[str] = ()
) -> tuple[Config, list[str]]:
    """Returns the configuration for this much data, and a line for each choice, with its reason.

    Only fields are chosen that have their default and were not set by hand. A configuration without
    ``train.recipe = "by_size"`` is returned as it is.

    Args:
        config: the experiment.
        manifest: the manifest of the prepared data.
        set_by_hand: dotted names of fields that the command line set, such as ``train.epochs``.
    """
    if config.train.recipe != "by_size":
        return config, []
    free = _free_fields(config, set_by_hand)
    chosen = {
        name: choice
        for name, choice in {
            **_of_text(config, manifest, free),
            **_of_training(config, manifest, free),
        }.items()
        if name in free
    }
    values = {name: value for name, (value, _) in chosen.items()}
    return _with_fields(config, values), [
        f"{name} = {value} ({why})" for name, (value, why) in chosen.items()
    ]


def _of_text(config: Config, manifest: Manifest, free: Collection[str]) -> dict[str, tuple[Any, str]]:
    """Chooses what reads captions, how wide the network is, and how many captions of a video a batch has."""
    train = manifest.splits[config.data.train_split]
    per_video, tokens = train.captions / train.videos, manifest.tokenizer.size
    may_choose = {"model.context", "model.pretrained"} <= set(free)
    if config.model.pretrained_video:
        return _of_zero_shot(train, per_video)
    reads_with = config.model.pretrained or (
        _ENCODER if may_choose and installed_reader(_ENCODER, manifest.tokenizer.sha256) else ""
    )
    small_language = not reads_with and tokens < SMALL_VOCABULARY
    width = 128 if small_language else 256 if train.videos < 10_000 else 512
    # A caption that a frozen encoder reads costs little, any other as much as a video.
    most = 4 if reads_with or train.videos < 1000 else 1
    chosen: dict[str, tuple[Any, str]] = {
        "model.width": (
            width,
            f"the captions have only {tokens:,} different tokens, which short vectors tell apart"
            if small_language
            else f"the length of the vectors grows with the number of training videos, here {train.videos:,}",
        ),
        "train.captions_per_video": (
            min(max(int(per_video), 1), most),
            f"a training video has {per_video:.3g} caption(s) on average; a step reads at most {most} of them",
        ),
        "similarity.learn_level_weights": (
            True,
            "how much each level counts is learned, because it differs from collection to collection",
        ),
    }
    if not reads_with:
        word_width, words = (64, "few") if small_language else (300, "many")
        return chosen | {
            "model.word_width": (
                word_width,
                f"word vectors of this length suit captions that have {words} different tokens, here {tokens:,}",
            ),
            "optim.learning_rate": (
                3e-3,
                "no pretrained encoder reads the captions, and to learn their words from nothing takes larger steps",
            ),
        }
    as_for_msrvtt = "the value with which MSR-VTT is trained, where a frozen encoder reads the captions, too"
    fits = train.captions <= _CACHED_CAPTIONS
    return chosen | {
        "model.context": ("pretrained", "a pretrained encoder that reads these captions is installed"),
        "model.pretrained": (reads_with, f"the captions were prepared with the tokens of {reads_with}"),
        "model.dropout": (0.4, as_for_msrvtt),
        "similarity.attribute_share": (0.3, as_for_msrvtt),
        "train.token_state_cache": (
            fits,
            f"what the frozen encoder makes of {train.captions:,} captions "
            f"{'fits' if fits else 'may not fit'} into memory; the limit is {_CACHED_CAPTIONS:,}",
        ),
    }


def _of_zero_shot(train: SplitSummary, per_video: float) -> dict[str, tuple[Any, str]]:
    """Chooses the same where the score begins as that of an image-text encoder."""
    fits = train.captions <= _CACHED_CAPTIONS
    return {
        "model.width": (
            256 if train.videos < 10_000 else 512,
            "the learned part only adds to the vectors of the image-text encoder",
        ),
        "train.captions_per_video": (
            min(max(int(per_video), 1), 4),
            f"a training video has {per_video:.3g} caption(s) on average; a step reads at most 4 of them",
        ),
        "similarity.learn_level_weights": (
            True,
            "how much each level counts is learned, because it differs from collection to collection",
        ),
        "train.token_state_cache": (
            fits,
            f"what the tower makes of {train.captions:,} captions {'fits' if fits else 'may not fit'} into memory; "
            f"the limit is {_CACHED_CAPTIONS:,}",
        ),
    }


def _of_training(config: Config, manifest: Manifest, free: Collection[str]) -> dict[str, tuple[Any, str]]:
    """Chooses the batch, the number of steps and when the validation split is evaluated."""
    videos = manifest.splits[config.data.train_split].videos
    held_out = manifest.splits[config.data.validation_split].videos
    batches = math.ceil(videos / _BATCH)
    batch = equal_batch(videos) if "train.batch_size" in free else config.train.batch_size
    steps_an_epoch = math.ceil(videos / batch)
    by_root, by_passes = 14 * math.sqrt(videos), 20 * videos / _BATCH
    epochs = config.train.epochs
    if "train.epochs" in free:
        epochs = max(1, round(max(by_root, by_passes) / steps_an_epoch))
    few = held_out < FEWEST_VALIDATION_VIDEOS
    chosen_among = (
        "many states by chance, so there are two, the one before the first step and the last, and the better one on "
        f"split {config.data.validation_split} is taken"
        if config.model.pretrained_video
        else "checkpoints by chance, so the last state is taken"
    )
    equal = f"{batches} batches of equal size hold" if batches > 1 else "a single batch holds"
    length = (
        f"about 14 times the square root of {videos:,} training videos"
        if by_root >= by_passes
        else f"as many as 20 passes over {videos:,} training videos take in batches of {_BATCH}"
    )
    return {
        "train.batch_size": (
            batch,
            f"{equal} all {videos:,} training videos; the size is a multiple of {_ROWS}, so that devices divide it",
        ),
        "train.epochs": (epochs, f"{epochs * steps_an_epoch} steps: {length}"),
        "optim.warmup_epochs": (
            epochs / 20,
            "the learning rate rises in the first twentieth of the training",
        ),
        "train.evaluate_every_epochs": (
            epochs if few else math.ceil(epochs / _EVALUATIONS),
            f"{held_out} validation videos would choose among {chosen_among}; from {FEWEST_VALIDATION_VIDEOS} on "
            "they choose"
            if few
            else f"{held_out:,} validation videos choose the best of about {_EVALUATIONS} states",
        ),
        "train.patience": (
            0 if few else _EVALUATIONS // 2,
            "the training has its full length, because nothing judges it before its end"
            if few
            else f"after {_EVALUATIONS // 2} evaluations without a better one the training has converged",
        ),
    }


def equal_batch(videos: int) -> int:
    """Returns the batch size with which the fewest batches of at most 128 rows hold all videos in equal numbers."""
    return math.ceil(videos / (math.ceil(videos / _BATCH) * _ROWS)) * _ROWS


def _free_fields(config: Config, set_by_hand: Collection[str]) -> set[str]:
    """Returns the dotted names of the fields that have their default and were not set by hand."""
    own, default = dataclasses.asdict(config), dataclasses.asdict(Config())
    same = {
        f"{group}.{name}"
        for group, fields in own.items()
        if isinstance(fields, dict)
        for name, value in fields.items()
        if value == default[group][name]
    }
    return same - set(set_by_hand)


def _with_fields(config: Config, values: Mapping[str, Any]) -> Config:
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, field = name.split(".")
        groups.setdefault(group, {})[field] = value
    changed = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(config, **changed)
