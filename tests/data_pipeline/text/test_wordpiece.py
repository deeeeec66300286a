"""Tokenizers that come with a pretrained encoder."""

import json

import pytest

from data_pipeline.errors import InputError
from data_pipeline.text.vocabulary import load_tokenizer
from data_pipeline.text.wordpiece import KIND
from tests.data_pipeline.text.tokenizer_files import TEXTS, write_wordpiece

SPECIAL = ("[PAD]", "[UNK]")


def test_both_files_of_an_encoder_give_the_same_tokens(tokenizers):
    for text in (*TEXTS[:4], "a Zürich-horse's hat, 世界!", "x" * 101, "[PAD] [MASK]"):
        assert tokenizers["tokenizer.json"].encode(text) == tokenizers["vocab.txt"].encode(text)


def test_nothing_is_added_cut_or_padded(tokenizers):
    tokenizer = tokenizers["tokenizer.json"]
    pieces = tokenizer.pieces()
    text = "A man rides a horse and the dog chases 2 cats"
    tokens = [pieces[token] for token in tokenizer.encode(text).ids]
    assert "".join(token.removeprefix("##") for token in tokens) == text.lower().replace(" ", "")
    assert len(tokens) >= 10


def test_an_unknown_word_is_one_token(tokenizers):
    for name in ("tokenizer.json", "vocab.txt"):
        encoded = tokenizers[name].encode("a quiz man")
        assert [token == tokenizers[name].unknown_id for token in encoded.ids] == [False, True, False]
        assert encoded.offsets == [(0, 1), (2, 6), (7, 10)]
        assert tokenizers[name].decode(encoded.ids) == "a [UNK] man"


def test_written_special_tokens_are_text(tmp_path):
    write_wordpiece(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["normalizer"] = None
    content["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json", KIND)
    encoded = tokenizer.encode("man [PAD] man")
    assert encoded.ids[1] == tokenizer.unknown_id
    assert encoded.offsets == [(0, 3), (4, 9), (10, 13)]


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
def test_upper_case_counts_where_the_file_has_it(tmp_path, name):
    write_wordpiece(tmp_path, lowercase=False)
    tokenizer = load_tokenizer(tmp_path / name, KIND)
    assert tokenizer.encode("A").ids != tokenizer.encode("a").ids
    assert tokenizer.decode(tokenizer.encode("Zürich").ids) == "Zürich"


def test_a_file_without_decoder_is_decoded_in_words(tmp_path):
    write_wordpiece(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["decoder"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json", KIND)
    ids = tokenizer.encode("chases horses").ids
    assert len(ids) > 2
    assert tokenizer.decode(ids) == "chases horses"


def test_ids_without_a_token_count(tmp_path):
    write_wordpiece(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["vocab"]["hat"] = 500
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json", KIND)
    assert tokenizer.encode("hat").ids == [500]
    assert tokenizer.size == len(tokenizer.pieces()) == 501
    assert tokenizer.pieces()[499:] == ["", "hat"]


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
@pytest.mark.parametrize(
    ("special", "message"),
    [
        (("[UNK]", "[PAD]"), r"expected \[PAD\] with id 0, .* but it has id 1 and id 0 is '\[UNK\]'"),
        (("[UNK]",), r"expected \[PAD\] with id 0, .* but there is none and id 0 is '\[UNK\]'"),
        (("[PAD]",), r"the token for unknown words, '\[UNK\]', is not in the vocabulary"),
    ],
)
def test_other_special_tokens_are_refused(tmp_path, name, special, message):
    write_wordpiece(tmp_path, special=special)
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path / name, KIND)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b"", r"tokenizer\.json: not a tokenizer of the Hugging Face library"),
        ("tokenizer.json", b"{}", "not a tokenizer of the Hugging Face library"),
        ("tokenizer.json", b"\xff", "expected UTF-8 text, found byte 0xff at offset 0"),
        ("vocab.txt", b"", r"expected \[PAD\] with id 0, .* there is none and id 0 is ''"),
        ("vocab.txt", b"[PAD]\n[UNK]\na\na\n", "line 4: token 'a' is also in line 3"),
        ("vocab.txt", b"[PAD]\r\n[UNK]\r\n\xe9\r\n", "found byte 0xe9 at offset 14"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path / name, KIND)


def test_another_model_is_refused(tmp_path):
    write_wordpiece(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"] = {"type": "BPE", "vocab": {"[PAD]": 0, "a": 1}, "merges": []}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected a WordPiece model, found BPE"):
        load_tokenizer(tmp_path / "tokenizer.json", KIND)
