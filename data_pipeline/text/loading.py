"""Opens any tokenizer file."""

import pathlib

from data_pipeline.errors import InputError
from data_pipeline.host.files import checksum_problem
from data_pipeline.manifest import TokenizerFile
from data_pipeline.text.sentencepiece_model import KINDS, SentencePieceTokenizer
from data_pipeline.text.tokenizer import Tokenizer
from data_pipeline.text.wordpiece import JSON_NAME, KIND, VOCABULARY_NAME, WordPieceTokenizer

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


def open_tokenizer(folder: pathlib.Path, described: TokenizerFile) -> Tokenizer:
    """The tokenizer of a prepared data set.

    Args:
        folder: of the data set.
        described: what its manifest says of the tokenizer.

    Raises:
        InputError: the file is missing, or was changed after the data was prepared.
    """
    path = folder / described.file
    if problem := checksum_problem(path, described.sha256):
        raise InputError(f"{problem}; prepare the data again, or put the file back")
    return load_tokenizer(path, described.kind)
