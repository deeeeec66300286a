"""This module reads and writes ``index.json`` and ``command.json``, each replaced in one step."""

import json
import pathlib
from typing import Any

from data_pipeline.errors import InputError, shown
from data_pipeline.host.files import nearest_folder, replacing, write_text
from data_pipeline.host.typed_values import check_version, parse
from mcsan_jax.index.on_disk.durable import sync
from mcsan_jax.index.on_disk.index_description import (
    ADVICE,
    COMMAND_NAME,
    DESCRIPTION_NAME,
    OLD_INDEX,
    SCHEMA_VERSION,
    Command,
    IndexDescription,
    dumped,
)


def write_description(folder: pathlib.Path, description: IndexDescription) -> None:
    """Makes a description that of the index, in one step, and waits until it is on the disk.

    All that it names must be there already, so that no power cut leaves a description without its files.
    """
    with replacing(folder / DESCRIPTION_NAME) as partial:
        partial.write_text(
            json.dumps(dumped(description.signed()), indent=1) + "\n", encoding="utf-8", newline="\n"
        )
        sync(partial)
    sync(folder)


def write_command(folder: pathlib.Path, command: Command) -> None:
    """Notes what a command has finished, in one step."""
    write_text(folder / COMMAND_NAME, json.dumps(dumped(command.signed()), indent=1) + "\n")


def read_description(folder: pathlib.Path) -> IndexDescription:
    """Reads ``index.json``.

    Raises:
        InputError: there is no index, it is unfinished or damaged, or a newer version of the program wrote it.
    """
    path = folder / DESCRIPTION_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if (folder / COMMAND_NAME).is_file():
            raise InputError(
                f"{path}: is missing: the making of the index was interrupted, or the file was removed; give the same "
                "command again, which continues"
            ) from error
        raise InputError(
            f"{folder} is no index: it has no {DESCRIPTION_NAME}; {nearest_folder(folder, DESCRIPTION_NAME)}name the "
            "folder that `mcsan index MODEL FEATURES --out FOLDER` made"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is damaged ({error}). {ADVICE}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    description = _parsed(IndexDescription, path, text)
    if description.checksum != description.signed().checksum:
        raise InputError(f"{path}: was changed after it was written. {ADVICE}")
    return description


def read_command(folder: pathlib.Path) -> Command | None:
    """Reads ``command.json``; None where it cannot be used, which only costs what was finished."""
    path = folder / COMMAND_NAME
    try:
        command = _parsed(Command, path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, InputError):
        return None
    return command if command.checksum == command.signed().checksum else None


def _parsed(kind: Any, path: pathlib.Path, text: str) -> Any:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: is damaged: no valid JSON ({error}). {ADVICE}") from error
    check_version(content, SCHEMA_VERSION, path, "index", OLD_INDEX)
    return parse(kind, content, f"{path}: ", ADVICE)


def model_fingerprint(folder: pathlib.Path) -> str:
    """Returns the fingerprint of a model folder, which changes with every file that decides scores.

    It is the one that ``config.json`` states: a SHA-256 of its fields, among which are those of the weights, the
    manifest, the tokenizer and the attributes. The card and the calibration are not among them.

    Raises:
        InputError: there is no model.
    """
    path = folder / "config.json"
    try:
        fingerprint = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: has no fingerprint of a model ({error}). {ADVICE}") from error
    if not isinstance(fingerprint, str):
        raise InputError(f"{path}: the fingerprint is {shown(fingerprint)}; expected a text. {ADVICE}")
    return fingerprint


def another_model(what: str, found: str, folder: pathlib.Path, expected: str) -> InputError:
    """Returns the error for a model that is not the one of the index."""
    return InputError(
        f"{what} is another model than that of the index {folder}: its fingerprint is {found}, that of the index is "
        f"{expected}; vectors of two models cannot be compared: use the model of the index, or build another index"
    )
