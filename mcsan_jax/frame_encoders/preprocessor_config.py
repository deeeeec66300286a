"""Reads how an image-text encoder was given pictures, from ``preprocessor_config.json`` as Hugging Face writes it.

Early files have whole numbers as sizes and no ``rescale_factor``; new ones may be a part of ``processor_config.json``.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.errors import Faults, InputError, shown
from mcsan_jax.image_text.tower_shapes import TowersConfig

_FILE, _FILE_OF_BOTH, _PART = "preprocessor_config.json", "processor_config.json", "image_processor"

_ALL = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
_HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
_CLIP = {
    **_ALL,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": 224,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_SIGLIP = {**_ALL, **_HALF, "size": {"height": 224, "width": 224}, "resample": 3, "do_center_crop": False}
_SIGLIP2 = {**_ALL, **_HALF, "resample": 2, "patch_size": 16, "max_num_patches": 256}

PROCESSOR_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "CLIPImageProcessor": _CLIP,
    "SiglipImageProcessor": _SIGLIP,
    "Siglip2ImageProcessor": _SIGLIP2,
}
"""Values that a file may leave out, by its ``image_processor_type``."""

_OF_MODEL = dict(zip(("clip", "siglip", "siglip2"), PROCESSOR_DEFAULTS, strict=True))

_INTERPOLATIONS: Mapping[str, Literal["bilinear", "bicubic"]] = {"2": "bilinear", "3": "bicubic"}
"""Kinds of interpolation by the numbers that Pillow has for them."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How pictures become inputs of an image tower: ``(x scale - mean) / deviation`` for each colour.

    Attributes:
        view: how a frame is resized and cut.
        scale: what a number of a picture, 0 to 255, is multiplied by.
        mean: what is subtracted from red, green and blue.
        deviation: what they are divided by.
    """

    view: PictureView
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __str__(self) -> str:
        """Returns the formula in one line."""
        return f"(x * {self.scale:.9g} - {list(self.mean)}) / {list(self.deviation)}, x red, green and blue, 0 to 255"


def read_preprocessing(towers: TowersConfig) -> Preprocessing:
    """Returns what the file beside an encoder's ``config.json`` says.

    Raises:
        InputError: there is none, or it asks for what is not supported here or does not fit the image tower; all of it
            is named.
    """
    path, values = _read(towers.path.parent)
    kind = values.get("image_processor_type") or values.get("feature_extractor_type")
    # One class has had several names over the years.
    name = str(kind or _OF_MODEL[towers.model_type]).removesuffix("Fast").removesuffix("Pil")
    name = name.replace("FeatureExtractor", "ImageProcessor")
    if name not in PROCESSOR_DEFAULTS:
        raise InputError(
            f"{path}: image_processor_type: expected {', '.join(PROCESSOR_DEFAULTS)}, found {shown(kind)}; "
            "no other preprocessing is supported"
        )
    given = {key: value for key, value in values.items() if value is not None}
    return _preprocessing({**PROCESSOR_DEFAULTS[name], **given}, towers, path)


def _read(folder: pathlib.Path) -> tuple[pathlib.Path, Mapping[str, Any]]:
    # As in transformers, the file of pictures and texts comes first, if pictures are in it.
    for name in (_FILE_OF_BOTH, _FILE):
        path = folder / name
        if not path.is_file():
            continue
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: expected JSON, found what is not readable as such ({error}); download the encoder again"
            ) from error
        if isinstance(values, dict) and name == _FILE_OF_BOTH:
            values = values.get(_PART)
        if isinstance(values, dict):
            return path, values
    raise InputError(
        f"{folder}: expected {_FILE}, or {_FILE_OF_BOTH} with {_PART}, found neither; download the encoder again"
    )


def _preprocessing(values: Mapping[str, Any], towers: TowersConfig, path: pathlib.Path) -> Preprocessing:
    faults = Faults()

    def fault(key: str, expected: str) -> None:
        faults.add(f"{path}: {key}: expected {expected}, found {shown(values.get(key))}")

    if values["do_resize"] is not True:
        fault("do_resize", "true")
    interpolation = _INTERPOLATIONS.get(str(values["resample"]), "bicubic")
    if str(values["resample"]) not in _INTERPOLATIONS:
        fault("resample", "2 (bilinear) or 3 (bicubic)")
    scale = values["rescale_factor"] if values["do_rescale"] else 1.0
    if not _are_numbers([scale], 1) or scale <= 0:
        fault("rescale_factor", "a number above 0")
    mean, deviation = (
        values[key] if values["do_normalize"] else [default] * 3
        for key, default in (("image_mean", 0.0), ("image_std", 1.0))
    )
    if not _are_numbers(mean, 3):
        fault("image_mean", "three numbers")
    if not _are_numbers(deviation, 3) or min(deviation) <= 0:
        fault("image_std", "three numbers above 0")
    side = towers.vision.picture_side
    resize, crop = _sizes(values, towers, fault)
    wanted = f"what makes pictures of {side} x {side}, as {towers.path.name} asks for"
    if crop is None and resize != (side, side):
        fault("size", wanted)
    elif crop is not None and crop != side:
        fault("crop_size", wanted)
    elif crop is not None and min((resize,) if isinstance(resize, int) else resize) < crop:
        fault("size", f"at least the crop_size, {crop}")
    faults.check()
    return Preprocessing(
        PictureView(resize, crop, interpolation), float(scale), tuple(mean), tuple(deviation)
    )


def _sizes(
    values: Mapping[str, Any], towers: TowersConfig, fault: Any
) -> tuple[int | tuple[int, int], int | None]:
    """Returns the size to which pictures are resized, as in `PictureView`, and the side of what is cut out of them."""
    vision = towers.vision
    if "max_num_patches" in values:
        # The network takes pictures of any shape; here they are squares of as many patches as it has places.
        for key, expected in (("patch_size", vision.patch_side), ("max_num_patches", vision.grid[0] ** 2)):
            if values[key] != expected:
                fault(key, f"{expected}, as in {towers.path.name}")
        return (vision.picture_side, vision.picture_side), None
    resize = _size(values["size"])
    if resize is None:
        fault("size", "shortest_edge, or height and width, whole numbers above 0")
        resize = vision.picture_side, vision.picture_side
    if not values["do_center_crop"]:
        return resize, None
    crop = _size(values["crop_size"]) if "crop_size" in values else None
    if crop is None or (not isinstance(crop, int) and crop[0] != crop[1]):
        fault("crop_size", "the side of a square")
        return resize, vision.picture_side
    return resize, crop if isinstance(crop, int) else crop[0]


def _size(value: object) -> int | tuple[int, int] | None:
    """Returns the shorter side, or rows and columns; None for what is no size."""
    if isinstance(value, Mapping) and value.keys() == {"shortest_edge"}:
        value = value["shortest_edge"]
    elif isinstance(value, Mapping) and value.keys() == {"height", "width"}:
        value = [value["height"], value["width"]]
    match value:
        case int(side) if _is_side(side):
            return side
        case [int(rows), int(columns)] if _is_side(rows) and _is_side(columns):
            return rows, columns
    return None


def _is_side(number: int) -> bool:
    return not isinstance(number, bool) and number > 0


def _are_numbers(value: object, count: int) -> bool:
    numbers = value if isinstance(value, Sequence) else ()
    return len(numbers) == count and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in numbers
    )
