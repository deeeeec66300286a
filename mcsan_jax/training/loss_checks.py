"""This module refuses, before the expensive work, losses for which the prepared data have nothing to compare."""

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config


def check_negatives(config: Config, manifest: Manifest) -> None:
    """Refuses steps of one video: a ranking loss compares the videos of a step with each other's captions."""
    videos = manifest.splits[config.data.train_split].videos
    if config.loss.ranking == "none" or min(config.train.batch_size, videos) > 1:
        return
    found = (
        f"config.train.batch_size is {config.train.batch_size}"
        if videos > 1
        else f"split {config.data.train_split!r} of the prepared data, which is trained on, has {videos} video(s)"
    )
    remedy = (
        f"use 2 or more, such as --config.train.batch_size={min(videos, 64)}"
        if videos > 1
        else "prepare more"
    )
    raise InputError(
        f"{found}, so that a step has one video, no other to tell it from, and nothing to learn; {remedy}"
    )


def check_foils(config: Config, manifest: Manifest) -> None:
    """Refuses a loss on foils where the training split has none."""
    split = config.data.train_split
    if config.loss.foils > 0 and not manifest.splits[split].foils:
        raise InputError(
            f"config.loss.foils is {config.loss.foils:g}, but split {split!r} of the prepared data, which is trained "
            "on, has no foils, captions made false; prepare it again with --foils=1, or use --config.loss.foils=0"
        )
