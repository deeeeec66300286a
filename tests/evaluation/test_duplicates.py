import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsan_jax.evaluation.duplicates import merge, probable_false_negatives

TEXTS = ["A man  runs", "a dog", "a man\u00a0runs", "a cat", "A DOG ", "a dog", "a man runs."]
OWNERS = np.array([0, 0, 1, 1, 0, 2, 2])
CAPTIONS = [f"c{number}" for number in range(7)]
VIDEOS = ["v0", "v1", "v2"]


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


def test_probable_false_negatives_are_counted_and_shown() -> None:
    ranks = np.array([3.0, 1.5, 2.0, 1.0, 9.0, 4.0, 8.0])
    found = probable_false_negatives(TEXTS, OWNERS, CAPTIONS, VIDEOS, ranks)
    assert found["queries"] == 5
    np.testing.assert_allclose(found["share"], 100 * 5 / 7)
    assert found["examples"] == [
        {"query": "c4", "text": "A DOG ", "video": "v0", "other": "v2", "rank": 9.0},
        {"query": "c0", "text": "A man  runs", "video": "v0", "other": "v1", "rank": 3.0},
    ]


def test_the_same_text_twice_for_one_video_is_no_false_negative() -> None:
    found = probable_false_negatives(["a", "A"], np.array([0, 0]), ["x", "y"], ["v"], np.ones(2))
    assert found == {"queries": 0, "share": 0.0, "examples": []}


def test_no_more_than_twenty_examples() -> None:
    texts = [f"text {number // 2}" for number in range(60)]
    owners = np.arange(60) % 2
    names = [str(number) for number in range(60)]
    found = probable_false_negatives(texts, owners, names, ["v0", "v1"], np.arange(60.0))
    assert found["queries"] == 60
    assert [example["rank"] for example in found["examples"]] == [59.0 - 2 * n for n in range(20)]
