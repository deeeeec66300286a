"""This module makes or opens the tokenizer of a data set, and the vectors of its words."""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable

from data_pipeline.errors import InputError
from data_pipeline.host.files import checksum_problem, sha256_of
from data_pipeline.manifest import TokenizerFile, WordVectorFile
from data_pipeline.text.clip_vocabulary import MERGES_NAME, VOCABULARY_JSON_NAME, clip_json
from data_pipeline.text.image_text_tokenizer import (
    CLIP,
    IMAGE_TEXT_KINDS,
    SENTENCEPIECE_NAME,
    SIGLIP,
    SIGLIP2,
    ImageTextTokenizer,
    kind_of_json,
)
from data_pipeline.text.sentencepiece_model import KINDS, SentencePieceTokenizer, train_tokenizer
from data_pipeline.text.tokenizer import Tokenizer
from data_pipeline.text.word_vectors import WORD_VECTORS_NAME, read_word_vectors, vocabulary_words
from data_pipeline.text.wordpiece import (
    INSTALLING,
    JSON_NAME,
    KIND,
    PACKAGES,
    VOCABULARY_NAME,
    WordPieceTokenizer,
    find_pretrained,
    is_installed,
)

GIVEN_KINDS = (KIND, *IMAGE_TEXT_KINDS)
"""Tokenizers of these kinds came with a published encoder; the others are trained on the captions."""
_ENDINGS = {
    **dict.fromkeys(KINDS, (".model",)),
    KIND: (".json", ".txt"),
    CLIP: (".json",),
    SIGLIP: (".model", ".json"),
    SIGLIP2: (".json",),
}
_PUBLISHED = (SENTENCEPIECE_NAME, JSON_NAME, VOCABULARY_NAME, VOCABULARY_JSON_NAME)
"""Published encoders have one of these files, or several; the first one that is there is taken."""
AUTO = "auto"
"""This kind stands for the tokenizer of `_ENCODER` where that is installed, otherwise for one of the data set's own."""
_ENCODER = "minilm"
SMALL_VOCABULARY = 1000
"""A tokenizer with fewer tokens is that of a small language, which no published encoder has read."""
_MOST_TRAINING_CAPTIONS = 10_000_000
"""A tokenizer is trained on at most this many captions; more would exceed memory and change nothing."""


def load_tokenizer(path: pathlib.Path, kind: str) -> Tokenizer:
    """Reads a tokenizer.

    Args:
        path: a sentencepiece model that `train_tokenizer` wrote (``.model``), or a published encoder's
            ``tokenizer.json`` or ``vocab.txt`` (BERT), ``tokenizer.json`` or ``vocab.json`` with ``merges.txt`` beside
            it (CLIP), ``spiece.model`` or ``tokenizer.json`` (SigLIP) or ``tokenizer.json`` (SigLIP 2).
        kind: the kind of the tokenizer, as the manifest names it; a file does not always tell it.

    Raises:
        InputError: the file is missing, its name does not have the ending of this kind, or it is no tokenizer.
    """
    if path.suffix not in _ENDINGS.get(kind, ()):
        raise InputError(
            f"{path}: not the name of a tokenizer of the kind {kind!r}; expected a sentencepiece model "
            f"(tokenizer.model) for {', '.join(KINDS)}, or {JSON_NAME} or {VOCABULARY_NAME} of a pretrained encoder "
            f"for {KIND}, or {JSON_NAME}, {VOCABULARY_JSON_NAME} or {SENTENCEPIECE_NAME} of an image–text encoder for "
            f"{', '.join(IMAGE_TEXT_KINDS)}"
        )
    if kind == CLIP and path.name == VOCABULARY_JSON_NAME:
        return ImageTextTokenizer(clip_json(path), kind, JSON_NAME, str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the tokenizer cannot be read ({error.strerror}); check the path, or prepare the data again"
        ) from error
    if kind in IMAGE_TEXT_KINDS:
        stored = SENTENCEPIECE_NAME if path.suffix == ".model" else JSON_NAME
        return ImageTextTokenizer(content, kind, stored, str(path))
    if path.suffix == ".model":
        return SentencePieceTokenizer(content, kind, str(path))
    return WordPieceTokenizer(content, JSON_NAME if path.suffix == ".json" else VOCABULARY_NAME, str(path))


