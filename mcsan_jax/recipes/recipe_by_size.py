"""This module chooses what a training needs from the size of the data: batch, steps, width, captions, evaluations."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config
from mcsan_jax.pretrained.bert_files import read_bert

_ENCODER = "minilm"
_FULL_BATCH = 128
_ROWS = 8
"""Batches are a multiple of it, which most numbers of devices divide."""
_FEW_VIDEOS = 50
"""A validation split of fewer videos chooses between checkpoints by chance, so that the last one is taken."""


def recipe_by_size(
    config: Config, manifest: Manifest, set_by_hand: Collection[str] = ()
) -> tuple[Config, list[str]]:
    """Returns the configuration for this much data, and what it says of itself: a line for each choice.

    Only fields are chosen that have their default and were not set by hand. A configuration without
    ``train.recipe = "by_size"`` is returned as it is.

    Args:
        config: the experiment.
        manifest: of the prepared data.
        set_by_hand: dotted names of fields that the command line set, such as ``train.epochs``.
    """
    if config.train.recipe != "by_size":
        return config, []
    train = manifest.splits[config.data.train_split]
    held_out = manifest.splits[config.data.validation_split].videos
    per_video = train.captions / train.videos
    free = _free_fields(config, set_by_hand)

    pretrained = config.model.pretrained
    if {"model.context", "model.pretrained"} <= free and _has_tokens_of(_ENCODER, manifest):
        pretrained = _ENCODER
    steps_an_epoch = -(-train.videos // _FULL_BATCH)
    batch = -(-train.videos // (steps_an_epoch * _ROWS)) * _ROWS
    steps = max(14 * np.sqrt(train.videos), 20 * train.videos / _FULL_BATCH)
    epochs = max(1, round(steps / steps_an_epoch))
    if "train.epochs" not in free:
        epochs = config.train.epochs
    evaluations = 3 if held_out >= _FEW_VIDEOS else 1
    chosen: dict[str, tuple[Any, str]] = {
        "train.batch_size": (
            batch,
            f"{train.videos} training videos in equal batches of at most {_FULL_BATCH}",
        ),
        "train.epochs": (
            epochs,
            f"{epochs * steps_an_epoch} steps: 14 √videos, at least 20 passes in batches of 128",
        ),
        "train.captions_per_video": (
            int(np.clip(per_video, 1, 4)),
            f"{per_video:.3g} captions a video, at most 4",
        ),
        "train.evaluate_every_epochs": (
            -(-epochs // evaluations),
            f"{held_out} validation videos; "
            + (
                "three evaluations" if evaluations > 1 else "so few choose by chance: the last state is taken"
            ),
        ),
        "optim.warmup_epochs": (epochs / 20, "a twentieth of the training"),
        "model.width": (256 if train.videos < 10_000 else 512, f"{train.videos} training videos"),
        "similarity.learn_level_weights": (True, "they follow the data"),
    }
    if pretrained:
        chosen |= {
            "model.context": ("pretrained", "the captions have MiniLM's tokens, and it is installed"),
            "model.pretrained": (pretrained, "the captions have MiniLM's tokens, and it is installed"),
            "model.dropout": (0.4, "as with MiniLM on MSR-VTT"),
            "similarity.attribute_share": (0.3, "as with MiniLM on MSR-VTT"),
            "train.token_state_cache": (train.captions <= 100_000, f"{train.captions} captions"),
        }
    else:
        chosen |= {"optim.learning_rate": (3e-3, "words are learned from the captions")}
    return _with_fields(config, {name: value for name, (value, _) in chosen.items() if name in free}), [
        f"{name} = {value} ({why})" for name, (value, why) in chosen.items() if name in free
    ]


def _has_tokens_of(encoder: str, manifest: Manifest) -> bool:
    """Whether the encoder is installed and the captions were prepared with its tokenizer."""
    try:
        return manifest.tokenizer.sha256 in read_bert(encoder).tokenizer_sha256
    except InputError:
        return False


def _free_fields(config: Config, set_by_hand: Collection[str]) -> set[str]:
    """Dotted names of the fields that have their default."""
    default = Config()
    return {
        f"{group.name}.{field.name}"
        for group in dataclasses.fields(config)
        if dataclasses.is_dataclass(getattr(config, group.name))
        for field in dataclasses.fields(getattr(config, group.name))
        if getattr(getattr(config, group.name), field.name)
        == getattr(getattr(default, group.name), field.name)
    } - set(set_by_hand)


def _with_fields(config: Config, values: Mapping[str, Any]) -> Config:
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, field = name.split(".")
        groups.setdefault(group, {})[field] = value
    changed = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in groups.items()}
    return dataclasses.replace(config, **changed)
