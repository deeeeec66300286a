import json
import pathlib
from typing import Any

import numpy as np
import pytest
import transformers

from data_pipeline.clips.picture_view import PictureView
from data_pipeline.errors import InputError
from mcsan_jax.frame_encoders.preprocessor_config import (
    PROCESSOR_DEFAULTS,
    Preprocessing,
    read_preprocessing,
)
from mcsan_jax.image_text.tower_files import read_towers_config
from mcsan_jax.image_text.tower_shapes import DEFAULTS
from tests.support.image_text_folder import (
    KINDS,
    processor,
    processor_class,
    save_encoder_with_tokenizer,
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
SQUASHED = PictureView((224, 224), None, "bicubic")
CUT = PictureView(224, 224, "bicubic")

WRITTEN_IN_2021: dict[str, Any] = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": list(CLIP_MEAN),
    "image_std": list(CLIP_DEVIATION),
    "resample": 3,
    "size": 224,
}
WRITTEN_FOR_SIGLIP2: dict[str, Any] = {
    "do_convert_rgb": None,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "SiglipProcessor",
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}


def read(
    folder: pathlib.Path,
    values: Any,
    model_type: str = "clip",
    name: str = "preprocessor_config.json",
    **config: Any,
) -> Preprocessing:
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, **config}))
    (folder / name).write_text(json.dumps(values))
    return read_preprocessing(read_towers_config(folder))


@pytest.mark.parametrize("model_type", KINDS)
def test_defaults_are_those_of_the_image_processors(model_type: str, tmp_path: pathlib.Path) -> None:
    kind = processor_class(model_type)
    kind().save_pretrained(tmp_path)
    written = json.loads((tmp_path / "preprocessor_config.json").read_text())
    for key, value in PROCESSOR_DEFAULTS[written["image_processor_type"]].items():
        if key != "do_center_crop" or model_type == "clip":
            assert written[key] == ({"height": 224, "width": 224} if key == "crop_size" else value), key
    empty = read(tmp_path, {}, model_type)
    kind().save_pretrained(tmp_path)
    assert empty == read_preprocessing(read_towers_config(tmp_path))
    assert set(DEFAULTS) == set(KINDS)


def test_what_has_been_written_over_the_years_is_read(tmp_path: pathlib.Path) -> None:
    clip = Preprocessing(CUT, 1 / 255, CLIP_MEAN, CLIP_DEVIATION)
    assert read(tmp_path, WRITTEN_IN_2021) == clip
    newer = {
        **WRITTEN_IN_2021,
        "crop_size": {"height": 224, "width": 224},
        "feature_extractor_type": None,
        "image_processor_type": "CLIPImageProcessorFast",
        "size": {"shortest_edge": 224},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
    }
    assert read(tmp_path, newer) == clip
    siglip = Preprocessing(PictureView((224, 224), None, "bilinear"), 1 / 255, (0.5,) * 3, (0.5,) * 3)
    assert read(tmp_path, WRITTEN_FOR_SIGLIP2, "siglip") == siglip
    both = {"image_processor": newer, "processor_class": "CLIPProcessor"}
    assert read(tmp_path, both, name="processor_config.json") == clip
    (tmp_path / "preprocessor_config.json").unlink()
    assert read(tmp_path, both, name="processor_config.json") == clip
    del both["image_processor"]
    (tmp_path / "processor_config.json").write_text(json.dumps(both))
    assert read(tmp_path, WRITTEN_IN_2021) == clip


