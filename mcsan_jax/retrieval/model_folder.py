"""This module keeps a trained model as a folder that needs nothing beside it: no run, no prepared data, no pickle.

The folder has ``config.json`` (the configuration and what describes the model), ``model.safetensors`` (parameters, the
standardisation of features and the linear branch), ``manifest.json`` (the streams of features, the roles, the parser),
the files of the tokenizer and of the attributes, and ``README.md``, the model card. A published text encoder that stays
as it was published is referred to by the hash of its weights, unless it is carried along.
"""

import json
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.errors import Faults, InputError
from data_pipeline.host.files import check_writable, checksum_problem, replacing, sha256_of, write_text
from data_pipeline.host.typed_values import RULES, Size, parse
from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.bert_files import WEIGHTS_NAME, PretrainedBert, read_bert
from mcsan_jax.runs.record import package_versions, plain
from mcsan_jax.runs.stored_config import flatten, from_flat

SCHEMA_VERSION = 1
CONFIG_NAME = "config.json"
CARD_NAME = "README.md"
_ADVICE = "Export the model again, or copy its folder anew."
_SEPARATOR = "/"
_ENCODER_PLACE = ("params", "text_encoder", "tokens", PRETRAINED)


@dataclass(frozen=True, config=RULES)
class EncoderReference:
    """A published text encoder that the model reads captions with, unchanged."""

    name: str
    """Its name, as ``model.pretrained`` has it."""
    sha256: str
    """Hash of its weights, hexadecimal."""
    included: bool
    """Whether its weights are among those of the model."""


@dataclass(frozen=True, config=RULES)
class ModelDescription:
    """The content of ``config.json``."""

    model_type: str
    """``mcsan``, for programs that look at folders of many kinds."""
    schema_version: Size
    """Of this description."""
    step: Size
    """The training step of the parameters."""
    licence: str
    """Terms of the annotations that it was trained on; empty where unknown."""
    encoder: EncoderReference | None
    """The frozen published text encoder; null without one."""
    files: dict[str, str]
    """SHA-256 of every file but this one and the card, by name."""
    versions: dict[str, str]
    """Versions of the packages that wrote it."""
    config: dict[str, Any]
    """Every field of the configuration by its dotted name."""


