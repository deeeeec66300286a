"""The tokens of a data set: a tokenizer, trained on its training captions or given, and vectors of its words."""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence

from data_pipeline.annotations.caption import TRAIN
from data_pipeline.annotations.video import Video
from data_pipeline.errors import InputError
from data_pipeline.host.files import sha256_of
from data_pipeline.manifest import TokenizerFile, WordVectorFile
from data_pipeline.text.loading import load_tokenizer
from data_pipeline.text.sentencepiece_model import SentencePieceTokenizer, train_tokenizer
from data_pipeline.text.tokenizer import Tokenizer
from data_pipeline.text.word_vectors import WORD_VECTORS_NAME, read_word_vectors, vocabulary_words

GIVEN = "wordpiece"

_MOST_TRAINING_CAPTIONS = 10_000_000
"""Captions of which a tokenizer is trained; more would exceed memory and change nothing."""


@dataclasses.dataclass(frozen=True)
class TokenizerOptions:
    """How captions are cut into tokens.

    Attributes:
        kind: ``unigram``, ``bpe`` or ``word``, trained on the training captions, or ``wordpiece``, given.
        vocabulary_size: most tokens of a trained tokenizer.
        file: ``tokenizer.json`` or ``vocab.txt`` of a pretrained encoder, for ``wordpiece``.
        word_vectors: GloVe text file with vectors of words, for ``word``; None for none.

    Raises:
        InputError: the options do not go together.
    """

    kind: str = "unigram"
    vocabulary_size: int = 8000
    file: pathlib.Path | None = None
    word_vectors: pathlib.Path | None = None

    def __post_init__(self) -> None:
        if (self.kind == GIVEN) != (self.file is not None):
            raise InputError(
                f"--tokenizer={self.kind} and --tokenizer_file={self.file or ''}: expected a file for "
                f"{GIVEN!r}, the tokenizer of a pretrained encoder, and none for the others"
            )


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The tokenizer, and where it and the vectors of its words lie.

    Attributes:
        words_without_vector: words of the vocabulary that the file of vectors lacks, most frequent first.
    """

    tokenizer: Tokenizer
    tokenizer_file: TokenizerFile
    word_vector_file: WordVectorFile | None
    words_without_vector: list[str]


def make_vocabulary(videos: Sequence[Video], options: TokenizerOptions, folder: pathlib.Path) -> Vocabulary:
    """Trains or takes over a tokenizer and writes it, with the vectors of its words, into a folder.

    Raises:
        InputError: a file cannot be used, or vectors are wanted of a tokenizer that cuts words into pieces.
    """
    if options.file is None:
        texts = (caption.text for video in videos if video.split == TRAIN for caption in video.captions)
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
