"""Word embeddings that start from pretrained vectors."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from data_pipeline.errors import InputError
from data_pipeline.prepared_data import WordVectors


def check_word_vectors(word_vectors: WordVectors, word_width: int, vocabulary_size: int) -> None:
    """Refuses vectors that do not fit the embedding ``[vocabulary_size, word_width]``.

    Raises:
        InputError: their dimension or their number differs.
    """
    if word_vectors.dim != word_width:
        raise InputError(
            f"word vectors have {word_vectors.dim} dimensions, model.word_width is {word_width}; "
            f"set --config.model.word_width={word_vectors.dim}"
        )
    if len(word_vectors.known) != vocabulary_size:
        raise InputError(
            f"word vectors are of {len(word_vectors.known)} tokens, the tokenizer has {vocabulary_size}; "
            "prepare the data again"
        )


def with_word_vectors(
    params: Any, vectors: Float[Array, "vocabulary dim"], known: Bool[Array, " vocabulary"]
) -> Any:
    """The network's parameters with the vectors in the known rows of its word embedding.

    The vectors are not rescaled, though they are longer than the random rows (GloVe's 5 or so, against 1): a step of
    AdamW has the same size for all, and so changes the meaning of a long vector less, while a word without a vector
    begins near nothing and is soon formed by its captions.
    """
    table = params["text_encoder"]["tokens"]["embedding"]["embedding"]
    start = jnp.where(known[:, None], vectors, table)
    return jax.tree.map(lambda leaf: start if leaf is table else leaf, params)
