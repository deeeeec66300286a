"""This module chooses what a training needs from the size of the data: batch, steps, width, captions, evaluations."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from data_pipeline.prepared_data import FEWEST_VALIDATION_VIDEOS, SMALL_VOCABULARY, Manifest
from mcsan_jax.config import Config
from mcsan_jax.pretrained.bert_files import installed_reader

_ENCODER = "minilm"
_BATCH = 128
"""The most videos of a batch, and those of a batch by which the passes over large data are counted."""
_ROWS = 8
"""A batch is a multiple of it, which most numbers of devices divide."""


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
    reads_with = config.model.pretrained or (
        _ENCODER if may_choose and installed_reader(_ENCODER, manifest.tokenizer.sha256) else ""
    )
    small_language = not reads_with and tokens < SMALL_VOCABULARY
    width = 128 if small_language else 256 if train.videos < 10_000 else 512
    # A caption that a frozen encoder reads costs little, any other as much as a video.
    most = 4 if reads_with or train.videos < 1000 else 1
    chosen: dict[str, tuple[Any, str]] = {
        "model.width": (width, f"{train.videos} training videos, {tokens} tokens"),
        "train.captions_per_video": (
            min(max(int(per_video), 1), most),
            f"{per_video:.3g} captions a video, at most {most} of them",
        ),
        "similarity.learn_level_weights": (True, "they follow the data"),
    }
    if not reads_with:
        word_width = 64 if small_language else 300
        return chosen | {
            "model.word_width": (word_width, f"{tokens} tokens"),
            "optim.learning_rate": (3e-3, "words are learned from the captions"),
        }
    why = f"the captions have the tokens of {reads_with}, which is installed"
    return chosen | {
        "model.context": ("pretrained", why),
        "model.pretrained": (reads_with, why),
        "model.dropout": (0.4, "as for MSR-VTT with a frozen encoder"),
        "similarity.attribute_share": (0.3, "as for MSR-VTT with a frozen encoder"),
        "train.token_state_cache": (train.captions <= 100_000, f"{train.captions} captions"),
    }


def _of_training(config: Config, manifest: Manifest, free: Collection[str]) -> dict[str, tuple[Any, str]]:
    """Chooses the batch, the number of steps and when the validation split is evaluated."""
    videos = manifest.splits[config.data.train_split].videos
    held_out = manifest.splits[config.data.validation_split].videos
    batches = math.ceil(videos / _BATCH)
    batch = config.train.batch_size
    if "train.batch_size" in free:
        batch = math.ceil(videos / (batches * _ROWS)) * _ROWS
    steps_an_epoch = math.ceil(videos / batch)
    epochs = config.train.epochs
    if "train.epochs" in free:
        epochs = max(1, round(max(14 * math.sqrt(videos), 20 * videos / _BATCH) / steps_an_epoch))
    few = held_out < FEWEST_VALIDATION_VIDEOS
    rhythm = "so few choose by chance: the last state is taken" if few else "three evaluations"
    return {
        "train.batch_size": (batch, f"{videos} training videos in {batches} equal batches"),
        "train.epochs": (
            epochs,
            f"{epochs * steps_an_epoch} steps, 14 √videos and at least 20 passes in batches of {_BATCH}",
        ),
        "optim.warmup_epochs": (epochs / 20, "a twentieth of the training"),
        "train.evaluate_every_epochs": (
            epochs if few else math.ceil(epochs / 3),
            f"{held_out} validation videos; {rhythm}",
        ),
    }


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
