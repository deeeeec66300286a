"""Finds the prepared data that a configuration names, makes the embedded data set, or says what is missing."""

import pathlib

from data_pipeline.errors import InputError
from data_pipeline.manifest import MANIFEST_NAME
from mcsan_jax.config import DataConfig


def find_prepared_data(config: DataConfig) -> pathlib.Path:
    """The folder with the manifest; the embedded data set is made on the spot where it is absent.

    Raises:
        InputError: there is none; names the folder looked in, what to download and the command that prepares it.
    """
    folder = pathlib.Path(config.dir)
    if (folder / MANIFEST_NAME).is_file():
        return folder
    if config.made_from == "moving_shapes":
        from data_pipeline.moving_shapes.dataset import prepare_moving_shapes

        print(f"making the embedded data set in {folder}", flush=True)
        prepare_moving_shapes(folder)
        return folder
    where = folder.absolute() if config.dir else "(config.data.dir is empty)"
    raise InputError(
        f"no prepared data: looked for {MANIFEST_NAME} in {where}.\n{config.prepare_hint}\n"
        "Data prepared elsewhere is used with --config.data.dir=DIR."
    )
