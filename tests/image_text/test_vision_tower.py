import pathlib
from typing import Any

import jax
import numpy as np
import torch
import transformers

from mcsan_jax.image_text.tower_files import read_towers_config, read_vision_params
from mcsan_jax.image_text.vision_tower import VisionTower


def reference(model: Any, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and patch tokens of transformers for square pictures."""
    channels_first = torch.tensor(pixels.transpose(0, 3, 1, 2))
    vision = model.config.vision_config
    if model.config.model_type == "siglip2":
        side = vision.patch_size
        grid = pixels.shape[1] // side
        patches = pixels.reshape(len(pixels), grid, side, grid, side, 3).transpose(0, 1, 3, 2, 4, 5)
        inputs = {
            "pixel_values": torch.tensor(patches.reshape(len(pixels), grid * grid, -1)),
            "pixel_attention_mask": torch.ones(len(pixels), grid * grid, dtype=torch.int32),
            "spatial_shapes": torch.tensor([[grid, grid]] * len(pixels)),
        }
    else:
        inputs = {"pixel_values": channels_first}
    with torch.no_grad():
        embedding = model.get_image_features(**inputs)
        tokens = model.vision_model(**inputs).last_hidden_state
    # Until version 5 of transformers it was the embedding alone.
    embedding = getattr(embedding, "pooler_output", embedding)
    is_clip = model.config.model_type == "clip"
    return embedding.numpy(), tokens[:, 1:].numpy() if is_clip else tokens.numpy()


def test_results_are_those_of_the_reference(encoder_folder: pathlib.Path) -> None:
    config = read_towers_config(encoder_folder)
    side = config.vision.picture_side
    pixels = np.random.default_rng(0).normal(size=(3, side, side, 3)).astype(np.float32)
    expected = reference(transformers.AutoModel.from_pretrained(encoder_folder).eval(), pixels)
    tower = jax.jit(VisionTower(config.vision).apply)
    for ours, theirs in zip(tower({"params": read_vision_params(config)}, pixels), expected, strict=True):
        assert np.std(theirs, axis=0).max() > 0.5
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)
