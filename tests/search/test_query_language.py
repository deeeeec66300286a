"""What is typed becomes steps and negative parts by rules that hold for any text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from mcsan_jax.search.query_language import MAX_CHARACTERS, MAX_PARTS, parse_query

WORDS = st.sampled_from("a dog red-nosed cat runs T-shirt 7 the “ 5 é 狗 walks - & don't".split())


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a dog catches a frisbee", ["a dog catches a frisbee"]),
        ("a man walks then sits", ["a man walks", "sits"]),
        ("a man walks, then sits", ["a man walks", "sits"]),
        ("a man walks and then sits", ["a man walks", "sits"]),
        ("A man walks, AND THEN he sits.", ["A man walks", "he sits"]),
        ("a dog, then a cat then a bird", ["a dog", "a cat", "a bird"]),
        ("it rains but then the sun shines", ["it rains", "the sun shines"]),
        # At the ends it orders nothing.
        ("then a dog runs", ["then a dog runs"]),
        ("a dog runs, then", ["a dog runs, then"]),
        ("then", ["then"]),
        # Nor in these phrases, in quotes, or as a part of a word.
        ("a bird sings now and then", ["a bird sings now and then"]),
        ("a bird sings now and then in a tree", ["a bird sings now and then in a tree"]),
        ("more then one dog", ["more then one dog"]),
        ('a man says "ready then go" and leaves', ["a man says ready then go and leaves"]),
        ("a man says “first this then that”", ["a man says first this then that"]),
        ("authentic food", ["authentic food"]),
        # A quotation mark alone stands for inches after a digit, and for nothing elsewhere.
        ('a "red box', ["a red box"]),
        ('a 5" pipe then a 6 inch pipe', ['a 5" pipe', "a 6 inch pipe"]),
    ],
)
def test_then_orders_steps(text: str, steps: list[str]) -> None:
    parsed = parse_query(text)
    assert (list(parsed.steps), parsed.negatives) == (steps, ())


@pytest.mark.parametrize(
    ("text", "steps", "negatives"),
    [
        ("a red box -ball", ["a red box"], ["ball"]),
        ("-ball a red box", ["a red box"], ["ball"]),
        ('a dog -"red ball" in a park', ["a dog in a park"], ["red ball"]),
        ("a dog −cat", ["a dog"], ["cat"]),
        ("a dog -cat -Cat -bird", ["a dog"], ["cat", "bird"]),
        ("a red box without a ball", ["a red box"], ["a ball"]),
        ("without shoes, a man walks", ["a man walks"], ["shoes"]),
        ("a street with no cars", ["a street"], ["cars"]),
        ("a dog but not a cat", ["a dog"], ["a cat"]),
        ("a man, but not a woman, walks", ["a man, walks"], ["a woman"]),
        ("a dog but not running", ["a dog"], ["running"]),
        ("a beach but not on sand", ["a beach"], ["on sand"]),
        ('a dance without "slow motion" effects', ["a dance effects"], ["slow motion"]),
        # The phrase after "without" is a short one: what follows it is wanted again.
        ("a man without a hat walks on a beach", ["a man walks on a beach"], ["a hat"]),
        ("a man without a hat on a beach", ["a man on a beach"], ["a hat"]),
        ("a man without a hat is walking", ["a man is walking"], ["a hat"]),
        ("a bowl without a spoon of sugar on a table", ["a bowl on a table"], ["a spoon of sugar"]),
        ("a street without cars or people", ["a street"], ["cars", "people"]),
        ("a room without a cat and with a dog", ["a room and with a dog"], ["a cat"]),
        ("a man without shoes without a hat", ["a man"], ["shoes", "a hat"]),
        ("a star without a box, slowly turns", ["a star, slowly turns"], ["a box"]),
        # A negative part belongs to the query, in whichever step it stands.
        ("a man without a hat walks then sits", ["a man walks", "sits"], ["a hat"]),
        ("a man walks then sits -dog", ["a man walks", "sits"], ["dog"]),
        # These are no operators.
        ("a T-shirt on a well-known man", ["a T-shirt on a well-known man"], []),
        ("a dog - running", ["a dog running"], []),
        ("with or without", ["with or without"], []),
        ('a sign "keep out -thanks"', ["a sign keep out -thanks"], []),
    ],
)
def test_negative_parts(text: str, steps: list[str], negatives: list[str]) -> None:
    parsed = parse_query(text)
    assert (list(parsed.steps), list(parsed.negatives)) == (steps, negatives)


@given(st.lists(WORDS, min_size=1, max_size=12).filter(lambda words: any(map(str.isalnum, "".join(words)))))
def test_a_text_without_operators_stays_as_it_is(words: list[str]) -> None:
    said = [word for word in words if word not in ("-", "“")]
    assert parse_query(f"  {' '.join(words)}\n").steps == (" ".join(said),)


@pytest.mark.parametrize(
    "text",
    [
        "a red box?",
        "a red box!",
        "a red box.",
        "a red box …",
        "a red box?!",
        "a red box 😀",
        "😀 a red box",
        "a red🟥 box👍🏽",
        "a red box -",
        "- a red – box *",
        "...a red box ❤️ 👩‍🚒.",
        'a red "box',
    ],
)
def test_signs_and_emoji_change_nothing(text: str) -> None:
    assert parse_query(text) == parse_query("a red box")
    assert parse_query(f"a star, then {text}").steps == ("a star", "a red box")


def test_a_sign_that_belongs_to_words_stays() -> None:
    for text in ("salt & pepper", "a 5.5 kg dog, a $5 toy and a T-shirt of C++", "don't", "50% off"):
        assert parse_query(text).steps == (text,)
    assert parse_query('a dog "who is it? 😀"').steps == ("a dog who is it? 😀",)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("show me a dog", "a dog"),
        ("Find videos of a red car.", "a red car"),
        ("please find me a man playing guitar", "a man playing guitar"),
        ("can you show me some dogs?", "dogs"),
        ("give me clips with cats", "cats"),
        ("search for a woman", "a woman"),
        ("i'm looking for a video where a man falls", "a man falls"),
        ("I want to see a dog", "a dog"),
        ("do you have a video of a cat?", "a cat"),
        ("are there any dogs in the video?", "dogs"),
        ("where is the video in which a dog runs?", "a dog runs"),
        ("which video shows a dog", "a dog"),
        ("find me videos of dogs", "dogs"),
        ("find me videos of", "videos of"),
        ("a video of a dog", "a dog"),
        ("some clips showing a dog", "a dog"),
        ("I need a video of a cat", "a cat"),
        ('show me videos of "a video of a dog"', "a video of a dog"),
        # These ask for nothing, or for the words themselves.
        ("show me", "show me"),
        ("find nemo", "find nemo"),
        ("a video", "a video"),
        ("a man shows a video of a dog", "a man shows a video of a dog"),
        ('"a video of a dog"', "a video of a dog"),
        ("a man says show me a dog", "a man says show me a dog"),
        ("where is the dog", "where is the dog"),
        ('"show me a dog"', "show me a dog"),
    ],
)
def test_a_request_is_no_part_of_what_is_searched_for(text: str, step: str) -> None:
    parsed = parse_query(text)
    assert parsed.steps == (step,)
    if step == text.strip('"'):
        assert parsed.notes == ()
    else:
        read, left_out = parsed.notes
        assert read == f"read as {step!r}"
        asked = re.fullmatch(r"left out ['\"](.+)['\"], which asks for a video and describes none", left_out)
        # Nothing is lost: what was left out and what is read are the words of the query.
        assert asked is not None and sorted(f"{asked[1]} {step}".split()) == sorted(
            text.translate(str.maketrans("", "", '?."')).split()
        )


def test_a_request_may_have_several_parts() -> None:
    parsed = parse_query("show me a dog then a cat in the clip")
    assert parsed.steps == ("a dog", "a cat")
    parsed = parse_query("show me a dog -cat")
    assert (parsed.steps, parsed.negatives) == (("a dog",), ("cat",))


def test_the_mark_of_a_hashtag_is_left_out() -> None:
    parsed = parse_query("#dog #beach -#cat C# #1")
    assert (parsed.steps, parsed.negatives) == (("dog beach C# 1",), ("cat",))


@given(st.text(st.sampled_from('ab "“”-−,.;! thenwitouq'), max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        parsed = parse_query(text)
    except InputError as error:
        assert "query" in str(error)
    else:
        assert all(part.strip() == part != "" for part in (*parsed.steps, *parsed.negatives))
        assert set(re.findall(r"\w", "".join((*parsed.steps, *parsed.negatives)))) <= set(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to search for; give a sentence"),
        (" \n", "nothing to search for"),
        ("?!… … & 🐶", "the query is '\\?!… … & 🐶': there is nothing to search for"),
        ('""', "nothing to search for"),
        (
            "-ball",
            r"only says what a video should not have; say also what to look for, as in 'a street without ball'",
        ),
        ('a red box -"green ball', "the quote after the minus is not closed; close it, as in"),
        ("without a dog", "only says .* 'a street without a dog'"),
        ("-ball then -box", "only says"),
        ("a dog then then a cat", "has 3 steps, and step 2 is empty; say what happens before and after each"),
        ("a dog then -cat", "has 2 steps, and step 2 is empty"),
        ("a dog then 🐶", "has 2 steps, and step 2 is empty"),
        (" then ".join(["a dog"] * (MAX_PARTS + 1)), f"has 9 steps; expected at most {MAX_PARTS}"),
        ("a dog " + " ".join(f"-n{i}" for i in range(9)), "has 9 negative parts; expected at most 8"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_query(text)


def test_the_reading_of_several_parts_is_said() -> None:
    assert parse_query("a man without a hat walks then sits -dog").notes == (
        "read as 'a man walks', then 'sits', without 'a hat' and 'dog'",
    )
    assert parse_query("a man in a hat walks").notes == ()


@pytest.mark.parametrize("space", [" ", "\n"])
def test_a_long_text_is_cut_after_a_word(space: str) -> None:
    text = space.join(f"word{i}" for i in range(2000))
    assert len(text) > MAX_CHARACTERS
    parsed = parse_query(text)
    (step,), (note,) = parsed.steps, parsed.notes
    read = step.split()
    assert read == [f"word{i}" for i in range(len(read))]
    assert MAX_CHARACTERS - 10 < len(step) <= MAX_CHARACTERS
    assert f"read up to word {len(read):,}, '{read[-1]}'" in note
    whole = text[:MAX_CHARACTERS].rsplit(space, 1)[0]
    assert parse_query(whole).notes == ()


def test_a_long_word_is_cut_within() -> None:
    (step,) = parse_query("x" * (MAX_CHARACTERS + 1)).steps
    assert step == "x" * MAX_CHARACTERS
