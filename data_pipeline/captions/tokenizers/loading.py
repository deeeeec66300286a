"""Opens any tokenizer file."""

import pathlib

from data_pipeline.captions.tokenizers.protocol import Tokenizer
from data_pipeline.captions.tokenizers.sentencepiece_model import SentencePieceTokenizer
from data_pipeline.captions.tokenizers.wordpiece import JSON_NAME, VOCABULARY_NAME, WordPieceTokenizer
from mcsan_jax.errors import InputError


def load_tokenizer(path: pathlib.Path) -> Tokenizer:
    """Reads a tokenizer; the ending of its name says which kind.

    Args:
        path: a sentencepiece model that `train_tokenizer` wrote (``.model``), or a pretrained encoder's
            ``tokenizer.json`` (``.json``) or ``vocab.txt`` (``.txt``).

    Raises:
        InputError: the file is missing, has another ending, or is not such a tokenizer.
    """
    if path.suffix not in (".model", ".json", ".txt"):
        raise InputError(
            f"{path}: not the name of a tokenizer; expected a sentencepiece model (tokenizer.model), or "
            f"{JSON_NAME} or {VOCABULARY_NAME} of a pretrained encoder"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the tokenizer cannot be read ({error.strerror}); check the path, or prepare the data again"
        ) from error
    if path.suffix == ".model":
        return SentencePieceTokenizer(content, str(path))
    return WordPieceTokenizer(content, JSON_NAME if path.suffix == ".json" else VOCABULARY_NAME, str(path))
