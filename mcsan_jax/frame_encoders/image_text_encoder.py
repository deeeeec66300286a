"""The image tower of CLIP, SigLIP or SigLIP 2 as a frame encoder, from a folder as Hugging Face writes it."""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from data_pipeline.clips.picture_view import PictureView
from mcsan_jax.frame_encoders.frame_encoder import (
    EncodedFrames,
    check_pictures,
    encode_in_batches,
    region_weights,
)
from mcsan_jax.frame_encoders.preprocessor_config import Preprocessing, read_preprocessing
from mcsan_jax.image_text.tower_files import read_towers_config, read_vision_params, weights_sha256
from mcsan_jax.image_text.vision_tower import VisionTower


class ImageTextEncoder:
    """An image tower gives each picture its embedding, as the text tower beside it has them, of any norm.

    Regions are means of patch tokens (see `VisionTower`). SigLIP 2 with flexible patches sees a picture squashed to a
    square of as many patches as it has places.
    """

    def __init__(self, folder: str | pathlib.Path, compute_dtype: str = "float32") -> None:
        """Reads the encoder.

        Args:
            folder: holds ``config.json``, ``model.safetensors`` and ``preprocessor_config.json``.
            compute_dtype: the type of the inputs of products; bfloat16 is faster on accelerators, and less exact.

        Raises:
            InputError: a file is missing, damaged, or of another kind of encoder.
        """
        self._config = read_towers_config(folder)
        self._preprocessing = read_preprocessing(self._config)
        self._params = jax.device_put(read_vision_params(self._config))
        tower = VisionTower(self._config.vision, compute_dtype)
        self._program = jax.jit(functools.partial(_encoded, tower, self._preprocessing))
        # A processor is busy with few pictures; an accelerator needs more.
        self._batch = 16 if jax.default_backend() == "cpu" else 64

    @property
    def name(self) -> str:
        """Returns the kind, the sizes of patches and pictures, and the width; two copies of a folder have one name."""
        vision = self._config.vision
        return f"{self._config.model_type}_patch{vision.patch_side}_{vision.picture_side}_{vision.width_out}"

    @functools.cached_property
    def sha256(self) -> str:
        """Returns the hash of the weights."""
        return weights_sha256(self._config.path.parent)

    @property
    def view(self) -> PictureView:
        """Returns how a frame is resized and cut."""
        return self._preprocessing.view

    @property
    def preprocessing(self) -> str:
        """Returns how the numbers of a picture become inputs."""
        return str(self._preprocessing)

    @property
    def width(self) -> int:
        """Returns the size of an embedding."""
        return self._config.vision.width_out

    @property
    def grid(self) -> tuple[int, int]:
        """Returns rows and columns of patches."""
        return self._config.vision.grid

    @property
    def region_width(self) -> int:
        """Returns the size of a patch token."""
        return self._config.vision.blocks.width

    def encode(
        self, pictures: UInt8[np.ndarray, "n row column 3"], regions: tuple[int, int] | None = None
    ) -> EncodedFrames:
        """Returns embeddings, and means of patch tokens where regions are asked for; see `FrameEncoder`."""
        side = self._config.vision.picture_side
        check_pictures(pictures, side, side, self.name)
        if regions is None:
            (frames,) = encode_in_batches(
                lambda batch: self._program(self._params, batch), pictures, self._batch
            )
            return EncodedFrames(frames, None)
        weights = region_weights(self.grid, regions)
        frames, parts = encode_in_batches(
            lambda batch: self._program(self._params, batch, weights), pictures, self._batch
        )
        return EncodedFrames(frames, parts)


def _encoded(
    tower: VisionTower,
    preprocessing: Preprocessing,
    params: Mapping[str, Any],
    pictures: UInt8[Array, "n row column 3"],
    weights: Float[Array, "k patches"] | None = None,
) -> tuple[Array, ...]:
    """Returns embeddings [n, dim], and with weights also regions [n, k, width]."""
    mean, deviation = (
        jnp.array(each, jnp.float32)[None, None, None]
        for each in (preprocessing.mean, preprocessing.deviation)
    )
    pixels = (pictures.astype(jnp.float32) * preprocessing.scale - mean) / deviation
    embeddings, tokens = tower.apply({"params": params}, pixels)
    if weights is None:
        return (embeddings,)
    regions = jnp.einsum("kp,npw->nkw", weights, tokens, precision=jax.lax.Precision.HIGHEST)
    return embeddings, regions
