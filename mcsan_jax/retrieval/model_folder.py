"""This module keeps a trained model as a folder that needs nothing beside it: no run, no prepared data, no pickle.

The folder has ``config.json`` (the configuration and what describes the model), ``model.safetensors`` (parameters, the
standardisation of features and the linear branch), ``manifest.json`` (the streams of features, the roles, the parser),
the files of the tokenizer and of the attributes, ``calibration.json`` (what turns scores into probabilities, where it
was fitted), and ``README.md``, the model card. A published text encoder that stays as it was published is referred to
by the hash of its weights, unless it is carried along. One that has learned always is, and so is the text tower of an
image-text encoder: it need not be installed.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.errors import Faults, InputError, shown
from data_pipeline.host.files import check_writable, checksum_problem, sha256_of, write_text
from data_pipeline.host.typed_values import RULES, Size, check_version, parse
from data_pipeline.prepared_data import MANIFEST_NAME, Manifest
from mcsan_jax.calibration.calibration import Calibration, keep_calibration, read_calibration
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import data_shape, example_batch
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.models.text_encoder import EncoderShape
from mcsan_jax.models.zero_shot_branch import ZeroShotShape
from mcsan_jax.pretrained.bert_files import WEIGHTS_NAME
from mcsan_jax.pretrained.initial_parameters import find_encoder, read_encoder
from mcsan_jax.ranking.encode_split import Encoders, make_encoders
from mcsan_jax.retrieval.hub import short_card
from mcsan_jax.retrieval.model_tensors import ADVICE, DTYPES, flattened, in_dtype, of_encoder, read_variables
from mcsan_jax.runs.record import package_versions, plain
from mcsan_jax.runs.stored_config import flatten, from_flat
from mcsan_jax.sharding import make_mesh

SCHEMA_VERSION = 2
_OLD_MODEL = "its captions have no modifiers and denials: train the model again, or use that version"
CONFIG_NAME, CARD_NAME = "config.json", "README.md"
_PARTIAL = ".partial"
"""A folder inside that of the model, where its files are until all of them are written."""


@dataclass(frozen=True, config=RULES)
class EncoderReference:
    """A published text encoder that the model reads captions with."""

    name: str
    """Its name, as ``model.pretrained`` has it."""
    sha256: str
    """Hash of its weights as they were published, hexadecimal."""
    shape: EncoderShape
    """Its sizes and special tokens."""
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
    """The published text encoder; null without one."""
    files: dict[str, str]
    """SHA-256 of every file but this one, the calibration and the card, by name."""
    versions: dict[str, str]
    """Versions of the packages that wrote it."""
    config: dict[str, Any]
    """Every field of the configuration by its dotted name."""
    zero_shot: ZeroShotShape | None = None
    """Sizes of the text tower of the image-text encoder that made the frames; left out without one."""
    fingerprint: str = ""
    """SHA-256 of all other fields."""

    def signed(self) -> "ModelDescription":
        """Returns the description with its fingerprint."""
        content = json.dumps(self.to_json() | {"fingerprint": ""}, sort_keys=True)
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        return dataclasses.replace(self, fingerprint=sha256)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of the file; as earlier versions wrote it where no image-text encoder is read."""
        left_out = {"zero_shot"} if self.zero_shot is None else None
        return TypeAdapter(ModelDescription).dump_python(self, mode="json", exclude=left_out)


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
    encoder: EncoderReference | None = None,
    include_encoder: bool = False,
    dtype: str = "float32",
    calibration: Calibration | None = None,
    zero_shot: ZeroShotShape | None = None,
) -> None:
    """Writes a model; the files of an earlier model in the folder are replaced when all new ones are written.

    Args:
        folder: to be written; missing folders above it are made.
        config: the configuration that the model was trained with.
        manifest: of the data that it was trained on.
        texts_from: folder with the files of the tokenizer and of the attributes.
        variables: parameters and statistics of the model.
        step: of the training.
        card: the text of ``README.md``; empty for a short one that says that there are no figures.
        licence: terms of the annotations.
        encoder: the published text encoder of a model from a folder; None for the installed one, if there is one.
        include_encoder: whether a frozen published encoder is carried along.
        dtype: in which numbers parameters are kept; ``float16`` halves the folder, and rounds.
        calibration: of its scores.
        zero_shot: sizes of the text tower of the image-text encoder with whose score the model began.

    Raises:
        InputError: the folder holds something else, or cannot be written, or there is no such dtype.
    """
    from safetensors.numpy import save

    if dtype not in DTYPES:
        raise InputError(f"dtype is {shown(dtype)}; expected one of {', '.join(DTYPES)}")
    check_place(folder)
    encoder, kept = encoder or _installed_encoder(config), flattened(variables)
    if encoder is not None:
        encoder = dataclasses.replace(encoder, included=include_encoder or not config.encoder_is_frozen)
        if not encoder.included:
            kept = {name: value for name, value in kept.items() if not of_encoder(name)}
    with _written_together(folder) as partial:
        tensors = {name: np.ascontiguousarray(in_dtype(name, value, dtype)) for name, value in kept.items()}
        # Written here and not by the library, so that others can read it where the umask lets them.
        (partial / WEIGHTS_NAME).write_bytes(save(tensors))
        manifest.save(partial)
        for name in (manifest.tokenizer.file, manifest.attributes.file):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(texts_from / name, partial / name)
        names = (WEIGHTS_NAME, MANIFEST_NAME, manifest.tokenizer.file, manifest.attributes.file)
        description = ModelDescription(
            model_type="mcsan",
            schema_version=SCHEMA_VERSION,
            step=step,
            licence=licence,
            encoder=encoder,
            files={name: sha256_of(partial / name) for name in names},
            versions=package_versions(),
            config=plain(flatten(config)),
            zero_shot=zero_shot,
        ).signed()
        write_text(partial / CARD_NAME, card or short_card(config, manifest, step, licence))
        write_text(partial / CONFIG_NAME, json.dumps(description.to_json(), indent=1) + "\n")
        # The description comes first: a folder in which an interruption left some of the files can be written again.
        for name in (CONFIG_NAME, *names, CARD_NAME):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).replace(folder / name)
        keep_calibration(calibration, folder)


