"""This module sets the first values of parameters: pretrained word vectors, or a published encoder of texts.

It also tells the parameters of the published encoder from all others.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import Manifest, WordVectors
from mcsan_jax.config import Config
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.models.zero_shot_branch import TOWER
from mcsan_jax.pretrained.bert_files import PretrainedBert, read_bert
from mcsan_jax.pretrained.text_tower_files import PretrainedTextTower, is_image_text, read_text_tower

PretrainedEncoder = PretrainedBert | PretrainedTextTower

ENCODER_PLACE = ("text_encoder", "tokens", PRETRAINED)
TOWER_PLACE = ("zero_shot_branch", TOWER)
"""Where the parameters of a text encoder, and of the text tower of an image-text encoder, are in the network's."""


def check_word_vectors(word_vectors: WordVectors, word_width: int, vocabulary_size: int) -> None:
    """Refuses vectors that do not fit the embedding ``[vocabulary_size, word_width]``.

    Raises:
        InputError: the size or the number of the vectors differs.
    """
    if word_vectors.dim != word_width:
        raise InputError(
            f"word vectors have {word_vectors.dim} dimensions, but model.word_width is {word_width}; "
            f"set --config.model.word_width={word_vectors.dim}"
        )
    if len(word_vectors.known) != vocabulary_size:
        raise InputError(
            f"there are word vectors of {len(word_vectors.known)} tokens, but the tokenizer has {vocabulary_size}; "
            "prepare the data again"
        )


def with_word_vectors(
    params: Any, vectors: Float[Array, "vocabulary dim"], known: Bool[Array, " vocabulary"]
) -> Any:
    """Returns the network's parameters with the vectors in the known rows of its word embedding.

    The vectors are not rescaled, though they are longer than the random rows (about 5 with GloVe, against 1). A step of
    AdamW has the same size for all rows, so it changes the meaning of a long vector less; a word without a vector
    begins near zero, and its captions soon shape it.
    """
    table = params["text_encoder"]["tokens"]["embedding"]["embedding"]
    start = jnp.where(known[:, None], vectors, table)
    return jax.tree.map(lambda leaf: start if leaf is table else leaf, params)


def read_encoder(name: str) -> PretrainedEncoder:
    """Describes a pretrained encoder: BERT, or the text tower of an image–text encoder.

    Args:
        name: as in `find_pretrained`.

    Raises:
        InputError: it is missing, or is none of these.
    """
    return read_text_tower(name) if is_image_text(name) else read_bert(name)


def find_encoder(config: Config, manifest: Manifest) -> PretrainedEncoder | None:
    """Returns the pretrained encoder of an experiment; None where it has none.

    Raises:
        InputError: the encoder is missing, its tokenizer is not that of the data, or texts may be too long for it.
    """
    if not config.model.pretrained:
        return None
    encoder = read_encoder(config.model.pretrained)
    if manifest.tokenizer.sha256 not in encoder.tokenizer_sha256:
        raise InputError(
            f"config.model.pretrained is {config.model.pretrained!r}, but the data were prepared with another "
            f"tokenizer ({manifest.tokenizer.kind}, {manifest.tokenizer.size} tokens); prepare them with "
            f"--tokenizer_file={config.model.pretrained}"
        )
    if config.data.max_tokens > encoder.longest_text:
        raise InputError(
            f"config.data.max_tokens is {config.data.max_tokens}; the encoder {config.model.pretrained!r} reads at "
            f"most {encoder.longest_text} tokens; set a smaller --config.data.max_tokens"
        )
    return encoder


def with_pretrained(params: Any, published: Any) -> Any:
    """Returns the network's parameters, those of the encoder replaced by the published ones."""
    return _replaced(params, ENCODER_PLACE, published)


def with_tower(params: Any, published: Any) -> Any:
    """Returns the network's parameters, those of the zero-shot branch's text tower replaced by the published ones."""
    return _replaced(params, TOWER_PLACE, published)


def _replaced(tree: Any, path: tuple[str, ...], published: Any) -> Any:
    if not path:
        # The map refuses parameters of another shape.
        return jax.tree.map(lambda own, given: given.reshape(own.shape), tree, published)
    return {**tree, path[0]: _replaced(tree[path[0]], path[1:], published)}


def is_pretrained(params: Any) -> Any:
    """Returns a tree like the parameters: True for those of a published encoder."""
    return _is_below(params, {PRETRAINED, TOWER})


def is_held(params: Any, config: Config) -> Any:
    """Returns a tree like the parameters: True for those of an encoder that stays as it was published."""
    return _is_below(params, {PRETRAINED, TOWER} if config.encoder_is_frozen else {TOWER})


def hold_pretrained(params: Any, config: Config) -> Any:
    """Returns the same values, and stops the gradient of those of an encoder that stays as it was published."""
    return jax.tree.map(
        lambda held, leaf: jax.lax.stop_gradient(leaf) if held else leaf, is_held(params, config), params
    )


def without_held(params: Any, config: Config) -> Any:
    """Returns the same values, with None for those of an encoder that stays as it was published."""
    return jax.tree.map(lambda held, leaf: None if held else leaf, is_held(params, config), params)


def _is_below(params: Any, names: set[str]) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: any(getattr(key, "key", None) in names for key in path), params
    )
