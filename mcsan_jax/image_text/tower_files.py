"""Reads an image-text encoder from a folder as Hugging Face writes it: ``config.json`` and safetensors, no pickles."""

import collections
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors

from data_pipeline.errors import Faults, InputError, shown
from data_pipeline.host.files import nearest_folder, sha256_of
from mcsan_jax.image_text.tower_shapes import TowersConfig, towers_of
from mcsan_jax.image_text.tower_weights import TowerWeight, text_weights, vision_weights

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SHARDS_FILE = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

_UNUSED = ("logit_scale", "logit_bias", "position_ids")
"""Last words of the names of what towers do not need: how a loss scales scores, and whole numbers in order."""

_TYPES = {"F32": jnp.float32, "F16": jnp.float16, "BF16": jnp.bfloat16}
"""Types of stored weights; they become float32. That of bfloat16 is known to NumPy from JAX."""


@dataclasses.dataclass(frozen=True)
class _Stored:
    """A weight in a file.

    Attributes:
        file: the file.
        shape: its shape.
        type: its type, as safetensors names it.
    """

    file: pathlib.Path
    shape: tuple[int, ...]
    type: str


def read_towers_config(folder: str | pathlib.Path) -> TowersConfig:
    """Returns the sizes of both towers of an encoder.

    Args:
        folder: holds ``config.json``.

    Raises:
        InputError: there is none, or it describes no CLIP, SigLIP or SigLIP 2.
    """
    path = pathlib.Path(folder) / CONFIG_FILE
    if not path.is_file():
        near = nearest_folder(path.parent, CONFIG_FILE)
        raise InputError(
            f"{path}: expected the description of an image-text encoder, found no such file; {near}"
            f"give a folder as Hugging Face writes it, with {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    return towers_of(_read_json(path), path)


def weights_sha256(folder: str | pathlib.Path) -> str:
    """Returns the SHA-256 of ``model.safetensors``, hexadecimal; of several files, that of what sha256sum prints.

    Raises:
        InputError: there are no weights in safetensors.
    """
    files = _weight_files(pathlib.Path(folder))
    if len(files) == 1:
        return sha256_of(files[0])
    sums = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(sums.encode()).hexdigest()


def read_vision_params(config: TowersConfig) -> dict[str, Any]:
    """Returns the parameters of `VisionTower`, float32.

    Raises:
        InputError: a weight of either tower is missing or has another shape, or there is a foreign one; all are named.
    """
    return _read_params(config, vision_weights(config))


def read_text_params(config: TowersConfig) -> dict[str, Any]:
    """Returns the parameters of `TextTower`, float32.

    Raises:
        InputError: a weight of either tower is missing or has another shape, or there is a foreign one; all are named.
    """
    return _read_params(config, text_weights(config))


def _read_params(config: TowersConfig, wanted: Sequence[TowerWeight]) -> dict[str, Any]:
    stored = _stored_weights(_weight_files(config.path.parent))
    _check(config, stored)
    params: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        files = {one.file for one in stored.values()}
        opened = {file: stack.enter_context(_opened(file)) for file in files}
        for weight in wanted:
            arrays = [
                np.asarray(opened[stored[name].file].get_tensor(name), np.float32) for name in weight.shapes
            ]
            place = params
            for name in weight.path[:-1]:
                place = place.setdefault(name, {})
            place[weight.path[-1]] = weight.made(arrays)
    return params


def _check(config: TowersConfig, stored: Mapping[str, _Stored]) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for weight in (*vision_weights(config), *text_weights(config)):
        expected.update(weight.shapes)
    faults = collections.defaultdict(list, {"missing": sorted(expected.keys() - stored.keys())})
    for name, one in stored.items():
        if name not in expected:
            if name.rpartition(".")[2] not in _UNUSED:
                faults["foreign"].append(name)
        elif one.shape != expected[name]:
            faults[f"expected the shape {expected[name]}, found {one.shape}"].append(name)
        elif one.type not in _TYPES:
            faults[f"expected {', '.join(_TYPES)}, found {one.type}"].append(name)
    lines = [f"\n  {said}: {', '.join(_layers_together(names))}" for said, names in faults.items() if names]
    if lines:
        raise InputError(
            f"{config.path.parent}: expected the weights that {CONFIG_FILE} describes, found others; download the "
            f"encoder again, or give the {CONFIG_FILE} that belongs to them{''.join(lines)}"
        )


def _layers_together(names: Sequence[str]) -> list[str]:
    """Returns each name once, with the numbers of all blocks that have it: ``layers.(0 1 2).mlp.fc1.bias``."""
    numbers: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        start, *layer = re.split(r"(?<=\.layers\.)(\d+)(?=\.)", name, maxsplit=1)
        numbers.setdefault((start, *layer[1:]), []).extend(layer[:1])
    return [
        f"({' '.join(sorted(found, key=int))})".join(parts) if found else parts[0]
        for parts, found in numbers.items()
    ]


def _weight_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files with the weights, sorted by name."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    index = folder / SHARDS_FILE
    if not index.is_file():
        raise InputError(_no_weights(folder))
    names = _read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise InputError(f"{index}: weight_map: expected files by the names of weights, found {shown(names)}")
    files, faults = [folder / str(name) for name in sorted(set(names.values()), key=str)], Faults()
    for file in files:
        if file.parent != folder or not file.is_file():
            faults.add(f"{file}: expected a file with weights as {SHARDS_FILE} says, found none")
    faults.check()
    return files


def _no_weights(folder: pathlib.Path) -> str:
    pickle = next((name for name in _PICKLES if (folder / name).is_file()), None)
    if pickle is None:
        return (
            f"{folder}: expected {WEIGHTS_FILE} or {SHARDS_FILE}, found neither; download the encoder again"
        )
    return (
        f"{folder}: expected {WEIGHTS_FILE}, found {pickle} alone, a pickle, which can run code and is not read; "
        "if you trust it, convert it where PyTorch and transformers are installed: python -c "
        f"\"from transformers import AutoModel as M; M.from_pretrained('{folder}').save_pretrained('{folder}')\""
    )


def _stored_weights(files: Sequence[pathlib.Path]) -> dict[str, _Stored]:
    stored = {}
    for file in files:
        with _opened(file) as tensors:
            names = tensors.keys()
            for name in names:
                piece = tensors.get_slice(name)
                stored[name] = _Stored(file, tuple(piece.get_shape()), piece.get_dtype())
    return stored


@contextlib.contextmanager
def _opened(file: pathlib.Path) -> Iterator[Any]:
    try:
        opened = safetensors.safe_open(file, framework="numpy")
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{file}: expected safetensors, found what is not readable as such ({error}); download the encoder again"
        ) from error
    with opened as tensors:
        yield tensors


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: expected JSON, found what is not readable as such ({error}); download the encoder again"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected names with values, found {shown(content)}")
    return content
