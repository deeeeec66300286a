import pathlib

import jax
import numpy as np
import transformers

from mcsan_jax.image_text.tower_files import read_towers_config, read_vision_params
from mcsan_jax.image_text.vision_tower import VisionTower
from tests.support.image_text_folder import image_features


def test_results_are_those_of_the_reference(encoder_folder: pathlib.Path) -> None:
    config = read_towers_config(encoder_folder)
    side = config.vision.picture_side
    pixels = np.random.default_rng(0).normal(size=(3, side, side, 3)).astype(np.float32)
    expected = image_features(transformers.AutoModel.from_pretrained(encoder_folder).eval(), pixels)
    tower = jax.jit(VisionTower(config.vision).apply)
    for ours, theirs in zip(tower({"params": read_vision_params(config)}, pixels), expected, strict=True):
        assert np.std(theirs, axis=0).max() > 0.5
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)
