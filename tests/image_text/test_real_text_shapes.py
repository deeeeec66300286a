"""The text towers of published encoders, in their sizes, with random weights and small vocabularies."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers

from tests.image_text.text_parity import TEXTS, check_parity
from tests.support.image_text_folder import randomise
from tests.support.image_text_tokenizers import WRITERS

BLOCKS = {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 8, "intermediate_size": 8}
SHAPES: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "ViT-B/32": ("clip", "clip", {}, 512),
    "ViT-L/14": (
        "clip",
        "clip",
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        768,
    ),
    # As its published folders do, SigLIP 2 calls itself siglip.
    "So400m": (
        "siglip",
        "siglip2",
        {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "projection_size": 1152,
        },
        1152,
    ),
}
"""By name: the kind of the encoder and of its tokenizer, the sizes of the text tower, and that of an embedding."""
LONG = " ".join(["two women talk in a kitchen"] * 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_a_text_has_the_embedding_of_the_reference(
    name: str, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    kind, tokenizer, sizes, width_out = SHAPES[name]
    text = {**sizes, "vocab_size": WRITERS[tokenizer](tmp_path)}
    if kind == "clip":
        text |= {"bos_token_id": text["vocab_size"] - 2, "eos_token_id": text["vocab_size"] - 1}
        config = transformers.CLIPConfig(text_config=text, vision_config=BLOCKS, projection_dim=width_out)
    else:
        # Both towers of SigLIP are equally wide.
        vision = {**BLOCKS, "hidden_size": width_out, "num_attention_heads": 16}
        config = transformers.SiglipConfig(text_config=text, vision_config=vision)
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config).eval()
    randomise(model)
    model.save_pretrained(tmp_path)
    del model
    difference = check_parity(tmp_path, [*TEXTS, LONG], 1e-4)
    record_property("summary", f"text tower of {name}: embeddings differ by {difference:.0e}")
