import hashlib
import unicodedata

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.annotations import msrvtt
from data_pipeline.captions.tokenizer import KINDS, PAD_ID, UNKNOWN_ID, Tokenizer, token_span, train_tokenizer
from mcsan_jax.errors import InputError

TEXTS = [
    "A man is riding a horse",
    "two women talk in a Café in Zürich",
    "the dog chases 2 cats",
    "你好 世界",
] * 9


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    return {kind: train_tokenizer(TEXTS, folder / f"{kind}.model", kind, 80) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_file_names_its_kind_size_and_hash(tokenizers, tmp_path, kind):
    path = tmp_path / "again.model"
    trained = train_tokenizer(iter(TEXTS), path, kind, 80)
    loaded = Tokenizer.load(path)
    assert (loaded.kind, loaded.size) == (kind, trained.size)
    assert 10 < loaded.size <= 80
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == tokenizers[kind].sha256
    assert loaded.encode(TEXTS[0]) == tokenizers[kind].encode(TEXTS[0])
    assert [each.name for each in tmp_path.iterdir()] == ["again.model"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS[:4])
def test_known_text_survives_in_lower_case(tokenizers, kind, text):
    ids = tokenizers[kind].encode(text).ids
    assert UNKNOWN_ID not in ids and PAD_ID not in ids
    assert max(ids) < tokenizers[kind].size
    assert tokenizers[kind].decode([*ids, PAD_ID, PAD_ID]) == text.lower()
    assert tokenizers[kind].encode(text.upper()).ids == ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["  a MAN   in\tZürich ", "你好 😀 café man", "a man\u00a0in ﬁne Zürich", "Zu\u0308rich man"]
)
def test_spans_are_characters_of_the_original(tokenizers, kind, text):
    encoded = tokenizers[kind].encode(text)
    for word in ("man", "Zürich", "Zu\u0308rich", "café"):
        begin = text.lower().find(word.lower())
        if begin < 0:
            continue
        span = token_span(encoded.offsets, (begin, begin + len(word)))
        assert span is not None
        covered = text[encoded.offsets[span[0]][0] : encoded.offsets[span[1] - 1][1]]
        assert covered.strip() == text[begin : begin + len(word)]
        assert (
            tokenizers[kind].decode(encoded.ids[slice(*span)]) == unicodedata.normalize("NFKC", word).lower()
        )


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=40))
def test_any_text_gives_ordered_offsets_within_it(tokenizers, kind, text):
    encoded = tokenizers[kind].encode(text)
    assert len(encoded.ids) == len(encoded.offsets)
    bounds = [bound for offset in encoded.offsets for bound in offset]
    assert bounds == sorted(bounds)
    assert all(0 <= bound <= len(text) for bound in bounds)
    assert all(UNKNOWN_ID <= token < tokenizers[kind].size for token in encoded.ids)


def test_unknown_words_stay_apart(tokenizers):
    encoded = tokenizers["word"].encode("a  zebra xylophone man")
    assert [token == UNKNOWN_ID for token in encoded.ids] == [False, True, True, False]
    assert encoded.offsets == [(0, 1), (3, 8), (9, 18), (19, 22)]


def test_empty_text_has_no_tokens(tokenizers):
    assert all(
        tokenizer.encode("").ids == tokenizer.encode("  ").ids == [] for tokenizer in tokenizers.values()
    )


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
    ("texts", "kind", "size", "message"),
    [
        (TEXTS, "wordpiece", 80, "'wordpiece'; expected one of unigram, bpe, word"),
        ([], "unigram", 80, "cannot train 'unigram'"),
        (TEXTS, "bpe", 5, "vocabulary of 5"),
        (TEXTS, "word", 0, "vocabulary of 0"),
    ],
)
def test_impossible_training_is_refused_and_leaves_no_file(tmp_path, texts, kind, size, message):
    with pytest.raises(InputError, match=message):
        train_tokenizer(texts, tmp_path / "a.model", kind, size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"text"])
def test_file_that_is_no_model_is_named(tmp_path, content):
    (tmp_path / "a.model").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.model: not a sentencepiece model"):
        Tokenizer.load(tmp_path / "a.model")
    with pytest.raises(InputError, match=r"b\.model: the tokenizer cannot be read"):
        Tokenizer.load(tmp_path / "b.model")


def test_model_with_other_special_ids_is_refused(tmp_path):
    with (tmp_path / "a.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS),
            model_writer=file,
            vocab_size=60,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    with pytest.raises(InputError, match="expected padding id 0 and unknown id 1, found -1 and 0"):
        Tokenizer.load(tmp_path / "a.model")


def test_real_captions_have_no_unknown_subword(shared_data, tmp_path):
    folder = shared_data / "annotations" / "msrvtt"
    texts = [
        caption.text
        for caption in msrvtt.read([folder / "test_videodatainfo.json.gz"], "full").captions[:4000]
    ]
    tokenizer = train_tokenizer(texts, tmp_path / "a.model", "unigram", 2000)
    assert 1000 < tokenizer.size <= 2000
    assert all(UNKNOWN_ID not in tokenizer.encode(text).ids for text in texts)