@pytest.mark.parametrize("model_type", KINDS)
def test_a_processor_of_both_is_read(model_type: str, tmp_path: pathlib.Path) -> None:
    """As transformers writes it with a tokenizer, in whichever file its version puts what belongs to pictures."""
    save_encoder_with_tokenizer(tmp_path, model_type)
    expected = read_preprocessing(read_towers_config(tmp_path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    name = {"clip": "CLIPProcessor", "siglip": "SiglipProcessor", "siglip2": "Siglip2Processor"}[model_type]
    getattr(transformers, name)(processor(model_type), tokenizer).save_pretrained(tmp_path)
    assert read_preprocessing(read_towers_config(tmp_path)) == expected


def test_views(tmp_path: pathlib.Path) -> None:
    def view(**values: Any) -> PictureView:
        return read(tmp_path, {**WRITTEN_IN_2021, **values}).view

    assert view(size={"height": 224, "width": 224}, do_center_crop=False) == SQUASHED
    assert view(size=[256, 240]) == PictureView((256, 240), 224, "bicubic")
    assert view(size={"shortest_edge": 256}, resample=2) == PictureView(256, 224, "bilinear")


def test_steps_may_be_left_out(tmp_path: pathlib.Path) -> None:
    plain = read(tmp_path, {**WRITTEN_IN_2021, "do_rescale": False, "do_normalize": False})
    assert (plain.scale, plain.mean, plain.deviation) == (1.0, (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize("model_type", ["clip", "siglip"])
def test_the_formula_is_that_of_the_image_processor(model_type: str, tmp_path: pathlib.Path) -> None:
    theirs = processor_class(model_type)()
    theirs.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    ours = read_preprocessing(read_towers_config(tmp_path))
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    expected = theirs(picture, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(
        (picture * ours.scale - ours.mean) / ours.deviation, expected, rtol=0, atol=1e-6
    )
    assert str(ours).startswith(f"(x * 0.00392156863 - [{ours.mean[0]}, ")


def test_all_faults_are_named_at_once(tmp_path: pathlib.Path) -> None:
    wrong = {
        "do_resize": False,
        "resample": 1,
        "rescale_factor": "1/255",
        "image_mean": [0.5, 0.5],
        "image_std": [0.5, 0.0, 0.5],
        "size": {"longest_edge": 224},
        "crop_size": {"height": 224, "width": 200},
    }
    with pytest.raises(InputError) as raised:
        read(tmp_path, {**WRITTEN_IN_2021, **wrong})
    message = str(raised.value)
    assert message.startswith("7 faults:")
    for part in (
        "preprocessor_config.json: do_resize: expected true, found False",
        "resample: expected 2 (bilinear) or 3 (bicubic), found 1",
        "rescale_factor: expected a number above 0, found '1/255'",
        "image_mean: expected three numbers, found [0.5, 0.5]",
        "image_std: expected three numbers above 0, found [0.5, 0.0, 0.5]",
        "size: expected shortest_edge, or height and width, whole numbers above 0, found {'longest_edge': 224}",
        "crop_size: expected the side of a square, found {'height': 224, 'width': 200}",
    ):
        assert part in message, message


@pytest.mark.parametrize(
    "values, message",
    [
        ({"image_processor_type": "ViTImageProcessor"}, r"found 'ViTImageProcessor'; no other"),
        ({"size": 192}, r"size: expected at least the crop_size, 224, found 192"),
        (
            {"crop_size": 192},
            r"crop_size: expected what makes pictures of 224 x 224, as config.json asks for",
        ),
        ({"do_center_crop": False}, r"size: expected what makes pictures of 224 x 224, .* found 224"),
        ({"do_center_crop": False, "size": [256, 224]}, r"size: expected what makes .* found \[256, 224\]"),
        ({"size": True}, r"size: expected shortest_edge, or height and width, .* found True"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], message: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, {**WRITTEN_IN_2021, **values})


def test_flexible_patches_are_those_of_the_tower(tmp_path: pathlib.Path) -> None:
    values = {"image_processor_type": "Siglip2ImageProcessor", "patch_size": 16, "max_num_patches": 1024}
    with pytest.raises(InputError, match=r"max_num_patches: expected 256, as in config.json, found 1024"):
        read(tmp_path, values, "siglip2")
    assert read(tmp_path, {**values, "max_num_patches": 256}, "siglip2").view == PictureView(
        (256, 256), None, "bilinear"
    )


def test_missing_and_damaged_files_are_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    config = read_towers_config(tmp_path)
    neither = (
        r"expected preprocessor_config.json, or processor_config.json with image_processor, found neither"
    )
    with pytest.raises(InputError, match=neither):
        read_preprocessing(config)
    (tmp_path / "processor_config.json").write_text(json.dumps({"processor_class": "CLIPProcessor"}))
    with pytest.raises(InputError, match=neither):
        read_preprocessing(config)
    (tmp_path / "preprocessor_config.json").write_text("[")
    with pytest.raises(InputError, match=r"preprocessor_config.json: expected JSON"):
        read_preprocessing(config)
