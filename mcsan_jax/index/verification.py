"""This module reads every byte of an index and says what is not as it was written."""

import collections
import pathlib

from data_pipeline.errors import InputError, first_few
from data_pipeline.host.files import checksum_problem
from mcsan_jax.calibration.calibration import CALIBRATION_NAME
from mcsan_jax.index.index_content import check_model, open_content
from mcsan_jax.index.on_disk.index_description import ADVICE, BASES_NAME, COMMAND_NAME, MODEL_NAME
from mcsan_jax.index.on_disk.index_files import read_command, read_description
from mcsan_jax.index.on_disk.segments import segment_problems
from mcsan_jax.retrieval.model_folder import read_description as read_model_description


def index_problems(folder: pathlib.Path) -> list[str]:
    """Returns what is wrong with an index, every byte of which is read; empty where nothing is."""
    try:
        description = read_description(folder)
    except InputError as error:
        return [str(error)]
    problems = []
    try:
        read_model_description(folder / MODEL_NAME)
        check_model(folder, description)
    except InputError as error:
        problems.append(str(error))
    for path, written in (
        (folder / BASES_NAME, description.bases),
        (folder / MODEL_NAME / CALIBRATION_NAME, description.calibration),
    ):
        if written is not None and (problem := checksum_problem(path, written.sha256)):
            problems.append(f"{problem}. {ADVICE}")
    if (folder / COMMAND_NAME).exists() and read_command(folder) is None:
        problems.append(
            f"{folder / COMMAND_NAME}: is damaged; it may be removed, and takes no part in a search"
        )
    for stored in description.segments:
        problems += segment_problems(folder, stored, description.arrays, description.fingerprint)
    if problems:
        return problems
    content = open_content(folder, ())
    twice = [one for one, count in collections.Counter(content.ids).items() if count > 1]
    return [f"{folder}: ids occur twice: {first_few(twice)}. {ADVICE}"] if twice else []
