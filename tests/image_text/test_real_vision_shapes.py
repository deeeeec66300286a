"""Image towers of published sizes with random weights; the text tower beside them is small."""

import gc
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
import torch
import transformers

from mcsan_jax.image_text.tower_files import read_towers_config, read_vision_params
from mcsan_jax.image_text.vision_tower import VisionTower
from tests.support.image_text_folder import image_features, randomise

B: dict[str, Any] = {}
L: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
}
SO400M: dict[str, Any] = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
SMALL_TEXT: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "vocab_size": 9,
}

SHAPES: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "clip ViT-B/32": ("clip", {**B, "patch_size": 32}, 512, 49),
    "clip ViT-B/16": ("clip", {**B, "patch_size": 16}, 512, 196),
    "clip ViT-L/14": ("clip", {**L, "patch_size": 14}, 768, 256),
    "siglip ViT-B/16": ("siglip", {**B, "patch_size": 16}, 768, 196),
    "siglip2 ViT-B/16": ("siglip2", {**B, "patch_size": 16}, 768, 256),
    "siglip So400m/14": ("siglip", {**SO400M, "patch_size": 14, "image_size": 384}, 1152, 729),
}
"""The kind, what differs from its defaults, the size of an embedding, and the number of patches."""


def config_of(name: str) -> transformers.PretrainedConfig:
    model_type, vision, width_out, _ = SHAPES[name]
    if model_type == "clip":
        return transformers.CLIPConfig(vision_config=vision, text_config=SMALL_TEXT, projection_dim=width_out)
    kind = transformers.SiglipConfig if model_type == "siglip" else transformers.Siglip2Config
    text = {**SMALL_TEXT, "num_attention_heads": 2, "projection_size": width_out}
    return kind(vision_config=vision, text_config=text)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_results_are_those_of_the_reference(
    name: str, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config_of(name)).eval()
    randomise(model)
    model.save_pretrained(tmp_path)
    config = read_towers_config(tmp_path)
    side = config.vision.picture_side
    pixels = np.random.default_rng(0).normal(size=(1, side, side, 3)).astype(np.float32)
    expected = image_features(model, pixels)
    # The largest one has 1.7 GB of weights.
    del model
    gc.collect()
    found = jax.jit(VisionTower(config.vision).apply)({"params": read_vision_params(config)}, pixels)
    assert expected[0].shape == (1, SHAPES[name][2]) and expected[1].shape[1] == SHAPES[name][3]
    differences = [np.abs(ours - theirs).max() for ours, theirs in zip(found, expected, strict=True)]
    record_property(
        "summary", f"{name}: embeddings differ by {differences[0]:.0e}, patch tokens by {differences[1]:.0e}"
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.std() > 0.5
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
