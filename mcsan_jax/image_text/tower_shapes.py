"""Sizes of the two towers of CLIP, SigLIP and SigLIP 2, from a ``config.json`` as Hugging Face writes it.

Such a file may leave out what equals the defaults of its kind, so these are stated here.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from data_pipeline.errors import Faults, InputError, nearest_name, shown

Config = Mapping[str, Any]

ACTIVATIONS = ("quick_gelu", "gelu", "gelu_pytorch_tanh")
"""Names of activations as ``hidden_act`` has them."""

_BLOCKS: Config = {"intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_CLIP: Config = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_SIGLIP: Config = {**_BLOCKS, "hidden_size": 768, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
_SIGLIP_TEXT: Config = {**_SIGLIP, "vocab_size": 32000, "max_position_embeddings": 64}
_SIGLIP_VISION: Config = {**_SIGLIP, "num_channels": 3, "patch_size": 16, "vision_use_head": True}

DEFAULTS: Mapping[str, Mapping[str, Config]] = {
    "clip": {
        "text": {
            **_CLIP,
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 8,
            "vocab_size": 49408,
            "max_position_embeddings": 77,
            "bos_token_id": 49406,
            "eos_token_id": 49407,
        },
        "vision": {
            **_BLOCKS,
            **_CLIP,
            "hidden_size": 768,
            "num_channels": 3,
            "image_size": 224,
            "patch_size": 32,
        },
        "both": {"projection_dim": 512},
    },
    "siglip": {"text": _SIGLIP_TEXT, "vision": {**_SIGLIP_VISION, "image_size": 224}, "both": {}},
    "siglip2": {"text": _SIGLIP_TEXT, "vision": {**_SIGLIP_VISION, "num_patches": 256}, "both": {}},
}
"""Values that a ``config.json`` may leave out, by its ``model_type``: of both towers, and beside them."""


@dataclasses.dataclass(frozen=True)
class TransformerShape:
    """These are the sizes of a stack of pre-norm transformer blocks.

    Attributes:
        width: the size of a state.
        layers: the number of blocks.
        heads: the number of attention heads of a block.
        inner_width: the width of the feed-forward part.
        activation: one of `ACTIVATIONS`.
        norm_epsilon: the epsilon of LayerNorm.
    """

    width: int
    layers: int
    heads: int
    inner_width: int
    activation: str
    norm_epsilon: float


@dataclasses.dataclass(frozen=True)
class VisionTowerShape:
    """These are the sizes of an image tower.

    Attributes:
        family: ``clip`` (class token, projection) or ``siglip`` (attention pooling).
        blocks: the sizes of its transformer.
        picture_side: rows and columns of a picture, pixels.
        patch_side: rows and columns of a patch, pixels; what is left of a picture beside whole patches is not seen.
        width_out: the size of an embedding.
    """

    family: str
    blocks: TransformerShape
    picture_side: int
    patch_side: int
    width_out: int

    @property
    def grid(self) -> tuple[int, int]:
        """Returns rows and columns of patches."""
        side = self.picture_side // self.patch_side
        return side, side


@dataclasses.dataclass(frozen=True)
class TextTowerShape:
    """These are the sizes of a text tower; its special tokens are those of its tokenizer.

    Attributes:
        family: ``clip`` (causal, embedding at the last token) or ``siglip`` (not causal, embedding at the last place).
        blocks: the sizes of its transformer.
        vocabulary_size: the number of rows of the word embedding.
        places: the number of tokens of the longest input, with special tokens.
        width_out: the size of an embedding.
        ends_at_highest: whether the token with the highest id is the last one; otherwise the tokenizer knows it.
    """

    family: str
    blocks: TransformerShape
    vocabulary_size: int
    places: int
    width_out: int
    ends_at_highest: bool = False


@dataclasses.dataclass(frozen=True)
class TowersConfig:
    """What the ``config.json`` of an image-text encoder says.

    Attributes:
        path: where it was read.
        model_type: ``clip``, ``siglip`` or ``siglip2`` (which takes pictures as flattened patches).
        vision, text: the sizes of its towers.
    """

    path: pathlib.Path
    model_type: str
    vision: VisionTowerShape
    text: TextTowerShape


def towers_of(config: Config, path: pathlib.Path) -> TowersConfig:
    """Returns the sizes of the towers that a ``config.json`` describes.

    Args:
        config: its content.
        path: where it was read, for messages.

    Raises:
        InputError: it describes no such encoder; all its faults are named.
    """
    model_type = str(config.get("model_type"))
    if model_type not in DEFAULTS:
        raise InputError(
            f"{path}: model_type: expected {', '.join(DEFAULTS)}, found {shown(config.get('model_type'))}; "
            f"{nearest_name(model_type, DEFAULTS)}give the folder of an encoder with an image and a text tower"
        )
    defaults, faults = DEFAULTS[model_type], Faults()
    vision = _Section(f"{path}: vision_config", _section(config, "vision_config"), defaults["vision"], faults)
    text = _Section(f"{path}: text_config", _section(config, "text_config"), defaults["text"], faults)
    blocks = _blocks(vision), _blocks(text)
    vision.expect("num_channels", 3)
    patch = vision.side("patch_size")
    if model_type == "clip":
        family = "clip"
        out = _Section(f"{path}", config, defaults["both"], faults).size("projection_dim")
        widths_out = (out, out)
    else:
        family = "siglip"
        vision.expect("vision_use_head", True)
        widths_out = blocks[0].width, text.size("projection_size", blocks[1].width)
        if widths_out[0] != widths_out[1]:
            expected = f"expected the width of the image tower, {widths_out[0]}"
            text.fault("projection_size", expected, widths_out[1])
    if model_type == "siglip2":
        patches = vision.size("num_patches")
        picture = round(patches**0.5) * patch
        if round(patches**0.5) ** 2 != patches:
            vision.fault("num_patches", "expected a square number", patches)
    else:
        picture = vision.side("image_size")
    if picture < patch:
        vision.fault("image_size", f"expected at least the patch_size, {patch}", picture)
    vocabulary, places = text.size("vocab_size"), text.size("max_position_embeddings")
    faults.check()
    return TowersConfig(
        path,
        model_type,
        VisionTowerShape(family, blocks[0], picture, patch, widths_out[0]),
        TextTowerShape(
            family,
            blocks[1],
            vocabulary,
            places,
            widths_out[1],
            # As transformers reads folders that were written before the id was right.
            ends_at_highest=model_type == "clip" and text.value("eos_token_id") == 2,
        ),
    )


def _section(config: Config, name: str) -> object:
    """Returns the part of one tower; where early versions wrote ``NAME_dict`` beside it, that is what counts."""
    for key in (f"{name}_dict", name):
        if config.get(key) is not None:
            return config[key]
    return {}


class _Section:
    """The values of one part of a ``config.json``; what is wrong with them is added to the faults."""

    def __init__(self, place: str, values: object, defaults: Config, faults: Faults) -> None:
        self._place, self._faults, self._defaults = place, faults, defaults
        self._values = values if isinstance(values, Mapping) else {}
        if not isinstance(values, Mapping):
            faults.add(f"{place}: expected names with values, found {shown(values)}")

    def value(self, key: str) -> Any:
        """Returns a value, or its default."""
        found = self._values.get(key)
        return self._defaults.get(key) if found is None else found

    def fault(self, key: str, expected: str, found: object) -> None:
        """Adds a fault."""
        self._faults.add(f"{self._place}.{key}: {expected}, found {shown(found)}")

    def expect(self, key: str, expected: object) -> None:
        """Adds a fault if the value is another one; a value without default may be missing."""
        found = self.value(key)
        if found is not None and found != expected:
            self.fault(key, f"expected {expected!r}", found)

    def size(self, key: str, default: int | None = None) -> int:
        """Returns a positive whole number, 1 where it is none."""
        found = self.value(key)
        return self._size(key, default if found is None else found)

    def side(self, key: str) -> int:
        """Returns the side of a square, which may be given as two equal numbers."""
        found = self.value(key)
        square = isinstance(found, list | tuple) and len(found) == 2 and found[0] == found[1]
        return self._size(key, found[0] if square else found)

    def one_of(self, key: str, names: Sequence[str]) -> str:
        """Returns a name, the first one where it is none of them."""
        found = self.value(key)
        if found in names:
            return found
        self.fault(key, f"expected {', '.join(names)}", found)
        return names[0]

    def fraction(self, key: str) -> float:
        """Returns a number between 0 and 1, a half where it is none."""
        found = self.value(key)
        if isinstance(found, float) and 0 < found < 1:
            return found
        self.fault(key, "expected a number between 0 and 1", found)
        return 0.5

    def _size(self, key: str, found: object) -> int:
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
        self.fault(key, "expected a whole number above 0", found)
        return 1


def _blocks(section: _Section) -> TransformerShape:
    shape = TransformerShape(
        width=section.size("hidden_size"),
        layers=section.size("num_hidden_layers"),
        heads=section.size("num_attention_heads"),
        inner_width=section.size("intermediate_size"),
        activation=section.one_of("hidden_act", ACTIVATIONS),
        norm_epsilon=section.fraction("layer_norm_eps"),
    )
    if shape.width % shape.heads:
        section.fault("num_attention_heads", f"expected a divisor of hidden_size {shape.width}", shape.heads)
    return shape
