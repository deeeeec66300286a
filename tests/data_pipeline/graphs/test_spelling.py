"""Texts of users: which are not English, and what is corrected in those that are."""

import pytest

from data_pipeline.graphs.parser import CaptionParser

FOREIGN = """
un chien attrape un frisbee
un homme joue de la guitare
une femme chante sur scène
ein mann spielt gitarre
der hund schläft auf dem sofa
jemand kocht nudeln in der küche
un perro corre en la playa
una mujer canta en el escenario
un cane corre sulla spiaggia
um cachorro corre na praia
en hund springer på stranden
pies biegnie po plaży
bir köpek sahilde koşuyor
seekor anjing berlari di pantai
собака ловит мяч
犬がボールを捕まえる
一只狗
الكلب يجري
कुत्ता दौड़ता है
"""
ENGLISH = """
a dog catches a frisbee
a womna cookng pasta
A MAN IS PLAYING A GUITAR
dog, cat, tree
squidward plays minecraft
usain bolt runs
volkswagen golf gti review
how to make sushi
jiu jitsu sparring
a man sings 歌
macchina rossa
red car
🐶
12
"""


@pytest.mark.parametrize("text", FOREIGN.strip().splitlines())
def test_other_languages_are_told(parser: CaptionParser, text: str) -> None:
    assert parser.spelling.is_foreign(text)
    assert parser.spelling.correct_text(text) == text


@pytest.mark.parametrize("text", ENGLISH.strip().splitlines())
def test_english_is_no_other_language(parser: CaptionParser, text: str) -> None:
    """Nor are names and slips in it, nor two words of any language, which are too few to tell."""
    assert not parser.spelling.is_foreign(text)


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        ("a womna cookng pasta", "a woman cooking pasta"),
        ("A Gitar, please", "A guitar, please"),
        ("the man's gitar-case", "the man's gitar-case"),
        ("gitar.mp4 and www.gitar.com/gitar @gitar", "gitar.mp4 and www.gitar.com/gitar @gitar"),
        ("a man playing at gitar.", "a man playing at guitar."),
        ("smurfette", "smurfette"),
        ("a star pushs a box and catchs it", "a star pushes a box and catches it"),
        ("two boxs, stomachs and six dresss", "two boxes, stomachs and six dresses"),
        # Three letters are too few; four may lack one, or have two exchanged.
        ("a str pushes a bxo", "a str pushes a bxo"),
        ("a stra pushes a blx", "a star pushes a blx"),
    ],
)
def test_slips_in_a_text_are_corrected(parser: CaptionParser, text: str, corrected: str) -> None:
    assert parser.spelling.correct_text(text) == corrected


def test_more_words_may_be_frequent(parser: CaptionParser) -> None:
    assert parser.spelling.correct("wedeg") == "wedeg"
    assert parser.spelling.with_frequent(["wedge"]).correct("wedeg") == "wedge"
    # The usual words come first.
    assert parser.spelling.with_frequent(["guitars"]).correct("gitar") == "guitar"
