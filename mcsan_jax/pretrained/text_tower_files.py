"""This module reads the text tower of a published image–text encoder, with the tokenizer that is in its folder."""

import dataclasses
import json
import pathlib
from typing import Any

from data_pipeline.errors import Faults
from data_pipeline.prepared_data import (
    CONFIG_NAME,
    FIRST_ID,
    ImageTextTokenizer,
    find_pretrained,
    published_tokenizers,
)
from mcsan_jax.image_text.text_tower import TextShape
from mcsan_jax.image_text.tower_files import read_text_params, read_towers_config, weights_sha256
from mcsan_jax.image_text.tower_shapes import DEFAULTS, TowersConfig

_KINDS = {"clip": ("clip",), "siglip": ("siglip", "siglip2")}
"""The kinds of tokenizers, by the family of the towers that read their tokens."""


@dataclasses.dataclass(frozen=True)
class PretrainedTextTower:
    """A text tower as it was published.

    Attributes:
        config: the sizes of the encoder.
        shape: the sizes of its text tower, and its special tokens.
        tokenizer_sha256: hashes of the tokenizer files in the folder, hexadecimal.
    """

    config: TowersConfig
    shape: TextShape
    tokenizer_sha256: tuple[str, ...]

    @property
    def folder(self) -> pathlib.Path:
        """Returns where it was read."""
        return self.config.path.parent

    @property
    def longest_text(self) -> int:
        """Returns the number of own tokens of the longest text."""
        return self.shape.longest_text

    def params(self) -> dict[str, Any]:
        """Returns the parameters of `TextTower`, float32.

        Raises:
            InputError: a weight of either tower is missing or has another shape, or there is a foreign one.
        """
        return read_text_params(self.config)

    def weights_sha256(self) -> str:
        """Returns the SHA-256 of the weights, hexadecimal.

        Raises:
            InputError: there are no weights.
        """
        return weights_sha256(self.folder)


def is_image_text(name: str) -> bool:
    """Returns whether the ``config.json`` of a pretrained encoder says that it is an image–text encoder.

    Args:
        name: as in `find_pretrained`.

    Raises:
        InputError: there is no such encoder.
    """
    try:
        config = json.loads((find_pretrained(name) / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") in DEFAULTS


def read_text_tower(folder: str) -> PretrainedTextTower:
    """Describes a text tower; its weights are read by `PretrainedTextTower.params`.

    Args:
        folder: of an image–text encoder.

    Raises:
        InputError: it is missing, is no such encoder, or has no tokenizer or that of another one.
    """
    config = read_towers_config(folder)
    tower, faults = config.text, Faults()
    tokenizers = published_tokenizers(config.path.parent)
    fitting = []
    for tokenizer in tokenizers:
        found = f"{config.path.parent / tokenizer.file_name}: "
        if not isinstance(tokenizer, ImageTextTokenizer) or tokenizer.kind not in _KINDS[tower.family]:
            faults.add(
                f"{found}expected a tokenizer of the kind {' or '.join(_KINDS[tower.family])}, found one of the kind "
                f"{tokenizer.kind}; give the tokenizer of this encoder"
            )
        elif tokenizer.size - FIRST_ID != tower.vocabulary_size:
            faults.add(
                f"{found}expected {tower.vocabulary_size} tokens, as {config.path} says, found "
                f"{tokenizer.size - FIRST_ID}; give the tokenizer of this encoder"
            )
        else:
            fitting.append(tokenizer)
    faults.check()
    special = fitting[0].special
    shape = TextShape(tower, special.first, special.last, special.padding, FIRST_ID)
    return PretrainedTextTower(config, shape, tuple(tokenizer.sha256 for tokenizer in tokenizers))
