"""The parameters that were published with a pretrained text encoder, among those of the network."""

from typing import Any

import jax

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest
from mcsan_jax.config import Config
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.bert_files import PretrainedBert, read_bert


def find_encoder(config: Config, manifest: Manifest) -> PretrainedBert | None:
    """The pretrained encoder of an experiment; None where it has none.

    Raises:
        InputError: it is missing, the data were prepared with another tokenizer, or texts may be too long for it.
    """
    if not config.model.pretrained:
        return None
    encoder = read_bert(config.model.pretrained)
    if manifest.tokenizer.sha256 not in encoder.tokenizer_sha256:
        raise InputError(
            f"config.model.pretrained is {config.model.pretrained!r}, but the data were prepared with another "
            f"tokenizer ({manifest.tokenizer.kind}, {manifest.tokenizer.size} tokens); prepare them with "
            f"--tokenizer=wordpiece --tokenizer_file={config.model.pretrained}"
        )
    if config.data.max_tokens + 2 > encoder.shape.places:
        raise InputError(
            f"config.data.max_tokens is {config.data.max_tokens}; the encoder {config.model.pretrained!r} reads at "
            f"most {encoder.shape.places - 2}"
        )
    return encoder


def with_pretrained(params: Any, published: Any) -> Any:
    """The network's parameters with those of the encoder in their place."""
    tokens = params["text_encoder"]["tokens"]
    # The map refuses parameters of another shape.
    placed = jax.tree.map(lambda own, given: given.reshape(own.shape), tokens[PRETRAINED], published)
    return {
        **params,
        "text_encoder": {**params["text_encoder"], "tokens": {**tokens, PRETRAINED: placed}},
    }


def is_pretrained(params: Any) -> Any:
    """A tree like the parameters: True for those of the encoder."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: any(getattr(key, "key", None) == PRETRAINED for key in path), params
    )


def hold_pretrained(params: Any) -> Any:
    """The same values, with no gradient to those of the encoder."""
    return jax.tree.map(
        lambda held, leaf: jax.lax.stop_gradient(leaf) if held else leaf, is_pretrained(params), params
    )


def without_pretrained(params: Any) -> Any:
    """The same values, with None in the place of those of the encoder."""
    return jax.tree.map(lambda held, leaf: None if held else leaf, is_pretrained(params), params)