def write_model_folder(
    folder: pathlib.Path,
    config: Config,
    manifest: Manifest,
    texts_from: pathlib.Path,
    variables: Mapping[str, Any],
    *,
    step: int,
    card: str,
    licence: str = "",
    include_encoder: bool = False,
    dtype: str = "float32",
) -> None:
    """Writes a model; a folder that holds an earlier model is replaced, file by file.

    Args:
        folder: to be written; missing folders above it are made.
        config: the configuration that the model was trained with.
        manifest: of the data that it was trained on.
        texts_from: folder with the files of the tokenizer and of the attributes.
        variables: parameters and statistics of the model.
        step: of the training.
        card: the text of ``README.md``.
        licence: terms of the annotations.
        include_encoder: whether a frozen published encoder is carried along.
        dtype: in which numbers are kept; ``float16`` halves the folder, and rounds.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    from safetensors.numpy import save_file

    if folder.is_dir() and any(folder.iterdir()) and not is_model_folder(folder):
        raise InputError(f"{folder} is not empty and holds no model; name a new folder, or an empty one")
    check_writable(folder, "name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    encoder, kept = None, _flattened(variables)
    if config.encoder_is_frozen:
        published = read_bert(config.model.pretrained)
        encoder = EncoderReference(
            config.model.pretrained, sha256_of(published.folder / WEIGHTS_NAME), include_encoder
        )
        if not include_encoder:
            kept = {name: value for name, value in kept.items() if not _of_encoder(name)}
    tensors = {name: np.ascontiguousarray(value.astype(dtype)) for name, value in kept.items()}
    with replacing(folder / WEIGHTS_NAME) as partial:
        save_file(tensors, partial)
    manifest.save(folder)
    for name in (manifest.tokenizer.file, manifest.attributes.file):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (folder / name).resolve() != (texts_from / name).resolve():
            shutil.copyfile(texts_from / name, folder / name)
    names = (WEIGHTS_NAME, "manifest.json", manifest.tokenizer.file, manifest.attributes.file)
    description = ModelDescription(
        model_type="mcsan",
        schema_version=SCHEMA_VERSION,
        step=step,
        licence=licence,
        encoder=encoder,
        files={name: sha256_of(folder / name) for name in names},
        versions=package_versions(),
        config=plain(flatten(config)),
    )
    write_text(folder / CARD_NAME, card)
    content = TypeAdapter(ModelDescription).dump_python(description, mode="json")
    write_text(folder / CONFIG_NAME, json.dumps(content, indent=1) + "\n")


def is_model_folder(folder: pathlib.Path) -> bool:
    """Returns whether a folder holds a model: its ``config.json`` says so."""
    try:
        content = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("model_type") == "mcsan"


def read_description(folder: pathlib.Path) -> ModelDescription:
    """Reads ``config.json``, and checks that every file is there as it was written.

    Raises:
        InputError: there is no model, a file is missing or was changed, or a newer version of the program wrote it.
    """
    path = folder / CONFIG_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name the folder of a model") from error
    except ValueError as error:
        raise InputError(f"{path} is no valid JSON ({error}). {_ADVICE}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema version {version}, and this program reads up to {SCHEMA_VERSION}: a newer version of "
            "mcsan-jax wrote the model; install that one (`pip install --upgrade mcsan-jax`)"
        )
    description = parse(ModelDescription, content, f"{path}: ", _ADVICE)
    faults = Faults()
    for name, sha256 in description.files.items():
        if problem := checksum_problem(folder / name, sha256):
            faults.add(f"{problem}. {_ADVICE}")
    faults.check()
    return description


def stored_config(description: ModelDescription) -> Config:
    """Returns the configuration that the model was trained with."""
    return from_flat(description.config)


def read_variables(
    folder: pathlib.Path, description: ModelDescription, encoder: PretrainedBert | None, like: Any
) -> dict[str, Any]:
    """Reads parameters and statistics.

    Args:
        folder: of the model.
        description: its ``config.json``.
        encoder: the published text encoder of the configuration, as it is installed.
        like: the variables of the network, of which only shapes and types count.

    Raises:
        InputError: the weights are damaged or of another network, or the installed encoder is another one.
    """
    import safetensors
    from safetensors.numpy import load_file

    path = folder / WEIGHTS_NAME
    try:
        tensors = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not readable as safetensors ({error}). {_ADVICE}") from error
    reference = description.encoder
    if encoder is not None and reference is not None and not reference.included:
        if (found := sha256_of(encoder.folder / WEIGHTS_NAME)) != reference.sha256:
            raise InputError(
                f"the model reads captions with {reference.name}, whose weights have the SHA-256 {reference.sha256}; "
                f"those in {encoder.folder} have {found}: install the same version of it, or export the model with "
                "--include_encoder"
            )
        published = _flattened(encoder.params())
        prefix = _SEPARATOR.join(_ENCODER_PLACE)
        tensors |= {f"{prefix}{_SEPARATOR}{name}": value for name, value in published.items()}
    expected = _flattened(like)
    faults = Faults()
    for name in sorted(expected.keys() ^ tensors.keys()):
        faults.add(
            f"{path}: {'no tensor' if name in expected else 'no place for the tensor'} {name}. {_ADVICE}"
        )
    for name in sorted(expected.keys() & tensors.keys()):
        if tensors[name].size != np.prod(expected[name].shape, dtype=int):
            faults.add(
                f"{path}: {name} has the shape {list(tensors[name].shape)}; the configuration asks for "
                f"{list(expected[name].shape)}. {_ADVICE}"
            )
    faults.check()
    return _nested(
        {name: tensors[name].astype(wanted.dtype).reshape(wanted.shape) for name, wanted in expected.items()}
    )


def _of_encoder(name: str) -> bool:
    return tuple(name.split(_SEPARATOR))[: len(_ENCODER_PLACE)] == _ENCODER_PLACE


def _flattened(tree: Any) -> dict[str, Any]:
    """Returns the leaves of nested dictionaries by the keys that lead to them; arrays come to the host."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        _SEPARATOR.join(str(step.key) for step in path): (
            leaf if isinstance(leaf, jax.ShapeDtypeStruct) else np.asarray(leaf)
        )
        for path, leaf in leaves
    }


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, last = name.split(_SEPARATOR)
        inner = tree
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return tree
