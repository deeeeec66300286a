"""This module reads the tokenizers of image–text encoders: CLIP, SigLIP and SigLIP 2."""

import dataclasses
import hashlib
import json
import re
import string
from collections.abc import Sequence
from typing import Any

from data_pipeline.errors import Faults, InputError
from data_pipeline.text.tokenizer import PAD_ID, TokenizedText

CLIP = "clip"
SIGLIP = "siglip"
SIGLIP2 = "siglip2"
IMAGE_TEXT_KINDS = (CLIP, SIGLIP, SIGLIP2)
FIRST_ID = PAD_ID + 1
"""Their ids are those of the encoder plus this number, because id `PAD_ID` is a word for some of them."""
SENTENCEPIECE_NAME = "spiece.model"
_JSON_NAME = "tokenizer.json"
WORD_END = "</w>"
"""CLIP marks the last token of a word in this way."""
_SPACE = "▁"
"""The other two mark the white space before a word in this way."""


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
    """These are the tokens that stand around every text, as ids of the encoder (without `FIRST_ID`).

    Attributes:
        first: the token before the text; None where there is none.
        last: the token after the text.
        padding: the token that fills the rest of an input.
    """

    first: int | None
    last: int
    padding: int


SPECIAL: dict[str, tuple[str | None, str, str, str]] = {
    CLIP: ("<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"),
    SIGLIP: (None, "</s>", "</s>", "<unk>"),
    SIGLIP2: (None, "<eos>", "<pad>", "<unk>"),
}
"""For each kind the tokens before a text, after it, in the rest of an input, and for what the vocabulary lacks."""


class ImageTextTokenizer:
    """This tokenizer came with an image–text encoder; it normalises text as that encoder was trained.

    All fold text to lower case, and SigLIP drops ASCII punctuation as well. No special token is added, and text that
    looks like one is text. Tokens that share a character, such as the bytes of an emoji, all have the offsets of that
    character, and SigLIP's mark of a word has those of the next token. Every id is that of the encoder plus `FIRST_ID`.

    Attributes: `Tokenizer` has them, and:
        special: the tokens that the encoder puts around a text.
    """

    def __init__(self, content: bytes, kind: str, file_name: str, where: str):
        """Takes the content of a file.

        Args:
            content: the file's bytes.
            kind: one of `IMAGE_TEXT_KINDS`.
            file_name: the name under which prepared data keep the file; it ends with ``.model`` for a sentencepiece
                model, otherwise the file is one of the Hugging Face library.
            where: the name of the file in messages.

        Raises:
            InputError: it is no tokenizer of this kind, or lacks one of the special tokens.
        """
        self.kind = kind
        cutter: _JsonCutter | _SentencePieceCutter
        if file_name.endswith(".model"):
            cutter = _SentencePieceCutter(content, where)
        else:
            cutter = _JsonCutter(content, kind, where)
        first, last, padding, unknown = SPECIAL[kind]
        faults = Faults()
        for piece in dict.fromkeys((first, last, padding, unknown)):
            if piece is not None and piece not in cutter.ids:
                faults.add(f"{where}: no token {piece!r}; give the tokenizer of the {kind} encoder itself")
        faults.check()
        self._cutter = cutter
        self.special = SpecialTokens(
            None if first is None else cutter.ids[first], cutter.ids[last], cutter.ids[padding]
        )
        self.unknown_id = cutter.ids[unknown] + FIRST_ID
        self.size = max(cutter.ids.values()) + 1 + FIRST_ID
        self.file_name = file_name
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()

    def encode(self, text: str) -> TokenizedText:
        """Cuts a text into tokens."""
        if not text.strip():
            return TokenizedText([], [])
        canonical, places = _without_punctuation(text) if self.kind == SIGLIP else (text, None)
        ids, offsets = self._cutter.cut(canonical)
        if places is not None:
            offsets = [_in_original(begin, end, places) for begin, end in offsets]
            # A mark that stands alone belongs to the word after it, with which a word alone is read.
            mark = self._cutter.ids.get(_SPACE)
            for place in range(len(ids) - 2, -1, -1):
                if ids[place] == mark:
                    offsets[place] = offsets[place + 1]
        return TokenizedText([token + FIRST_ID for token in ids], [(begin, end) for begin, end in offsets])

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the normalised text of tokens; padding vanishes, and what is unknown becomes the file's mark."""
        return self._cutter.join([token - FIRST_ID for token in ids if token != PAD_ID]).strip()

    def pieces(self) -> list[str]:
        """Returns the token of every id, with the file's marks: ``</w>`` ends a word of CLIP, ``▁`` begins others."""
        pieces = [""] * self.size
        for piece, token in self._cutter.ids.items():
            pieces[token + FIRST_ID] = piece
        return pieces


