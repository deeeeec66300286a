import pathlib

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from mcsan_jax.frame_encoders.image_text_encoder import ImageTextEncoder
from mcsan_jax.image_text.tower_files import read_towers_config
from tests.support.image_text_folder import processor, save_towers

KINDS = ("clip", "siglip", "siglip2")


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_towers(tmp_path_factory.mktemp("encoder"), request.param)


def pictures(count: int, rows: int, columns: int) -> np.ndarray:
    """Smooth pictures, as photographs are."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((columns, rows), Image.Resampling.BICUBIC)) for one in coarse]
    )


def reference(folder: pathlib.Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and patch tokens of transformers, from numbers 0 to 255."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = processor(model.config.model_type)(list(images), return_tensors="pt")
    with torch.no_grad():
        embedding = model.get_image_features(**inputs)
        tokens = model.vision_model(**inputs).last_hidden_state
    # Until version 5 of transformers it was the embedding alone.
    embedding = getattr(embedding, "pooler_output", embedding)
    is_clip = model.config.model_type == "clip"
    return embedding.numpy(), (tokens[:, 1:] if is_clip else tokens).numpy()


def test_pictures_of_the_right_size_have_the_vectors_of_the_reference(folder: pathlib.Path) -> None:
    encoder = ImageTextEncoder(folder)
    side = read_towers_config(folder).vision.picture_side
    images = pictures(11, side, side)
    embeddings, tokens = reference(folder, images)
    found = encoder.encode(images, (4, 4))
    assert np.std(embeddings, axis=0).max() > 0.5
    np.testing.assert_allclose(found.frames, embeddings, rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.regions, tokens, rtol=0, atol=5e-5)
