"""This module finds a trained model by its name: a folder, the one that comes with the package, or one of the hub."""

import pathlib

from data_pipeline.errors import InputError, nearest_name
from mcsan_jax.retrieval.model_folder import is_model_folder

DEMO = "demo"
_SHIPPED = pathlib.Path(__file__).parent / "demo_model"
_IN_RUN = "model"


def find_model(name: str | pathlib.Path) -> pathlib.Path:
    """Returns the folder of a model or of a run.

    Args:
        name: a path; ``demo``, the shipped model unless a model or a run has this path; or a name of the Hugging Face
            hub (``owner/model``) that is in its local cache.

    Raises:
        InputError: there is none of that name; nothing is downloaded.
    """
    folder = pathlib.Path(name)
    if folder.is_dir():
        if is_model_folder(folder):
            return folder
        inner = folder / _IN_RUN
        if is_model_folder(inner):
            return inner
        if (folder / "checkpoints").is_dir():
            return folder
        if str(name) == DEMO:
            # Many a project has a folder of that name, with something else in it.
            return _SHIPPED
        raise InputError(
            f"{folder} holds neither a model (config.json with model_type mcsan) nor a run (checkpoints); name the "
            "folder that `mcsan export RUN --to=model` or a training wrote"
        )
    if str(name) == DEMO:
        return _SHIPPED
    if (cached := _in_hub_cache(str(name))) is not None:
        return cached
    near = [one.name for one in folder.parent.iterdir() if one.is_dir()] if folder.parent.is_dir() else []
    raise InputError(
        f"there is no model {str(name)!r}: no folder of that name, and none in the local cache of the hub; "
        f"{nearest_name(folder.name, [*near, DEMO])}`demo` is the model that comes with the package"
    )


def _in_hub_cache(name: str) -> pathlib.Path | None:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return pathlib.Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None
