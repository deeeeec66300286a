import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.relevance import Matches


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
