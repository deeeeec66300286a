import pathlib
import shutil

import numpy as np
import pytest
import torch
import transformers
from av.video.frame import VideoFrame
from PIL import Image

from data_pipeline.clips.picture_maker import PictureMaker
from data_pipeline.errors import InputError
from mcsan_jax.frame_encoders.image_text_encoder import ImageTextEncoder
from mcsan_jax.frame_encoders.registry import open_frame_encoder
from mcsan_jax.image_text.tower_files import read_towers_config, weights_sha256
from tests.support.image_text_folder import KINDS, WIDTHS_OUT, processor, save_towers


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_towers(tmp_path_factory.mktemp("encoder"), request.param)


@pytest.fixture(scope="module")
def encoder(folder: pathlib.Path) -> ImageTextEncoder:
    return ImageTextEncoder(folder)


def smooth_pictures(count: int, rows: int, columns: int) -> np.ndarray:
    """Pictures without sharp edges, as photographs are."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((columns, rows), Image.Resampling.BICUBIC)) for one in coarse]
    )


def pictures(folder: pathlib.Path, count: int) -> np.ndarray:
    """Pictures of the size that the encoder takes."""
    side = read_towers_config(folder).vision.picture_side
    return smooth_pictures(count, side, side)


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


def test_pictures_of_the_right_size_have_the_vectors_of_the_reference(
    folder: pathlib.Path, encoder: ImageTextEncoder
) -> None:
    """From the numbers of pixels on, with the preprocessing of the folder."""
    images = pictures(folder, 11)
    embeddings, tokens = reference(folder, images)
    found = encoder.encode(images, (4, 4))
    assert np.std(embeddings, axis=0).max() > 0.5
    np.testing.assert_allclose(found.frames, embeddings, rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.regions, tokens, rtol=0, atol=5e-5)


@pytest.mark.parametrize("size", [(360, 640), (90, 61)])
def test_frames_of_other_sizes_have_nearly_the_vectors_of_the_reference(
    folder: pathlib.Path, encoder: ImageTextEncoder, size: tuple[int, int]
) -> None:
    """FFmpeg resizes them, where transformers uses Pillow: colours differ by 0.5 of 255 on average, by 3 at most."""
    image = smooth_pictures(1, *size)[0]
    picture = PictureMaker(encoder.view).picture(VideoFrame.from_ndarray(image, "rgb24"))
    model_type = read_towers_config(folder).model_type
    if model_type == "siglip2":
        # There the reference keeps the ratio of the sides, and cuts the picture into patches itself.
        image = np.asarray(Image.fromarray(image).resize(picture.shape[:2], Image.Resampling.BILINEAR))
    else:
        theirs = processor(model_type)(image, do_rescale=False, do_normalize=False, return_tensors="np")
        differences = np.abs(picture.astype(np.int16) - theirs["pixel_values"][0].transpose(1, 2, 0))
        assert differences.max() <= 3 and differences.mean() < 0.7
    expected, found = reference(folder, image[None])[0][0], encoder.encode(picture[None]).frames[0]
    assert found @ expected > 0.999 * np.linalg.norm(found) * np.linalg.norm(expected)


@pytest.mark.parametrize("regions", [(1, 1), (2, 2), (3, 2)])
def test_regions_are_means_of_patches(
    folder: pathlib.Path, encoder: ImageTextEncoder, regions: tuple[int, int]
) -> None:
    """Where they do not divide the grid, as torch's adaptive pooling."""
    images = pictures(folder, 2)
    tokens = torch.tensor(encoder.encode(images, (4, 4)).regions).reshape(2, 4, 4, -1).permute(0, 3, 1, 2)
    expected = torch.nn.functional.adaptive_avg_pool2d(tokens, regions).flatten(2).permute(0, 2, 1)
    found = encoder.encode(images, regions).regions
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 16, 19])
def test_vectors_do_not_depend_on_the_other_pictures(
    folder: pathlib.Path, encoder: ImageTextEncoder, count: int
) -> None:
    """To the last bit, because an extraction that is taken up again batches frames in another way."""
    images = pictures(folder, 19)
    found, expected = encoder.encode(images[19 - count :], (2, 2)), encoder.encode(images, (2, 2))
    np.testing.assert_array_equal(found.frames, expected.frames[19 - count :])
    np.testing.assert_array_equal(found.regions, expected.regions[19 - count :])
    assert encoder.encode(images[:count]).regions is None
    assert found.frames.shape == (count, encoder.width)
    assert found.regions.shape == (count, 4, encoder.region_width)


def test_the_registry_opens_a_folder_by_its_kind(folder: pathlib.Path, encoder: ImageTextEncoder) -> None:
    opened = open_frame_encoder(str(folder))
    model_type = read_towers_config(folder).model_type
    assert isinstance(opened, ImageTextEncoder)
    assert opened.name == encoder.name and opened.name.startswith(f"{model_type}_patch")
    assert opened.sha256 == weights_sha256(folder)
    assert (opened.width, opened.grid, opened.region_width) == (WIDTHS_OUT[model_type], (4, 4), 32)
    images = pictures(folder, 1)
    np.testing.assert_array_equal(opened.encode(images).frames, encoder.encode(images).frames)


def test_bfloat16_is_near(folder: pathlib.Path, encoder: ImageTextEncoder) -> None:
    images = pictures(folder, 4)
    near, exact = ImageTextEncoder(folder, "bfloat16").encode(images).frames, encoder.encode(images).frames
    assert near.dtype == np.float32
    difference = np.linalg.norm(near - exact) / np.linalg.norm(exact)
    assert 1e-5 < difference < 0.05


def test_what_is_no_picture_of_the_size_is_refused(folder: pathlib.Path, encoder: ImageTextEncoder) -> None:
    images = pictures(folder, 1)
    with pytest.raises(InputError, match=rf"{encoder.name}: expected pictures .* found uint8 \[1, 9, "):
        encoder.encode(images[:, :9])
    with pytest.raises(InputError, match=r"found float32"):
        encoder.encode(images.astype(np.float32))
    with pytest.raises(InputError, match=r"grid of 4x4, found 5x1"):
        encoder.encode(images, (5, 1))


def test_a_folder_with_a_missing_file_is_refused(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name, message in (
        ("config.json", "config.json: not readable"),
        ("model.safetensors", "expected model.safetensors or"),
        ("preprocessor_config.json", "expected preprocessor_config.json, or"),
    ):
        copied = shutil.copytree(folder, tmp_path / name)
        (copied / name).unlink()
        with pytest.raises(InputError, match=message):
            open_frame_encoder(str(copied))
