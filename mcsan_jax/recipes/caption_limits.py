"""How much of a caption a batch holds: limits that come from the data, and what they cut."""

import dataclasses
from collections.abc import Mapping, Sequence

from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config, DataConfig
from mcsan_jax.pretrained.text_tower_files import read_text_tower

_SHARE = 0.99
"""Share of the training captions that a derived limit does not cut."""
_MOST = {"tokens": 64, "actions": 8, "entities": 16, "relationships": 16, "modifiers": 16}
"""A derived limit is not larger, because a batch has room for it in every caption."""


def with_derived_limits(config: Config, manifest: Manifest) -> Config:
    """Returns the configuration with the limits that it leaves to the data (0) as numbers.

    Such a limit is the 99th percentile of the training captions, 64 tokens, 8 actions, 16 entities, 16 relationships or
    16 modifiers at most. Data of an earlier version does not know it; the default is taken there. Where the network
    begins with an image-text encoder, there are not more tokens than that reads.

    Raises:
        InputError: the image-text encoder is missing, or its text tower cannot be read.
    """
    sizes = manifest.caption_sizes.get(config.data.train_split)
    limits = (
        DataConfig().limits
        if sizes is None
        else {part: min(max(sizes.quantile(part, _SHARE), 1), most) for part, most in _MOST.items()}
    )
    if not config.data.max_tokens and (longest := _longest_text(config)) is not None:
        limits = {**limits, "tokens": min(limits["tokens"], longest)}
    return dataclasses.replace(config, data=config.data.with_limits(limits))


def describe_limits(given: Config, config: Config, manifest: Manifest, splits: Sequence[str]) -> str:
    """Says in a few lines what the limits are and, for each that cuts captions, how many and which flag keeps them.

    Args:
        given: the configuration as it was given.
        config: the same, with limits as numbers.
        manifest: of the data.
        splits: that are trained on or evaluated.
    """
    limits = config.data.limits
    known = {split: manifest.caption_sizes[split] for split in splits if split in manifest.caption_sizes}
    lines = [f"of a caption {_listed(limits)} are read"]
    if not known:
        lines[0] += (
            "; whether any has more is not known: an earlier version prepared the data, prepare them again"
        )
        return lines[0]
    if not all(given.data.limits.values()):
        lines[0] += (
            f"; what the configuration leaves open is enough for {100 * _SHARE:.0f} of 100 training captions (at most "
            f"{_listed(_MOST)})"
        )
    for part, limit in limits.items():
        cut = {split: sizes.longer(part, limit) for split, sizes in known.items()}
        if any(cut.values()):
            found = ", ".join(
                f"{number:,} of {manifest.splits[split].captions:,} in {split}"
                for split, number in cut.items()
            )
            most = max(sizes.longest(part) for sizes in known.values())
            longest = _longest_text(config) if part == "tokens" else None
            remedy = f"--config.data.max_{part}={most} keeps it"
            if longest is not None and limit >= longest:
                remedy = f"{config.model.pretrained_video} reads no more"
            lines.append(
                f"captions with more than {limit} {part}: {found}; the rest of each is cut off ({remedy})"
            )
    return "\n".join(lines)


def _longest_text(config: Config) -> int | None:
    """Returns the number of tokens of the longest text of the image-text encoder; None where there is none."""
    folder = config.model.pretrained_video
    return read_text_tower(folder).longest_text if folder else None


def _listed(limits: Mapping[str, int]) -> str:
    return ", ".join(f"{limit} {part}" for part, limit in limits.items())