def kind_of_json(content: bytes) -> str | None:
    """Returns which of `IMAGE_TEXT_KINDS` the bytes of a ``tokenizer.json`` are; None where they are another one."""
    try:
        model = json.loads(content)["model"]
        name, end, fallback = model.get("type"), model.get("end_of_word_suffix"), model.get("byte_fallback")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if name == "Unigram":
        return SIGLIP
    if name != "BPE":
        return None
    return CLIP if end == WORD_END else SIGLIP2 if fallback else None


class _JsonCutter:
    """This cutter is a tokenizer of the Hugging Face library; ``ids`` has the id of every token."""

    def __init__(self, content: bytes, kind: str, where: str):
        import tokenizers
        from tokenizers import normalizers

        if (found := kind_of_json(content)) != kind:
            raise InputError(
                f"{where}: expected the {_JSON_NAME} of a {kind} encoder, found "
                f"{'another one' if found is None else f'that of a {found} encoder'}; give the encoder's own file"
            )
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(content)
        # The library raises nothing more specific.
        except Exception as error:
            raise InputError(
                f"{where}: not a tokenizer of the Hugging Face library ({error}); give the {_JSON_NAME} of the encoder"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        if kind == SIGLIP2:
            # It was trained on lower case, though its file does not say so.
            given = [] if self._tokenizer.normalizer is None else [self._tokenizer.normalizer]
            self._tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *given])
        self._marks_ends = kind == CLIP
        self.ids = self._tokenizer.get_vocab(with_added_tokens=True)

    def cut(self, text: str) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        """Returns ids and offsets of the tokens of a text."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def join(self, ids: Sequence[int]) -> str:
        """Returns the text of tokens."""
        from tokenizers import decoders

        if not self._marks_ends:
            return str(self._tokenizer.decode(ids, skip_special_tokens=False))
        pieces = [self._tokenizer.id_to_token(token) or "" for token in ids]
        # The library's decoder would leave the marks; "Ġ" is its sign for a space.
        words = [
            f"{piece.removesuffix(WORD_END)}Ġ" if piece.endswith(WORD_END) else piece for piece in pieces
        ]
        return str(decoders.ByteLevel().decode(words))


class _SentencePieceCutter:
    """This cutter is a sentencepiece model; ``ids`` has the id of every token."""

    def __init__(self, content: bytes, where: str):
        import sentencepiece

        self._processor: Any = sentencepiece.SentencePieceProcessor()
        try:
            # The constructor's argument would accept an empty model without an error.
            self._processor.LoadFromSerializedProto(content)
        except RuntimeError as error:
            raise InputError(
                f"{where}: not a sentencepiece model ({error}); give the {SENTENCEPIECE_NAME} of the encoder"
            ) from error
        count = self._processor.get_piece_size()
        self.ids = {self._processor.id_to_piece(token): token for token in range(count)}

    def cut(self, text: str) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
        """Returns ids and offsets of the tokens of a text."""
        mapping = self._processor.encode(text, return_type="offset_mapping")
        return mapping["ids"], mapping["offsets"]

    def join(self, ids: Sequence[int]) -> str:
        """Returns the text of tokens."""
        return str(self._processor.decode(list(ids)))


def _without_punctuation(text: str) -> tuple[str, list[int]]:
    """Returns a text as SigLIP reads it, and the place in the original of each of its characters.

    It is folded to lower case, ASCII punctuation vanishes and white space becomes single spaces, as in big_vision's
    `prompt_engineering.canonicalize_text`.
    """
    lowered = text.lower()
    # The lower case of a character may have two, and that of a whole text only differs from it in the last sigma.
    places = [place for place, character in enumerate(text) for _ in character.lower()]
    kept = [
        (" " if character.isspace() or character == _SPACE else character, place)
        for character, place in zip(lowered, places, strict=True)
        if character not in string.punctuation
    ]
    spaced = "".join(character for character, _ in kept)
    single = [match.start() for match in re.finditer(r" (?! )|[^ ]", spaced)]
    single = single[bool(single) and spaced[single[0]] == " " :]
    if single and spaced[single[-1]] == " ":
        del single[-1]
    return "".join(spaced[at] for at in single), [kept[at][1] for at in single]


def _in_original(begin: int, end: int, places: Sequence[int]) -> tuple[int, int]:
    """Returns the characters of the original of which those from begin to end were made."""
    if begin == end:
        start = places[begin] if begin < len(places) else places[-1] + 1
        return start, start
    return places[begin], places[end - 1] + 1