def published_tokenizers(folder: pathlib.Path) -> list[Tokenizer]:
    """Returns the tokenizer of a published encoder, once for each file that holds it; there is at least one.

    Raises:
        InputError: there is no such file, or it is no tokenizer.
    """
    return [load_tokenizer(file, _published_kind(file)) for file in _published_files(folder)]


def _published_files(folder: pathlib.Path) -> list[pathlib.Path]:
    files = [folder / name for name in _PUBLISHED if (folder / name).is_file()]
    if not files:
        raise InputError(
            f"{folder}: no tokenizer; expected {JSON_NAME}, {VOCABULARY_NAME} (BERT), {VOCABULARY_JSON_NAME} and "
            f"{MERGES_NAME} (CLIP) or {SENTENCEPIECE_NAME} (SigLIP); download the encoder again"
        )
    return files


def _published_kind(file: pathlib.Path) -> str:
    """Returns which of `GIVEN_KINDS` a file is, by its name or what is in it."""
    if file.suffix == ".model":
        return SIGLIP
    if file.name == VOCABULARY_JSON_NAME:
        return CLIP
    readable = file.suffix == ".json" and file.is_file()
    return (kind_of_json(file.read_bytes()) if readable else None) or KIND


def open_tokenizer(folder: pathlib.Path, described: TokenizerFile) -> Tokenizer:
    """Opens the tokenizer of a prepared data set.

    Args:
        folder: the folder of the data set.
        described: the manifest's description of the tokenizer.

    Raises:
        InputError: the file is missing, or was changed after the data was prepared.
    """
    path = folder / described.file
    if problem := checksum_problem(path, described.sha256):
        raise InputError(f"{problem}; prepare the data again, or put the file back")
    return load_tokenizer(path, described.kind)


@dataclasses.dataclass(frozen=True)
class TokenizerOptions:
    """These options say how captions are cut into tokens.

    Attributes:
        kind: ``unigram``, ``bpe`` or ``word``, trained on the training captions, or one of `GIVEN_KINDS`.
        vocabulary_size: the largest number of tokens of a trained tokenizer.
        file: the file of a published encoder's tokenizer, for one of `GIVEN_KINDS`.
        word_vectors: a GloVe text file with vectors of words, for ``word``; None for no vectors.
        choice: a sentence about how the kind was chosen; empty where it was asked for.

    Raises:
        InputError: the options do not go together.
    """

    kind: str = "unigram"
    vocabulary_size: int = 8000
    file: pathlib.Path | None = None
    word_vectors: pathlib.Path | None = None
    choice: str = ""

    def __post_init__(self) -> None:
        if (self.kind in GIVEN_KINDS) != (self.file is not None):
            given = ", ".join(map(repr, GIVEN_KINDS))
            raise InputError(
                f"--tokenizer={self.kind} and --tokenizer_file={self.file or ''}: expected a file for {given}, the "
                "tokenizers of published encoders, and none for the others"
            )


def choose_tokenizer(
    kind: str,
    own: TokenizerOptions,
    file: str | None = None,
    vocabulary_size: int | None = None,
    word_vectors: pathlib.Path | None = None,
) -> TokenizerOptions:
    """Returns the tokenizer that flags ask for.

    With `AUTO` a file means the tokenizer of a published encoder, and word vectors or a size mean one that is trained
    on the captions. Where nothing is said, the published encoder that is installed is taken, because it reads captions
    better than what is learned from a few thousand of them.

    Args:
        kind: the kind, or `AUTO`.
        own: the data set's own tokenizer.
        file: a file of a tokenizer, the folder of a published encoder, or the name of one that is installed as a
            package.
        vocabulary_size: the largest number of tokens of a trained tokenizer.
        word_vectors: a GloVe text file.

    Raises:
        InputError: the flags contradict each other, the file cannot be used, or the encoder is not installed.
    """
    choice = ""
    if kind == AUTO:
        kind, choice = _kind_and_choice(own, file, vocabulary_size, word_vectors)
    if kind not in GIVEN_KINDS:
        size = vocabulary_size or own.vocabulary_size
        return TokenizerOptions(kind, size, pathlib.Path(file) if file else None, word_vectors, choice)
    for flag, value in (("--vocabulary_size", vocabulary_size), ("--word_vectors", word_vectors)):
        if value is not None:
            raise InputError(
                f"{flag}={value} has no use with the tokenizer of a published encoder; leave it out, or give "
                f"--tokenizer={'word' if value is word_vectors else own.kind} and no --tokenizer_file"
            )
    if file is None and kind in IMAGE_TEXT_KINDS:
        raise InputError(f"--tokenizer={kind} needs --tokenizer_file=FOLDER, that of the {kind} encoder")
    if file is None and not is_installed(_ENCODER):
        raise InputError(
            f"--tokenizer={KIND}: the encoder {_ENCODER} is not installed; `{INSTALLING[_ENCODER]}` brings it, or give "
            f"--tokenizer_file={JSON_NAME} (or {VOCABULARY_NAME}) of a BERT encoder"
        )
    path = _tokenizer_path(file or _ENCODER)
    # A file that cannot be used is said before captions are parsed.
    load_tokenizer(path, kind)
    return TokenizerOptions(kind, file=path, choice=choice)


