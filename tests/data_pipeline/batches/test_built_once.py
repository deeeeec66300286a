"""The graph that decodes records is built once for a reader, however often and from wherever it reads."""

from collections.abc import Callable
from typing import Any

import pytest

from data_pipeline.batches import decoding
from tests.support.batches import same, split_reader, take, train_batches
from tests.support.prepared_data import Prepared


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which functions of `decoding` a graph was made of, in order."""
    names: list[str] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any) -> Any:
            names.append(name)
            return function(*arguments)

        return watch

    for name in ("decode_videos", "decode_captions"):
        monkeypatch.setattr(decoding, name, watched(name, getattr(decoding, name)))
    return names


def test_training_from_any_step(prepared: Prepared, traced: list[str]) -> None:
    batches = train_batches(prepared)
    sequence = take(batches, 6)
    assert all(same(take(batches, 1, step)[0], sequence[step]) for step in (5, 2, 0))
    assert traced == ["decode_videos", "decode_captions"]


def test_evaluating_a_split_again(prepared: Prepared, traced: list[str]) -> None:
    reader = split_reader(prepared)
    first, second = (
        [*reader.video_batches(4), *reader.caption_batches(4), *reader.foil_batches(4)] for _ in range(2)
    )
    assert all(same(one, other) for (_, one), (_, other) in zip(first, second, strict=True))
    assert traced == ["decode_videos", "decode_captions", "decode_captions"]
    # Another size of batches is another graph.
    assert len(list(reader.video_batches(3))) == 3
    assert traced[3:] == ["decode_videos"]
