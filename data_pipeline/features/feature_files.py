"""Where the features of prepared data were read from, so that a model can be shown the same files again."""

import json
import pathlib
from collections.abc import Mapping

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from data_pipeline.errors import InputError
from data_pipeline.host.files import write_text
from data_pipeline.host.typed_values import RULES, Positive, parse

FEATURE_FILES_NAME = "features.json"
"""File of a prepared folder that says it. The manifest does not: data stay the same when their sources are moved."""


@dataclass(frozen=True, config=RULES)
class FeatureFile:
    """The file or folder of a stream of features."""

    path: str
    """Absolute path."""
    frame_rate: Positive | None = None
    """Frames per second, where they were given because the features tell no times."""


@dataclass(frozen=True, config=RULES)
class FeatureFiles:
    """The content of ``features.json``."""

    streams: dict[str, FeatureFile]
    """File or folder of each stream, by its name."""


def write_feature_files(folder: pathlib.Path, files: Mapping[str, FeatureFile]) -> None:
    """Writes the file into a prepared folder."""
    content = TypeAdapter(FeatureFiles).dump_python(FeatureFiles(dict(files)), mode="json")
    write_text(folder / FEATURE_FILES_NAME, json.dumps(content, indent=1) + "\n")


def read_feature_files(folder: pathlib.Path) -> dict[str, FeatureFile]:
    """Returns the files of a prepared folder's streams; none where it was prepared before they were noted.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / FEATURE_FILES_NAME
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no valid JSON ({error}); prepare the data again") from error
    return parse(FeatureFiles, content, f"{path}: ", "Prepare the data again.").streams
