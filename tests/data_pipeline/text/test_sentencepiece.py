"""Tokenizers trained on captions."""

import pytest
import sentencepiece

from data_pipeline.annotations import msrvtt
from data_pipeline.errors import InputError
from data_pipeline.text.sentencepiece_model import KINDS, UNKNOWN_ID, train_tokenizer
from data_pipeline.text.vocabulary import load_tokenizer
from tests.data_pipeline.text.tokenizer_files import TEXTS


@pytest.mark.parametrize("kind", KINDS)
def test_training_again_gives_the_same_file(tokenizers, tmp_path, kind):
    trained = train_tokenizer(iter(TEXTS), tmp_path / "again.model", kind, 80)
    assert trained.content == (tmp_path / "again.model").read_bytes() == tokenizers[kind].content
    assert (trained.kind, trained.file_name) == (kind, "tokenizer.model")
    assert 10 < trained.size <= 80
    assert [each.name for each in tmp_path.iterdir()] == ["again.model"]


def test_words_come_by_frequency(tmp_path):
    tokenizer = train_tokenizer(["b b b a", "a c A a"], tmp_path / "a.model", "word", 20)
    assert tokenizer.pieces() == ["<pad>", "<unk>", "▁a", "▁b", "▁c"]


def test_unknown_words_stay_apart(tokenizers):
    encoded = tokenizers["word"].encode("a  zebra xylophone man")
    assert [token == UNKNOWN_ID for token in encoded.ids] == [False, True, True, False]
    assert encoded.offsets == [(0, 1), (3, 8), (9, 18), (19, 22)]


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
        load_tokenizer(tmp_path / "a.model", "unigram")


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
        load_tokenizer(tmp_path / "a.model", "unigram")


def test_real_captions_have_no_unknown_subword(shared_data, tmp_path):
    folder = shared_data / "annotations" / "msrvtt"
    texts = [
        caption.text
        for caption in msrvtt.read([folder / "test_videodatainfo.json.gz"], "full").captions[:4000]
    ]
    tokenizer = train_tokenizer(texts, tmp_path / "a.model", "unigram", 2000)
    assert 1000 < tokenizer.size <= 2000
    assert all(UNKNOWN_ID not in tokenizer.encode(text).ids for text in texts)
