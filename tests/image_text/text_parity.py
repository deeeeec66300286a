"""Text towers and the library with which they were published, from the text to the embedding."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers

from data_pipeline.text.vocabulary import published_tokenizers
from mcsan_jax.image_text.text_tower import TextTower
from mcsan_jax.pretrained.text_tower_files import PretrainedTextTower, read_text_tower

TEXTS = [
    "a dog",
    "A man's riding a brown horse!",
    "two women talk in a café in Zürich 😀, and a dog chases 2 cats and runs away with red onions",
    "",
]
TOKENIZERS = {
    "clip": transformers.CLIPTokenizer,
    "siglip": transformers.SiglipTokenizer,
    "siglip2": transformers.Siglip2Tokenizer,
}


def reference(folder: pathlib.Path, texts: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Embeddings of transformers, and the states of each text's own tokens."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    kind = model.config.model_type
    places = model.config.text_config.max_position_embeddings
    tokenizer = TOKENIZERS[published_tokenizers(folder)[0].kind].from_pretrained(
        folder, padding_side="right", model_max_length=places
    )
    inputs = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    # SigLIP was trained without a mask, and its places that are filled up are seen.
    ids = {"input_ids": inputs["input_ids"]}
    with torch.no_grad():
        embeddings = model.get_text_features(**ids)
        states = model.text_model(**ids).last_hidden_state
    # Until version 5 of transformers it was the embedding alone.
    embeddings = getattr(embeddings, "pooler_output", embeddings)
    special = 2 if kind == "clip" else 1
    own = [
        states[row, special - 1 : count - 1].numpy()
        for row, count in enumerate(inputs["attention_mask"].sum(dim=1).tolist())
    ]
    return embeddings.numpy(), own


def arrays_of(
    folder: pathlib.Path, texts: list[str], width: int | None = None
) -> tuple[jax.Array, jax.Array]:
    """Token ids and mask, as batches of prepared data have them."""
    tokens = [published_tokenizers(folder)[0].encode(text).ids for text in texts]
    width = max(map(len, tokens)) if width is None else width
    ids, mask = np.zeros((len(texts), width), np.int32), np.zeros((len(texts), width), bool)
    for row, own in enumerate(tokens):
        ids[row, : len(own)], mask[row, : len(own)] = own[:width], True
    return jnp.asarray(ids), jnp.asarray(mask)


@functools.cache
def applied(encoder: PretrainedTextTower, **options: Any) -> Callable[..., Any]:
    """The tower with its parameters."""
    tower, params = TextTower(encoder.shape, **options), {"params": encoder.params()}
    return functools.partial(jax.jit(tower.apply), params)


def check_parity(folder: pathlib.Path, texts: list[str], tolerance: float) -> float:
    """Compares embeddings and states, and returns the largest difference of an embedding."""
    expected, expected_states = reference(folder, texts)
    encoder = read_text_tower(str(folder))
    ids, mask = arrays_of(folder, texts)
    states, embeddings = jax.device_get(applied(encoder)(ids, mask))
    assert np.std(expected, axis=0).max() > 0.5
    np.testing.assert_allclose(embeddings, expected, rtol=0, atol=tolerance)
    assert states.shape == (*ids.shape, encoder.shape.width)
    for row, own in enumerate(expected_states):
        np.testing.assert_allclose(states[row, : len(own)], own, rtol=0, atol=tolerance)
        assert not states[row, len(own) :].any()
    return float(np.abs(embeddings - expected).max())
