"""What holds for every tokenizer."""

import hashlib
import string
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from data_pipeline.text.image_text_tokenizer import IMAGE_TEXT_KINDS, SIGLIP
from data_pipeline.text.sentencepiece_model import KINDS
from data_pipeline.text.tokenizer import PAD_ID, token_span
from data_pipeline.text.vocabulary import load_tokenizer
from tests.data_pipeline.text.tokenizer_files import EVERY_TOKENIZER, TEXTS, kind_of

CAPTIONS = [
    "A man is riding a horse",
    "two dogs, and a cat: they chase (slowly) the man's 22 cats!",
    "  xylophone zebra   in\tthe\nquiz ",
]

every_tokenizer = pytest.mark.parametrize("name", EVERY_TOKENIZER)


@every_tokenizer
def test_a_tokenizer_says_what_it_is(tokenizers, tokenizer_paths, name):
    tokenizer, content = tokenizers[name], tokenizer_paths[name].read_bytes()
    assert tokenizer.kind == kind_of(name)
    assert tokenizer.file_name == ("tokenizer.model" if name in KINDS else tokenizer_paths[name].name)
    assert tokenizer.content == content
    assert tokenizer.sha256 == hashlib.sha256(content).hexdigest()
    pieces = tokenizer.pieces()
    assert len(pieces) == len(set(pieces)) == tokenizer.size >= 20
    # No token of an image–text encoder has this id.
    assert pieces[PAD_ID] in (("",) if name in IMAGE_TEXT_KINDS else ("<pad>", "[PAD]"))
    assert pieces[tokenizer.unknown_id] in ("<unk>", "[UNK]", "<|endoftext|>")


@every_tokenizer
def test_a_stored_copy_gives_the_same_tokens(tokenizers, tmp_path, name):
    tokenizer = tokenizers[name]
    path = tmp_path / tokenizer.file_name
    path.write_bytes(tokenizer.content)
    again = load_tokenizer(path, tokenizer.kind)
    assert (again.kind, again.size, again.sha256) == (tokenizer.kind, tokenizer.size, tokenizer.sha256)
    assert again.pieces() == tokenizer.pieces()
    for text in (*TEXTS[:4], *CAPTIONS):
        assert again.encode(text) == tokenizer.encode(text) == tokenizer.encode(text)


@every_tokenizer
@pytest.mark.parametrize("text", CAPTIONS)
def test_every_character_of_a_caption_has_one_token(tokenizers, name, text):
    offsets = tokenizers[name].encode(text).offsets
    for place, character in enumerate(text):
        dropped = name == SIGLIP and character in string.punctuation
        if not character.isspace():
            count = sum(begin <= place < end for begin, end in offsets)
            # The mark of a word shares the place of what is marked.
            assert (bool(count) if name == SIGLIP else count) == (not dropped), (place, character)


@every_tokenizer
@given(text=st.text(max_size=40))
@example(text="[PAD] [MASK] <pad> <unk> ## ▁")
@example(text="İ ﬁ\u00adﬃ Zu\u0308rich \u200d👩‍👩‍👧 \x00\x85\u2028 ¼ …")
def test_any_text_gives_ordered_offsets_within_it(tokenizers, name, text):
    tokenizer = tokenizers[name]
    encoded = tokenizer.encode(text)
    assert len(encoded.ids) == len(encoded.offsets)
    assert all(0 <= begin <= end <= len(text) for begin, end in encoded.offsets)
    assert encoded.offsets == sorted(encoded.offsets)
    assert all(0 <= token < tokenizer.size and token != PAD_ID for token in encoded.ids)
    assert isinstance(tokenizer.decode(encoded.ids), str)


@every_tokenizer
@pytest.mark.parametrize("text", TEXTS[:4])
def test_known_text_survives_in_lower_case(tokenizers, name, text):
    tokenizer = tokenizers[name]
    ids = tokenizer.encode(text).ids
    assert tokenizer.unknown_id not in ids
    assert tokenizer.encode(text.upper()).ids == ids
    decoded = tokenizer.decode([*ids, PAD_ID, PAD_ID])
    if tokenizer.kind == "wordpiece":
        # BERT strips accents and makes a word of each Chinese character.
        assert decoded.replace(" ", "") == _without_accents(text.lower()).replace(" ", "")
    else:
        assert decoded == text.lower()


@every_tokenizer
@pytest.mark.parametrize(
    "text", ["  a MAN   in\tZürich ", "你好 😀 café man", "a man\u00a0in ﬁne Zürich", "Zu\u0308rich man"]
)
def test_spans_are_characters_of_the_original(tokenizers, name, text):
    tokenizer = tokenizers[name]
    encoded = tokenizer.encode(text)
    for word in ("man", "Zürich", "Zu\u0308rich", "café"):
        begin = text.lower().find(word.lower())
        if begin < 0:
            continue
        span = token_span(encoded.offsets, (begin, begin + len(word)))
        assert span is not None
        covered = text[encoded.offsets[span[0]][0] : encoded.offsets[span[1] - 1][1]]
        assert covered.strip() == text[begin : begin + len(word)]
        normalised = unicodedata.normalize("NFKC", word).lower()
        if tokenizer.kind == "wordpiece":
            normalised = _without_accents(normalised)
        # SigLIP 2 leaves a letter and its accent apart.
        assert unicodedata.normalize("NFKC", tokenizer.decode(encoded.ids[slice(*span)])) == normalised


@every_tokenizer
def test_empty_text_has_no_tokens(tokenizers, name):
    assert tokenizers[name].encode("").ids == tokenizers[name].encode(" \n ").ids == []


def test_span_of_tokens():
    offsets = [(0, 0), (0, 1), (1, 5), (5, 7), (7, 7), (7, 9)]
    assert token_span(offsets, (0, 1)) == (1, 2)
    assert token_span(offsets, (2, 5)) == (2, 3)
    assert token_span(offsets, (4, 6)) == (2, 4)
    assert token_span(offsets, (6, 8)) == (3, 6)
    assert token_span(offsets, (9, 12)) is None
    assert token_span(offsets[:3], (5, 9)) is None
    assert token_span(offsets, (3, 3)) is None


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.model", "bpe", r"a\.model: the tokenizer cannot be read \(No such file or directory\)"),
        ("a.json", "wordpiece", r"a\.json: the tokenizer cannot be read"),
        (
            "a.bin",
            "word",
            r"a\.bin: not the name of .* kind 'word'; expected .* tokenizer\.json or vocab\.txt",
        ),
        ("", "word", "not the name of a tokenizer"),
        ("vocab.txt", "word", r"vocab\.txt: not the name of a tokenizer of the kind 'word'"),
        (
            "tokenizer.model",
            "wordpiece",
            r"tokenizer\.model: not the name of a tokenizer of the kind 'wordpiece'",
        ),
        ("tokenizer.model", "char", r"kind 'char'; expected .* for unigram, bpe, word, or .* for wordpiece"),
    ],
)
def test_a_path_that_cannot_be_opened_is_named(tmp_path, name, kind, message):
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path / name, kind)


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
