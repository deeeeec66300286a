"""Pretrained vectors of the words of a vocabulary, in the order of their ids."""

import dataclasses
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.atomic_files import replacing
from data_pipeline.captions.tokenizers.protocol import PAD_ID, Tokenizer
from data_pipeline.captions.tokenizers.sentencepiece_model import WORD_START
from mcsan_jax.errors import InputError

WORD_VECTORS_NAME = "word_vectors.npz"


@dataclasses.dataclass(frozen=True)
class WordVectors:
    """A row for each id of a tokenizer.

    Attributes:
        vectors: float32; zero where there is no vector.
        known: True where there is one.
    """

    vectors: Float[np.ndarray, "vocabulary dim"]
    known: Bool[np.ndarray, " vocabulary"]

    @property
    def dim(self) -> int:
        """Size of a vector."""
        return int(self.vectors.shape[1])

    def missing(self, words: Sequence[str]) -> list[str]:
        """The words without a vector, in the order given; ``words`` as `vocabulary_words` returns them."""
        return [word for word, known in zip(words, self.known, strict=True) if word and not known]

    def save(self, path: pathlib.Path) -> None:
        """Writes the arrays ``vectors`` and ``known`` in one step; the same vectors give the same file."""
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, vectors=self.vectors, known=self.known)

    @staticmethod
    def load(path: pathlib.Path) -> "WordVectors":
        """Reads what `save` wrote.

        Raises:
            InputError: the file is missing or damaged, or holds something else.
        """
        try:
            # Opened here because numpy leaves a damaged file open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                vectors, known = arrays["vectors"], arrays["known"]
        except OSError as error:
            raise InputError(
                f"{path}: the word vectors cannot be read ({error.strerror}); prepare the data again"
            ) from error
        # The type error: a file of one array is no context manager.
        except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path}: not a file of word vectors ({error}); prepare the data again"
            ) from error
        fits = vectors.ndim == 2 and vectors.dtype == np.float32 and known.dtype == bool
        if not fits or known.shape != vectors.shape[:1]:
            raise InputError(
                f"{path}: expected 'vectors' float32 [vocabulary, dim] and 'known' bool [vocabulary], found "
                f"{vectors.dtype} {list(vectors.shape)} and {known.dtype} {list(known.shape)}; prepare the data again"
            )
        return WordVectors(vectors, known)


def vocabulary_words(tokenizer: Tokenizer) -> list[str]:
    """The word of each id of a word model, most frequent first; empty for padding and unknown words.

    Raises:
        InputError: the tokenizer cuts words into pieces.
    """
    if tokenizer.kind != "word":
        raise InputError(
            f"word vectors: the tokenizer is {tokenizer.kind!r}, whose tokens are parts of words; expected 'word'"
        )
    special = (PAD_ID, tokenizer.unknown_id)
    return [
        "" if token in special else piece.removeprefix(WORD_START)
        for token, piece in enumerate(tokenizer.pieces())
    ]
