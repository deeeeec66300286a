"""This module finds a trained model by its name: a folder, the one that comes with the package, or one of the hub."""

import pathlib

from data_pipeline.errors import InputError, nearest_name
from data_pipeline.host.files import nearest_folder
from mcsan_jax.retrieval.hub import in_hub_cache
from mcsan_jax.retrieval.model_folder import CONFIG_NAME, is_model_folder
from mcsan_jax.retrieval.zero_shot_model import is_image_text_folder
from mcsan_jax.runs.folder import RunFolder

DEMO = "demo"
_SHIPPED = pathlib.Path(__file__).parent / "demo_model"


def find_model(name: str | pathlib.Path) -> pathlib.Path:
    """Returns the folder of a model, of a run, or of an image-text encoder.

    Args:
        name: a path; ``demo``, the shipped model unless a model or a run has this path; or a name of the Hugging Face
            hub (``owner/model``) that is in its local cache.

    Raises:
        InputError: there is none of that name; nothing is downloaded.
    """
    folder = pathlib.Path(name)
    if folder.is_dir():
        if is_model_folder(folder) or is_image_text_folder(folder):
            return folder
        run = RunFolder(folder)
        if is_model_folder(run.model):
            return run.model
        if run.checkpoints.is_dir():
            return folder
        if str(name) == DEMO:
            # Many a project has a folder of that name, with something else in it.
            return _SHIPPED
        raise InputError(
            f"{folder} holds neither a model (config.json with model_type mcsan, clip, siglip or siglip2) nor a run "
            "(checkpoints); "
            f"{nearest_folder(folder, CONFIG_NAME)}name the folder that `mcsan export RUN --out=DIR` or a training "
            "wrote"
        )
    if str(name) == DEMO:
        return _SHIPPED
    if (cached := in_hub_cache(str(name))) is not None:
        if not is_model_folder(cached):
            raise InputError(
                f"{name} of the hub, in {cached}, is no model of this program: its config.json does not have the "
                "model_type mcsan; name another one"
            )
        return cached
    near = nearest_folder(folder, CONFIG_NAME) or nearest_name(str(name), [DEMO])
    raise InputError(
        f"there is no model {str(name)!r}: no folder of that name, and none in the local cache of the hub; "
        f"{near}`demo` is the model that comes with the package"
    )
