"""Opens any tokenizer file."""

import pathlib

from data_pipeline.captions.tokenizers.protocol import Tokenizer
from data_pipeline.captions.tokenizers.sentencepiece_model import KINDS, SentencePieceTokenizer
from data_pipeline.captions.tokenizers.wordpiece import JSON_NAME, KIND, VOCABULARY_NAME, WordPieceTokenizer
from mcsan_jax.errors import InputError

_ENDINGS = {**dict.fromkeys(KINDS, (".model",)), KIND: (".json", ".txt")}


def load_tokenizer(path: pathlib.Path, kind: str) -> Tokenizer:
    """Reads a tokenizer.

    Args:
        path: a sentencepiece model that `train_tokenizer` wrote (``.model``), or a pretrained encoder's
            ``tokenizer.json`` (``.json``) or ``vocab.txt`` (``.txt``).
        kind: of the tokenizer, as the manifest names it; a sentencepiece model does not tell its own.

    Raises:
        InputError: the file is missing, its name does not end as names of this kind do, or it is no tokenizer.
    """
    if path.suffix not in _ENDINGS.get(kind, ()):
        raise InputError(
            f"{path}: not the name of a tokenizer of the kind {kind!r}; expected a sentencepiece model "
            f"(tokenizer.model) for {', '.join(KINDS)}, or {JSON_NAME} or {VOCABULARY_NAME} of a pretrained encoder "
            f"for {KIND}"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the tokenizer cannot be read ({error.strerror}); check the path, or prepare the data again"
        ) from error
    if path.suffix == ".model":
        return SentencePieceTokenizer(content, kind, str(path))
    return WordPieceTokenizer(content, JSON_NAME if path.suffix == ".json" else VOCABULARY_NAME, str(path))
