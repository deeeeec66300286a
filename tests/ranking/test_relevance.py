import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from mcsan_jax.ranking.duplicates import merge, relevant_pairs, shared_captions
from mcsan_jax.ranking.relevance import Matches

TEXTS = ["A man  runs", "a dog", "a man runs", "a cat", "A DOG ", "a dog", "a man runs."]
OWNERS = np.array([0, 0, 1, 1, 0, 2, 2])
CAPTIONS = [f"c{number}" for number in range(7)]
VIDEOS = ["v0", "v1", "v2"]


def test_captions_of_one_video_each() -> None:
    matches = Matches.of_owners(np.array([2, 0, 2, 2]), 4)
    assert (matches.video_count, matches.text_count) == (4, 4)
    np.testing.assert_array_equal(matches.videos_of_texts(), [[2], [0], [2], [2]])
    np.testing.assert_array_equal(
        matches.texts_of_videos(), [[1, -1, -1], [-1, -1, -1], [0, 2, 3], [-1, -1, -1]]
    )
    np.testing.assert_array_equal(matches.queried_texts, [0, 1, 2, 3])
    np.testing.assert_array_equal(matches.queried_videos, [0, 2])


def test_pairs_in_any_order() -> None:
    """Captions 0 and 1 are of two videos each, caption 2 of none."""
    matches = Matches(np.array([3, 1, 0, 1]), np.array([1, 0, 1, 3]), 4, 4)
    np.testing.assert_array_equal(matches.videos_of_texts(), [[1, -1], [0, 3], [-1, -1], [1, -1]])
    np.testing.assert_array_equal(matches.texts_of_videos(), [[1, -1], [0, 3], [-1, -1], [1, -1]])
    np.testing.assert_array_equal(matches.queried_texts, [0, 1, 3])
    np.testing.assert_array_equal(matches.queried_videos, [0, 1, 3])


def test_the_pairs_inside_a_block() -> None:
    matches = Matches(np.array([3, 1, 0, 1]), np.array([1, 0, 1, 3]), 4, 4)
    for rows in (slice(0, 4), slice(1, 2), slice(1, 4), slice(0, 1)):
        for columns in (slice(0, 4), slice(0, 2), slice(1, 3), slice(2, 3)):
            expected = [
                i
                for i, (video, text) in enumerate(zip(matches.videos, matches.texts, strict=True))
                if rows.start <= video < rows.stop and columns.start <= text < columns.stop
            ]
            assert sorted(matches.inside(rows, columns)) == expected


@pytest.mark.parametrize(
    ("videos", "texts", "message"),
    [
        ([0, 4], [0, 1], r"pair 1 names video 4, but the 4 videos are numbered from 0 to 3"),
        ([0, 1], [5, 1], r"pair 0 names caption 5, but the 5 captions are numbered from 0 to 4"),
        ([-1, 1], [0, 1], r"pair 0 names video -1"),
        ([0, 2, 2], [0, 1, 1], r"video 2 and caption 1 is listed 2 times"),
        ([0, 1], [0], r"two lists of equal length"),
    ],
)
def test_pairs_that_cannot_be_raise(videos: list[int], texts: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Matches(np.array(videos), np.array(texts), 4, 5)


def test_texts_are_the_same_but_for_case_and_white_space() -> None:
    merged = merge(TEXTS, OWNERS)
    assert merged.kept.tolist() == [0, 1, 3, 6]
    assert merged.query_of.tolist() == [0, 1, 0, 2, 1, 1, 3]


def test_merged_captions_have_all_their_videos() -> None:
    merged = merge(TEXTS, OWNERS)
    pairs = set(zip(merged.videos.tolist(), merged.kept[merged.queries].tolist(), strict=True))
    assert pairs == {(0, 0), (1, 0), (0, 1), (2, 1), (1, 3), (2, 6)}
    assert len(merged.videos) == len(pairs)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(["x", "X", " x", "y z", "y  Z", "w"]), st.integers(0, 3)), max_size=9)
)
def test_merging_is_what_a_loop_does(captions: list[tuple[str, int]]) -> None:
    texts = [text for text, _ in captions]
    owners = np.array([owner for _, owner in captions], np.int64)
    firsts: dict[str, int] = {}
    videos: dict[int, set[int]] = {}
    repeats = []
    for index, (text, owner) in enumerate(captions):
        plain = " ".join(text.lower().split())
        repeats.append(plain in firsts)
        first = firsts.setdefault(plain, index)
        videos.setdefault(first, set()).add(owner)
    merged = merge(texts, owners)
    assert merged.kept.tolist() == list(firsts.values())
    assert (merged.kept[merged.query_of] != np.arange(len(texts))).tolist() == repeats
    found: dict[int, set[int]] = {}
    for video, query in zip(merged.videos.tolist(), merged.queries.tolist(), strict=True):
        found.setdefault(int(merged.kept[query]), set()).add(video)
    assert found == videos


@pytest.mark.parametrize("texts", [TEXTS, ["a", "b", "c", "d", "e", "f", "g"], ["a"] * 7])
def test_the_rule_says_whether_the_same_text_is_relevant(texts: list[str]) -> None:
    found = {}
    for rule in ("relevant", "wrong"):
        matches = relevant_pairs(texts, OWNERS, 4, rule)
        assert (matches.video_count, matches.text_count) == (4, 7)
        found[rule] = set(zip(matches.texts.tolist(), matches.videos.tolist(), strict=True))
    assert found["wrong"] == set(enumerate(OWNERS.tolist()))
    keys = [" ".join(text.lower().split()) for text in texts]
    assert found["relevant"] == {
        (caption, int(video))
        for caption, key in enumerate(keys)
        for other, video in zip(keys, OWNERS, strict=True)
        if key == other
    }


def test_shared_captions_are_counted_and_shown() -> None:
    ranks = np.array([3.0, 1.5, 2.0, 1.0, 9.0, 4.0, 8.0])
    found = shared_captions(TEXTS, OWNERS, CAPTIONS, VIDEOS, ranks)
    assert found["queries"] == 5
    np.testing.assert_allclose(found["share"], 100 * 5 / 7)
    assert found["examples"] == [
        {"query": "c4", "text": "A DOG ", "video": "v0", "other": "v2", "rank": 9.0},
        {"query": "c0", "text": "A man  runs", "video": "v0", "other": "v1", "rank": 3.0},
    ]


def test_the_same_text_twice_for_one_video_is_no_false_negative() -> None:
    found = shared_captions(["a", "A"], np.array([0, 0]), ["x", "y"], ["v"], np.ones(2))
    assert found == {"queries": 0, "share": 0.0, "examples": []}


def test_no_more_than_twenty_examples() -> None:
    texts = [f"text {number // 2}" for number in range(60)]
    owners = np.arange(60) % 2
    names = [str(number) for number in range(60)]
    found = shared_captions(texts, owners, names, ["v0", "v1"], np.arange(60.0))
    assert found["queries"] == 60
    assert [example["rank"] for example in found["examples"]] == [59.0 - 2 * n for n in range(20)]
