"""Opens any tokenizer file."""

import pathlib

from data_pipeline.errors import InputError
from data_pipeline.manifest import TokenizerFile
from data_pipeline.text.sentencepiece_model import SentencePieceTokenizer
from data_pipeline.text.tokenizer import Tokenizer
from data_pipeline.text.wordpiece import JSON_NAME, VOCABULARY_NAME, WordPieceTokenizer


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


def open_tokenizer(folder: pathlib.Path, described: TokenizerFile) -> Tokenizer:
    """The tokenizer of a prepared data set.

    Args:
        folder: of the data set.
        described: what its manifest says of the tokenizer.

    Raises:
        InputError: the file is missing, or is not the tokenizer that the manifest describes.
    """
    path = folder / described.file
    tokenizer = load_tokenizer(path)
    found, expected = (f"{each.kind} with {each.size} tokens" for each in (tokenizer, described))
    if found != expected:
        raise InputError(
            f"{path}: {found}; the manifest says {expected}; prepare the data again, or put the file back"
        )
    return tokenizer
