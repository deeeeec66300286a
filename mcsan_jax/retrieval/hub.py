"""This module exchanges models with the Hugging Face hub: metadata of a card, its local cache, and an upload.

Nothing is downloaded: the folder of a model of the hub must be in the local cache.
"""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config

_APACHE = "Apache-2.0"
_INDEX = "model-index"


def front_matter(
    config: Config, manifest: Manifest, licence: str, results: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Writes the metadata with which the hub lists a model: the YAML block at the beginning of its card.

    Args:
        config: of the training.
        manifest: of the data that the model was trained on.
        licence: terms of the annotations; empty where unknown, and then the metadata name none.
        results: the entries of ``model-index``, one for each evaluated split; there is no index without them.
    """
    metadata: dict[str, Any] = {
        # Captions are parsed as English, unless their graphs came with the data.
        **({"language": ["en"]} if manifest.parser else {}),
        **_licence(licence),
        "library_name": "mcsan-jax",
        "pipeline_tag": "feature-extraction",
        "tags": [
            "video-text-retrieval",
            "text-to-video-retrieval",
            "video-to-text-retrieval",
            "jax",
            "mcsan",
        ],
    }
    if results:
        metadata[_INDEX] = [{"name": config.name, "results": list(results)}]
    # JSON is YAML; within a value, lines must be indented.
    lines = [
        f"{key}: "
        + json.dumps(value, indent=1 if key == _INDEX else None, ensure_ascii=False).replace("\n", "\n  ")
        for key, value in metadata.items()
    ]
    return "\n".join(["---", *lines, "---", ""])


def _licence(licence: str) -> dict[str, str]:
    if not licence:
        return {}
    if licence.startswith(_APACHE):
        return {"license": _APACHE.lower()}
    return {"license": "other", "license_name": "terms-of-the-training-data"}


def short_card(config: Config, manifest: Manifest, step: int, licence: str) -> str:
    """Writes the card of a model of which no figures are known."""
    train = manifest.splits[config.data.train_split]
    streams = ", ".join(f"{one.name} [{one.dim}] from {one.source}" for one in manifest.streams)
    return front_matter(config, manifest, licence) + "\n".join(
        [
            f"# Model card: {config.name}",
            "",
            "Ranks videos for a sentence and sentences for a video. Captions and features of frames are taken apart "
            f"into aligned levels ({', '.join(config.model.levels)}).",
            "",
            "**This card has no figures**: the model was saved without an evaluation, so that nothing here says how "
            "well it works. `mcsan eval RUN` measures it, and `mcsan export RUN --out=DIR` then writes a card that "
            "says so.",
            "",
            f"- data: {manifest.dataset} ({manifest.protocol}), {train.videos:,} training videos with "
            f"{train.captions:,} captions, fingerprint {manifest.fingerprint}",
            f"- features: {streams}",
            f"- parameters of training step {step:,}, seed {config.train.seed}",
            f"- licence of the annotations: {licence or 'UNKNOWN, fill in'}",
            "",
        ]
    )


def in_hub_cache(name: str) -> pathlib.Path | None:
    """Returns the folder of a model in the local cache of the hub; None where it is not there."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return pathlib.Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def upload(save: Callable[[pathlib.Path], None], repo_id: str, **options: Any) -> str:
    """Uploads a model to the hub.

    Args:
        save: writes the model into a folder.
        repo_id: ``owner/model``; made where it does not exist.
        options: those of `huggingface_hub.ModelHubMixin.push_to_hub`, such as ``private``, ``token`` and ``branch``.

    Returns:
        The address of the commit.

    Raises:
        InputError: `huggingface_hub` is not installed, the name is none, there is no token, or the hub refused.
    """
    try:
        from huggingface_hub import ModelHubMixin
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
    except ImportError as error:
        raise InputError(
            f"huggingface_hub, which uploads models, is not installed ({error}); install it with: "
            "pip install 'mcsan-jax[hub]'"
        ) from error

    class Upload(ModelHubMixin):
        def _save_pretrained(self, save_directory: pathlib.Path) -> None:
            save(save_directory)

    try:
        return Upload().push_to_hub(repo_id, **options)
    except (HFValidationError, HfHubHTTPError, LocalTokenNotFoundError, ConnectionError) as error:
        raise InputError(
            f"the model was not uploaded to {repo_id!r}: {error}; name OWNER/MODEL, and give a token that may write "
            "there (token=..., or `hf auth login`)"
        ) from error
