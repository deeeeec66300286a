"""This module reads vectors of words, the first values of the word embedding, from a GloVe text file."""

import dataclasses
import gzip
import pathlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from data_pipeline.text.sentencepiece_model import WORD_START
from data_pipeline.text.tokenizer import PAD_ID, Tokenizer

WORD_VECTORS_NAME = "word_vectors.npz"


@dataclasses.dataclass(frozen=True)
class WordVectors:
    """Word vectors have a row for each id of a tokenizer.

    Attributes:
        vectors: float32 [vocabulary, dim]; zero where there is no vector.
        known: True where there is a vector [vocabulary].
    """

    vectors: Float[np.ndarray, "vocabulary dim"]
    known: Bool[np.ndarray, " vocabulary"]

    @property
    def dim(self) -> int:
        """Returns the size of a vector."""
        return int(self.vectors.shape[1])

    def missing(self, words: Sequence[str]) -> list[str]:
        """Returns the words without a vector, in the order of ``words``, which `vocabulary_words` returned."""
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
            # The file is opened here because numpy leaves a damaged file open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                vectors, known = arrays["vectors"], arrays["known"]
        except OSError as error:
            raise InputError(
                f"{path}: the word vectors cannot be read ({error.strerror}); prepare the data again"
            ) from error
        # A file of one array is no context manager, which is a type error.
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
    """Returns the word of each id of a word model, most frequent first; padding and the unknown word are empty.

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


_LARGEST = float(np.finfo(np.float32).max)


def read_word_vectors(path: pathlib.Path, wanted_words: Sequence[str]) -> WordVectors:
    """Finds the vectors of words; the file must write a word exactly as `wanted_words` does.

    The file is read line by line. Every line is checked for enough numbers, but the numbers themselves only where the
    word is wanted. Where a word occurs twice, the first line counts.

    Args:
        path: a text file with ``word number number …`` in each line, or the same with gzip (``.gz``). A word may
            contain spaces: numbers are counted from the right, and the first line says how many there are.
        wanted_words: the word of every row of the result; empty for a row without a word.

    Raises:
        InputError: the file cannot be read, a line is not of this format, or no word is in the file.
    """
    rows = {word.encode(): row for row, word in enumerate(wanted_words) if word}
    found: dict[int, np.ndarray] = {}
    dim = 0
    for number, line in _lines(path):
        dim = dim or _dimension(line, path)
        if line.count(b" ") < dim:
            raise InputError(
                f"{path}, line {number}: expected a word and {dim} numbers as in line 1, found "
                f"{line.count(b' ')} numbers; the file may be cut short: download or copy it again"
            )
        # Splitting every line in full would take most of the time.
        if line.partition(b" ")[0] not in rows:
            continue
        word, *numbers = line.rsplit(b" ", dim)
        row = rows.get(word)
        if row is None:
            _refuse_surplus_numbers(word, dim, path, number)
        elif row not in found:
            found[row] = _vector(numbers, path, number)
    if not found:
        raise InputError(
            f"{path}: none of the {len(rows)} words of the vocabulary is in it; give GloVe vectors of the captions' "
            "language, as text with a word and its numbers a line"
        )
    vectors = np.zeros((len(wanted_words), dim), np.float32)
    vectors[list(found)] = list(found.values())
    known = np.zeros(len(wanted_words), bool)
    known[list(found)] = True
    return WordVectors(vectors, known)


def _lines(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """Yields line numbers from 1 and lines without their endings; it skips blank lines."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            # Lines are bytes: some published files hold words that are not UTF-8, and decoding all lines takes time.
            for number, line in enumerate(file, start=1):
                if stripped := line.rstrip(b" \r\n"):
                    yield number, stripped
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path of the word vectors") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: broken gzip archive ({error}); download or copy it again") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the path of a readable file"
        ) from error


def _dimension(line: bytes, path: pathlib.Path) -> int:
    """Returns how many numbers follow the word in the first line."""
    word, *numbers = line.split(b" ")
    if len(numbers) < 2 or not all(map(_is_number, numbers)):
        header = word.isdigit() and len(numbers) == 1 and numbers[0].isdigit()
        remedy = (
            "delete this line, which is the header of a word2vec file"
            if header
            else "give GloVe vectors as text, plain or .gz (unpack a .zip)"
        )
        shown = line[:60].decode("utf-8", "replace")
        raise InputError(
            f"{path}, line 1: expected a word and its numbers, single spaces between them, found {shown!r}; {remedy}"
        )
    return len(numbers)


def _refuse_surplus_numbers(word: bytes, dim: int, path: pathlib.Path, number: int) -> None:
    """Refuses a line with too many numbers, but not one whose word has spaces in it, such as ``. . .``."""
    surplus = word.split(b" ")[1:]
    if all(map(_is_number, surplus)):
        raise InputError(
            f"{path}, line {number}: expected a word and {dim} numbers as in line 1, found "
            f"{dim + len(surplus)} numbers; give a file in which all lines have the same number"
        )


def _vector(numbers: list[bytes], path: pathlib.Path, line: int) -> np.ndarray:
    for text in numbers:
        if not _is_number(text):
            shown = text[:40].decode("utf-8", "replace")
            raise InputError(
                f"{path}, line {line}: expected {len(numbers)} finite numbers after the word, found {shown!r}; "
                "download or copy the file again"
            )
    return np.array([float(text) for text in numbers], np.float32)


def _is_number(text: bytes) -> bool:
    """Returns whether the text is a number that float32 can hold."""
    try:
        # The comparison is false for NaN.
        return abs(float(text)) <= _LARGEST
    except ValueError:
        return False