@contextlib.contextmanager
def _written_together(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a new folder inside another one, which is removed at the end."""
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_place(folder: pathlib.Path, advice: str = "name another folder") -> None:
    """Checks that a model can be written into a folder, and leaves nothing behind.

    Raises:
        InputError: the folder holds something else, or cannot be written; the message ends with the advice.
    """
    others = [path for path in folder.iterdir() if path.name != _PARTIAL] if folder.is_dir() else []
    if others and not is_model_folder(folder):
        raise InputError(
            f"{folder} is not empty and holds no model; name a new or an empty folder ({advice})"
        )
    check_writable(folder, advice)


def _installed_encoder(config: Config) -> EncoderReference | None:
    if not config.model.pretrained:
        return None
    published = read_encoder(config.model.pretrained)
    weights = published.weights_sha256()
    return EncoderReference(config.model.pretrained, weights, published.shape, included=False)


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
        InputError: there is no model, a file is missing or was changed, or another version of the program wrote it.
    """
    path = folder / CONFIG_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name the folder of a model") from error
    except ValueError as error:
        raise InputError(f"{path} is no valid JSON ({error}). {ADVICE}") from error
    check_version(content, SCHEMA_VERSION, path, "model", _OLD_MODEL)
    description = parse(ModelDescription, content, f"{path}: ", ADVICE)
    faults = Faults()
    if description.fingerprint != description.signed().fingerprint:
        faults.add(f"{path}: was changed after it was written. {ADVICE}")
    for name, sha256 in description.files.items():
        if problem := checksum_problem(folder / name, sha256):
            faults.add(f"{problem}. {ADVICE}")
    faults.check()
    return description


@dataclasses.dataclass(frozen=True)
class OpenedFolder:
    """An opened folder holds all that it keeps of a model, ready to encode.

    Attributes:
        description: its ``config.json``.
        config: the configuration that the model was trained with, in a form that the devices can run.
        manifest: of the data that the model was trained on.
        variables: parameters and statistics.
        encoders: the compiled encoders.
        card: text of the model card; empty where there is none.
        calibration: of its scores; None where there is none.
    """

    description: ModelDescription
    config: Config
    manifest: Manifest
    variables: dict[str, Any]
    encoders: Encoders
    card: str
    calibration: Calibration | None


def open_model_folder(folder: pathlib.Path, devices: Sequence[jax.Device] | None = None) -> OpenedFolder:
    """Opens a model.

    Args:
        folder: of the model.
        devices: on which it runs; by default all.

    Raises:
        InputError: a file is missing, damaged or of a newer version, or a text encoder that the model refers to is not
            installed, or in another version.
    """
    description = read_description(folder)
    mesh, config = make_mesh(devices), from_flat(description.config)
    manifest = Manifest.load(folder)
    published = description.encoder
    shape = None if published is None else published.shape
    network = MCSAN(config, data_shape(manifest), shape, description.zero_shot)
    like = jax.eval_shape(network.init, jax.random.key(0), example_batch(config, manifest))
    installed, sha256 = None, ""
    if published is not None and not published.included:
        try:
            installed, sha256 = find_encoder(config, manifest), published.sha256
        except InputError as error:
            raise InputError(
                f"the model in {folder} reads captions with a published encoder that is not in its folder: {error}. A "
                "model that was exported with --include_encoder needs none"
            ) from error
    variables = read_variables(folder / WEIGHTS_NAME, like, installed, sha256)
    text = card.read_text(encoding="utf-8") if (card := folder / CARD_NAME).is_file() else ""
    encoders, calibration = make_encoders(network, mesh), read_calibration(folder)
    return OpenedFolder(description, config, manifest, variables, encoders, text, calibration)
