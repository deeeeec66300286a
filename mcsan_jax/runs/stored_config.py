"""This module turns a configuration into one value for each dotted name, as a run folder keeps it, and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from data_pipeline.host.typed_values import parse
from mcsan_jax.config import Config

_RENAMED = {
    "similarity.attribute_weight": "similarity.attribute_share",
    "similarity.block_bytes": "similarity.cosine_bytes",
    "train.keep_states": "train.token_state_cache",
    "loss.attribute_weight": "loss.focal_weight",
    "evaluation.block_bytes": "evaluation.encoded_bytes",
}
"""Older runs stored these fields under another name."""
_GONE = ("similarity.kernel",)
"""Older runs stored these fields, which chose between forms of the same computation."""


def from_flat(flat: Mapping[str, Any]) -> Config:
    """Returns the configuration that `flatten` wrote; fields that are newer than the file have their defaults.

    Raises:
        InputError: a field is unknown or has a value that does not fit, as in `from_config_dict`.
    """
    values: dict[str, Any] = {}
    for key, value in flat.items():
        if key in _GONE:
            continue
        group, dot, name = _RENAMED.get(key, key).partition(".")
        if dot:
            values.setdefault(group, {})[name] = value
    values |= {key: value for key, value in flat.items() if "." not in key}
    advice = "The configuration was stored by another version of the program; use that version."
    return parse(Config, values, "config.", advice)


def flatten(config: Config) -> dict[str, Any]:
    """Returns every field by its dotted name, such as ``optim.learning_rate``."""
    groups = dataclasses.asdict(config)
    flat = {"name": groups.pop("name")}
    for group, fields in groups.items():
        flat |= {f"{group}.{name}": value for name, value in fields.items()}
    return flat
