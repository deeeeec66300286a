"""This module trains and reads sentencepiece tokenizers, of subwords or words, on the training captions."""

import hashlib
import io
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing
from data_pipeline.text.tokenizer import PAD_ID, TokenizedText

KINDS = ("unigram", "bpe", "word")
UNKNOWN_ID = 1
WORD_START = "▁"
"""Sentencepiece marks the white space before a word in this way."""

_WORD = re.compile(r"\S+")


class SentencePieceTokenizer:
    """This is a trained tokenizer; text is normalised (NFKC) and folded to lower case before it is cut.

    Attributes: `Tokenizer` has them; ``kind`` is one of `KINDS`.
    """

    file_name = "tokenizer.model"
    unknown_id = UNKNOWN_ID

    def __init__(self, model: bytes, kind: str, where: str):
        """Takes the content of a model file.

        Args:
            model: the file's bytes.
            kind: one of `KINDS`, the one for which it was trained.
            where: the name of the file in messages.

        Raises:
            InputError: it is not a model that `train_tokenizer` wrote.
        """
        import sentencepiece

        self._processor: Any = sentencepiece.SentencePieceProcessor()
        try:
            # The constructor's argument would accept an empty model without an error.
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise InputError(
                f"{where}: not a sentencepiece model ({error}); train the tokenizer again"
            ) from error
        if (self._processor.pad_id(), self._processor.unk_id()) != (PAD_ID, UNKNOWN_ID):
            raise InputError(
                f"{where}: expected padding id {PAD_ID} and unknown id {UNKNOWN_ID}, found "
                f"{self._processor.pad_id()} and {self._processor.unk_id()}; train the tokenizer again"
            )
        self.kind = kind
        self.size = int(self._processor.get_piece_size())
        self.content = model
        self.sha256 = hashlib.sha256(model).hexdigest()

    def encode(self, text: str) -> TokenizedText:
        """Cuts a text into tokens."""
        if self.kind != "word":
            return self._encode(text, 0)
        # This goes one word at a time: sentencepiece would join consecutive unknown words into one token.
        parts = [self._encode(match.group(), match.start()) for match in _WORD.finditer(text)]
        return TokenizedText(
            [token for part in parts for token in part.ids], [span for part in parts for span in part.offsets]
        )

    def _encode(self, text: str, start: int) -> TokenizedText:
        mapping = self._processor.encode(text, return_type="offset_mapping")
        return TokenizedText(
            list(mapping["ids"]), [(start + begin, start + end) for begin, end in mapping["offsets"]]
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the normalised text of tokens; padding vanishes and unknown words become ``⁇``."""
        return str(self._processor.decode([token for token in ids if token != PAD_ID]))

    def pieces(self) -> list[str]:
        """Returns the token of every id, by frequency of words; one that begins a word starts with `WORD_START`."""
        return [str(self._processor.id_to_piece(token)) for token in range(self.size)]


def train_tokenizer(
    texts: Iterable[str], model_path: pathlib.Path, kind: str, vocabulary_size: int
) -> SentencePieceTokenizer:
    """Trains a tokenizer and writes its model file; the same texts give the same file.

    Args:
        texts: training captions.
        model_path: the path of the model file to write.
        kind: one of `KINDS`.
        vocabulary_size: the largest number of ids; few texts give fewer.

    Raises:
        InputError: the kind is unknown, there is no text, or the vocabulary is too small for its characters.
    """
    import sentencepiece

    if kind not in KINDS:
        raise InputError(f"tokenizer: no kind {kind!r}; expected one of {', '.join(KINDS)}")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(" ".join(text.split()) for text in texts),
            model_writer=model,
            model_type=kind,
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            # The default, 0.9995, would make digits unknown, because captions have few of them.
            character_coverage=1.0,
            normalization_rule_name="nmt_nfkc_cf",
            pad_id=PAD_ID,
            unk_id=UNKNOWN_ID,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise InputError(
            f"tokenizer: cannot train {kind!r} with a vocabulary of {vocabulary_size} ({error}); "
            "give captions and a vocabulary larger than the number of their characters"
        ) from error
    with replacing(model_path) as partial:
        partial.write_bytes(model.getvalue())
    return SentencePieceTokenizer(model.getvalue(), kind, str(model_path))
