"""This module makes an image-text encoder alone into a model: nothing is trained and no data are prepared.

At the global level the mean of the frames meets the sentence; at the others frames meet the words of the nodes and
relationships of its graph. All are embeddings of the encoder.
"""

import dataclasses
import json
import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from data_pipeline.prepared_data import (
    FeatureStream,
    Manifest,
    manifest_without_data,
    published_tokenizers,
)
from mcsan_jax.config import Config, DataConfig, ModelConfig
from mcsan_jax.data_sizes import data_shape, example_batch, feature_statistics
from mcsan_jax.frame_encoders.encoder_provenance import provenance_of
from mcsan_jax.frame_encoders.registry import open_frame_encoder
from mcsan_jax.image_text.tower_shapes import DEFAULTS
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.pretrained.initial_parameters import TOWER_PLACE
from mcsan_jax.pretrained.text_tower_files import read_text_tower
from mcsan_jax.pretrained.zero_shot_files import find_zero_shot_encoder
from mcsan_jax.ranking.encode_split import Encoders, make_encoders
from mcsan_jax.retrieval.hub import front_matter
from mcsan_jax.sharding import make_mesh

_STREAM = "frames"
_RATE = 2.0
"""Frames per second of clips."""


@dataclasses.dataclass(frozen=True)
class ZeroShotParts:
    """These are the parts of a model that scores as an image-text encoder does.

    Attributes:
        config: its configuration.
        manifest: of its inputs.
        variables: parameters and statistics.
        encoders: the compiled encoders.
        texts: the folder with the files of the tokenizer and of the attributes.
        card: text of the model card.
    """

    config: Config
    manifest: Manifest
    variables: dict[str, Any]
    encoders: Encoders
    texts: pathlib.Path
    card: str

    def keep_texts(self, model: object) -> None:
        """Removes the folder when the model that reads it is gone."""
        weakref.finalize(model, shutil.rmtree, self.texts, ignore_errors=True)


def is_image_text_folder(folder: pathlib.Path) -> bool:
    """Returns whether a folder holds an image-text encoder: its ``config.json`` says so."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("model_type") in DEFAULTS


def open_zero_shot(folder: pathlib.Path, devices: Sequence[jax.Device] | None = None) -> ZeroShotParts:
    """Makes the parts of a model of an image-text encoder.

    Args:
        folder: of the encoder, as Hugging Face writes it, with its tokenizer.
        devices: on which it runs; by default all.

    Raises:
        InputError: a file is missing, damaged or of another encoder.
    """
    folder = folder.absolute()
    encoder = open_frame_encoder(str(folder))
    stream = FeatureStream(
        name=_STREAM,
        kind="frames",
        dim=encoder.width,
        regions=0,
        mean=(0.0,) * encoder.width,
        std=(1.0,) * encoder.width,
        source=encoder.name,
        provenance=provenance_of(encoder, str(folder), frames_per_second=_RATE),
    )
    texts = pathlib.Path(tempfile.mkdtemp(prefix="mcsan_zero_shot_"))
    manifest = manifest_without_data(texts, published_tokenizers(folder)[0], stream)
    # No training captions tell how long texts are; of long ones the usual number of tokens is read.
    tokens = min(DataConfig().max_tokens, read_text_tower(str(folder)).longest_text)
    config = Config(
        name="zero_shot",
        data=DataConfig(max_tokens=tokens),
        model=ModelConfig(pretrained_video=str(folder), zero_shot_only=True),
    )
    found = find_zero_shot_encoder(config, manifest)
    assert found is not None
    network = MCSAN(config, data_shape(manifest), zero_shot=found.shape)
    batch = example_batch(config, manifest)

    @jax.jit
    def others() -> Any:
        # The tower is read, and never drawn at random.
        params = network.init(jax.random.key(0), batch)["params"]
        return {name: value for name, value in params.items() if name != TOWER_PLACE[0]}

    tower = jax.tree.map(jnp.asarray, found.params())
    variables = {
        "params": {**others(), TOWER_PLACE[0]: {TOWER_PLACE[1]: tower}},
        "statistics": jax.tree.map(jnp.asarray, dict(feature_statistics(manifest))),
    }
    card = _card(config, manifest, encoder.name, encoder.sha256)
    return ZeroShotParts(config, manifest, variables, make_encoders(network, make_mesh(devices)), texts, card)


def _card(config: Config, manifest: Manifest, name: str, sha256: str) -> str:
    return front_matter(config, manifest, "") + "\n".join(
        [
            f"# Model card: {name}, zero-shot",
            "",
            "Ranks videos for a sentence and sentences for a video by the embeddings of an image-text encoder alone: "
            "nothing was trained on videos, and there are no figures.",
            "",
            f"- encoder: {name}, weights with the SHA-256 {sha256}; its terms hold for this model",
            f"- levels: {', '.join(config.model.levels)}",
            "",
        ]
    )