def _tokenizer_path(name: str) -> pathlib.Path:
    """Returns the file of an encoder's tokenizer: the first in its folder or its package, or the given path itself."""
    path = find_pretrained(name) if name in PACKAGES else pathlib.Path(name)
    return _published_files(path)[0] if path.is_dir() else path


def _kind_and_choice(
    own: TokenizerOptions, file: str | None, vocabulary_size: int | None, word_vectors: pathlib.Path | None
) -> tuple[str, str]:
    """Returns what `AUTO` stands for, and a sentence about it where nobody asked for it."""
    if file is not None:
        return _published_kind(_tokenizer_path(file)), ""
    if word_vectors is not None:
        return "word", ""
    if vocabulary_size is not None or own.vocabulary_size < SMALL_VOCABULARY:
        return own.kind, ""
    if is_installed(_ENCODER):
        return KIND, (
            f"the tokenizer is that of {_ENCODER}, a published text encoder that is installed; --tokenizer={own.kind} "
            "trains one on the captions instead"
        )
    return own.kind, (
        f"the tokenizer was trained on the captions; `{INSTALLING[_ENCODER]}` brings {_ENCODER}, a published text "
        "encoder that reads captions better than what is learned from a few thousand, and the same command then "
        "prepares them for it"
    )


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """A vocabulary holds the tokenizer, and what the manifest says of its file and of the vectors of its words.

    Attributes:
        words_without_vector: the words of the vocabulary that the file of vectors lacks, most frequent first.
    """

    tokenizer: Tokenizer
    tokenizer_file: TokenizerFile
    word_vector_file: WordVectorFile | None
    words_without_vector: list[str]


def make_vocabulary(texts: Iterable[str], options: TokenizerOptions, folder: pathlib.Path) -> Vocabulary:
    """Trains a tokenizer or takes a given one, and writes it with the vectors of its words into a folder.

    Args:
        texts: training captions.
        options: the tokenizer that is wanted.
        folder: the folder of the data set.

    Raises:
        InputError: a file cannot be used, or a tokenizer that cuts words into pieces should have vectors.
    """
    if options.file is None:
        some = itertools.islice(texts, _MOST_TRAINING_CAPTIONS)
        tokenizer: Tokenizer = train_tokenizer(
            some, folder / SentencePieceTokenizer.file_name, options.kind, options.vocabulary_size
        )
    else:
        tokenizer = load_tokenizer(options.file, options.kind)
        (folder / tokenizer.file_name).write_bytes(tokenizer.content)
    vectors, missing = _write_word_vectors(tokenizer, options.word_vectors, folder)
    described = TokenizerFile(tokenizer.kind, tokenizer.size, tokenizer.file_name, tokenizer.sha256)
    return Vocabulary(tokenizer, described, vectors, missing)


def _write_word_vectors(
    tokenizer: Tokenizer, source: pathlib.Path | None, folder: pathlib.Path
) -> tuple[WordVectorFile | None, list[str]]:
    if source is None:
        return None, []
    words = vocabulary_words(tokenizer)
    vectors = read_word_vectors(source, words)
    path = folder / WORD_VECTORS_NAME
    vectors.save(path)
    return (
        WordVectorFile(path.name, sha256_of(path), source.name, vectors.dim, int(vectors.known.sum())),
        vectors.missing(words),
    )
