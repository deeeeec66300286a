"""This module opens frame encoders: a few by name, others from a folder. A new one is a file and a line here."""

import json
import pathlib
from collections.abc import Callable, Mapping

from data_pipeline.errors import InputError, first_few, nearest_name, shown
from mcsan_jax.frame_encoders.efficientnet import open_efficientnet
from mcsan_jax.frame_encoders.efficientnet_shape import SHAPES
from mcsan_jax.frame_encoders.frame_encoder import FrameEncoder
from mcsan_jax.frame_encoders.image_text_encoder import ImageTextEncoder
from mcsan_jax.image_text.tower_shapes import DEFAULTS

NAMED: Mapping[str, Callable[[str], FrameEncoder]] = {**dict.fromkeys(SHAPES, open_efficientnet)}
"""What opens an encoder of a name; it is given the name."""

FOLDERS: Mapping[str, Callable[[pathlib.Path], FrameEncoder]] = {
    **dict.fromkeys(DEFAULTS, ImageTextEncoder),
}
"""What opens a folder, by the ``model_type`` in its ``config.json``; it is given the folder."""

_CONFIG = "config.json"


def open_frame_encoder(name_or_folder: str) -> FrameEncoder:
    """Opens a frame encoder and reads its weights.

    Args:
        name_or_folder: a name in `NAMED`, or a folder whose ``config.json`` has a ``model_type`` in `FOLDERS`. A name
            comes first; write ./NAME for a folder of that name.

    Raises:
        InputError: there is no such encoder, or its files are missing, damaged or not its own.
    """
    if name_or_folder in NAMED:
        return NAMED[name_or_folder](name_or_folder)
    folder = pathlib.Path(name_or_folder)
    if not folder.is_dir():
        raise InputError(
            f"encoder {shown(name_or_folder)}: expected one of {first_few(sorted(NAMED))}, or a folder with "
            f"{_CONFIG}; {nearest_name(name_or_folder, NAMED)}".rstrip("; ")
        )
    kind = _model_type(folder / _CONFIG)
    if kind not in FOLDERS:
        raise InputError(
            f"{folder / _CONFIG}: expected a model_type of {first_few(sorted(FOLDERS))}, found {shown(kind)}; "
            "no encoder of this kind can be read"
        )
    return FOLDERS[kind](folder)


def _model_type(path: pathlib.Path) -> str:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not readable as JSON ({error}); expected the folder of an encoder, with its configuration and "
            "weights"
        ) from error
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""
