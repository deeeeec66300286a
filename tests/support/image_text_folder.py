"""Small image-text encoders in a folder, as transformers writes them: both towers and the preprocessing of pictures."""

import pathlib
from typing import Any

import numpy as np
import torch
import transformers

from tests.support.image_text_tokenizers import WRITERS

KINDS = ("clip", "siglip", "siglip2")

WIDTHS_OUT = {"clip": 16, "siglip": 32, "siglip2": 32}
"""The size of an embedding, by the kind of encoder."""

_PROCESSORS = {"clip": "CLIP", "siglip": "Siglip", "siglip2": "Siglip2"}
_VISION: dict[str, dict[str, Any]] = {
    "clip": {"image_size": 32, "patch_size": 8},
    # The last two rows and columns are in no patch, as with So400m.
    "siglip": {"image_size": 30, "patch_size": 7},
    "siglip2": {"num_patches": 16, "patch_size": 8},
}


def save_towers(
    folder: pathlib.Path,
    model_type: str = "clip",
    *,
    vocabulary_size: int = 64,
    places: int = 16,
    special_tokens: tuple[int, int, int] = (62, 63, 63),
) -> pathlib.Path:
    """Writes an encoder with random weights; without a tokenizer.

    Args:
        folder: where to.
        model_type: ``clip``, ``siglip`` or ``siglip2``.
        vocabulary_size: the number of tokens of the text tower.
        places: the number of tokens of the longest text.
        special_tokens: the ids of the first, the last and the padding token, as ``config.json`` states them.
    """
    config = _config(model_type, vocabulary_size, places, special_tokens)
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config).eval()
    randomise(model)
    model.save_pretrained(folder)
    processor(model_type).save_pretrained(folder)
    return folder


def randomise(model: torch.nn.Module) -> None:
    """Draws all weights so that each changes the result: also the biases and norms, which begin as zero and one."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            scale = 0.3 if weight.ndim < 2 else 1.5 * weight[0].numel() ** -0.5
            weight.normal_(0.0, scale)
            if "norm" in name and name.endswith("weight"):
                weight.add_(1.0)


def processor_class(model_type: str) -> Any:
    """The preprocessing of pictures for such an encoder, the implementation that needs Pillow alone."""
    name = f"{_PROCESSORS[model_type]}ImageProcessor"
    return getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)


def processor(model_type: str) -> Any:
    """The preprocessing of pictures of the size that such a small encoder takes."""
    kind, vision = processor_class(model_type), _VISION[model_type]
    if model_type == "siglip2":
        return kind(patch_size=vision["patch_size"], max_num_patches=vision["num_patches"])
    side = vision["image_size"]
    square = {"height": side, "width": side}
    return kind(size={"shortest_edge": side}, crop_size=square) if model_type == "clip" else kind(size=square)


def image_features(model: Any, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and patch tokens that transformers makes of square, normalised pictures [n, row, column, 3]."""
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


def _config(
    model_type: str, vocabulary_size: int, places: int, special_tokens: tuple[int, int, int]
) -> transformers.PretrainedConfig:
    first, last, padding = special_tokens
    # Large enough to change results.
    blocks = {"num_hidden_layers": 2, "num_attention_heads": 4, "layer_norm_eps": 1e-2}
    text = {
        **blocks,
        "hidden_size": 24,
        "intermediate_size": 40,
        "vocab_size": vocabulary_size,
        "max_position_embeddings": places,
        "bos_token_id": first,
        "eos_token_id": last,
        "pad_token_id": padding,
    }
    vision = {**blocks, "hidden_size": 32, "intermediate_size": 48, **_VISION[model_type]}
    out = WIDTHS_OUT[model_type]
    if model_type == "clip":
        return transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=out)
    kind = transformers.SiglipConfig if model_type == "siglip" else transformers.Siglip2Config
    return kind(text_config={**text, "projection_size": out}, vision_config=vision)


def save_encoder_with_tokenizer(
    folder: pathlib.Path, model_type: str = "clip", places: int = 28
) -> pathlib.Path:
    """Writes an encoder with random weights, and the tokenizer that belongs to it.

    Args:
        folder: where to.
        model_type: ``clip``, ``siglip`` or ``siglip2``.
        places: the number of tokens of the longest text, with special tokens.
    """
    size = WRITERS[model_type](folder)
    special = {"clip": (size - 2, size - 1, size - 1), "siglip": (1, 1, 1), "siglip2": (2, 1, 0)}[model_type]
    return save_towers(folder, model_type, vocabulary_size=size, places=places, special_tokens=special)
