import pathlib
from typing import Any

import pytest
import transformers

from data_pipeline.errors import InputError
from mcsan_jax.image_text.tower_shapes import DEFAULTS, TowersConfig, towers_of

PATH = pathlib.Path("an encoder/config.json")
CONFIGS = {
    "clip": transformers.CLIPConfig,
    "siglip": transformers.SiglipConfig,
    "siglip2": transformers.Siglip2Config,
}


def towers(**config: Any) -> TowersConfig:
    return towers_of({"model_type": "clip", **config}, PATH)


@pytest.mark.parametrize("model_type", DEFAULTS)
def test_defaults_are_those_of_the_configuration_classes(model_type: str) -> None:
    config = CONFIGS[model_type]()
    for part, place in (("text", config.text_config), ("vision", config.vision_config), ("both", config)):
        for key, value in DEFAULTS[model_type][part].items():
            assert getattr(place, key) == value, key
    complete = towers_of(config.to_dict(), PATH)
    assert towers_of({"model_type": model_type}, PATH) == complete
    assert towers_of({"model_type": model_type, "vision_config": {}, "text_config": None}, PATH) == complete


def test_a_config_without_values_is_vit_b_32() -> None:
    vision = towers(vision_config={}).vision
    assert (vision.blocks.width, vision.blocks.layers, vision.blocks.heads) == (768, 12, 12)
    assert (vision.picture_side, vision.patch_side, vision.grid, vision.width_out) == (224, 32, (7, 7), 512)
    assert (vision.blocks.activation, vision.blocks.norm_epsilon) == ("quick_gelu", 1e-5)


def test_the_second_form_of_early_files_counts() -> None:
    """As in transformers: what is in `vision_config_dict`, and the defaults for all else."""
    both = {"vision_config": {"hidden_size": 1024}, "vision_config_dict": {"patch_size": 16}}
    config = transformers.CLIPConfig(**both).to_dict()
    assert (config["vision_config"]["hidden_size"], config["vision_config"]["patch_size"]) == (768, 16)
    assert towers(**both) == towers_of(config, PATH)
    assert towers(vision_config_dict=None, vision_config={"hidden_size": 1536}).vision.blocks.width == 1536


def test_patches_that_do_not_fill_the_picture_and_sides_as_pairs() -> None:
    vision = {
        "image_size": [384, 384],
        "patch_size": [14, 14],
        "hidden_size": 1152,
        "num_attention_heads": 16,
    }
    text = {"hidden_size": 1152, "num_attention_heads": 16}
    assert towers(model_type="siglip", vision_config=vision, text_config=text).vision.grid == (27, 27)


def test_all_faults_are_named_at_once() -> None:
    vision = {"hidden_size": 770, "num_channels": 1, "patch_size": [16, 8], "layer_norm_eps": "small"}
    with pytest.raises(InputError) as raised:
        towers(vision_config=vision, text_config={"hidden_act": "relu", "vocab_size": True}, projection_dim=0)
    message = str(raised.value)
    assert message.startswith("7 faults:") and message.count("an encoder/config.json") == 7
    for part in (
        "vision_config.num_attention_heads: expected a divisor of hidden_size 770, found 12",
        "vision_config.num_channels: expected 3, found 1",
        "vision_config.patch_size: expected a whole number above 0, found [16, 8]",
        "vision_config.layer_norm_eps: expected a number between 0 and 1, found 'small'",
        "text_config.hidden_act: expected quick_gelu, gelu, gelu_pytorch_tanh, found 'relu'",
        "text_config.vocab_size: expected a whole number above 0, found True",
        ".projection_dim: expected a whole number above 0, found 0",
    ):
        assert part in message


@pytest.mark.parametrize(
    "config, message",
    [
        ({"model_type": "clop"}, r"expected clip, siglip, siglip2, found 'clop'; did you mean 'clip'\? give"),
        ({"model_type": None}, r"model_type: expected clip, siglip, siglip2, found None"),
        ({"vision_config": 7}, r"vision_config: expected names with values, found 7"),
        (
            {"vision_config": {"image_size": 16}},
            r"image_size: expected at least the patch_size, 32, found 16",
        ),
        (
            {"model_type": "siglip", "vision_config": {"vision_use_head": False}},
            r"vision_use_head: expected True, found False",
        ),
        (
            {"model_type": "siglip", "text_config": {"projection_size": 512}},
            r"projection_size: expected the width of the image tower, 768, found 512",
        ),
        (
            {"model_type": "siglip2", "vision_config": {"num_patches": 200}},
            r"num_patches: expected a square number, found 200",
        ),
    ],
    ids=["misspelled", "no kind", "no values", "small picture", "no head", "two widths", "no square"],
)
def test_what_is_no_such_encoder_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        towers(**config)
