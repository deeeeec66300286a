"""This module finds the texts that describe a video best."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data_pipeline.errors import Faults
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answering.encoded_texts import QueryEncoder, joined
from mcsan_jax.search.request_checks import check_count

CAPTION_COLUMNS = ("caption", "captions")
"""Columns of the metadata whose texts describe the videos."""


class FoundCaption(NamedTuple):
    """A found caption is a text that describes a video.

    Attributes:
        text: the caption.
        score: of the caption and the video.
        probability: that the video is the right answer to the caption; None without a calibration, and where it knows
            no texts of this kind.
    """

    text: str
    score: float
    probability: float | None


def caption_notes(captions: Iterable[FoundCaption], has_calibration: bool) -> tuple[str, ...]:
    """Returns what a user should know about the probabilities of captions."""
    missing = sum(caption.probability is None for caption in captions)
    if not has_calibration:
        return ("the model has no calibration, so that no probability is known",)
    if not missing:
        return ()
    return (
        f"{missing:,} of these texts have no probability, because the calibration of the model knows no texts of their "
        "kind, such as a noun without an action or a sentence with a denial",
    )


def find_captions(
    model: Mcsan,
    encoder: QueryEncoder,
    collection: VideoIndex,
    video: str,
    k: int,
    texts: Sequence[str] | None,
) -> list[FoundCaption]:
    """Returns the texts that describe a video best, the best first.

    Args:
        model: the model.
        encoder: encodes the texts with it.
        collection: holds the video.
        video: its id.
        k: how many texts at most.
        texts: among which is chosen; None for those in the collection's `CAPTION_COLUMNS`.

    Raises:
        InputError: there is no such video, no text, or `k` is wrong.
    """
    faults = Faults()
    row = 0
    with faults.gathered():
        check_count(k)
    with faults.gathered():
        row = collection.row_of(video)
    given = list(dict.fromkeys(captions_of(collection) if texts is None else texts))
    if not given:
        columns = " or ".join(CAPTION_COLUMNS)
        faults.add(f"there are no texts to choose from; give some, or an index with a column {columns}")
    faults.check()
    scorer = BlockScorer(
        collection.embeddings([row]).collection,
        joined(encoder.encode(given)),
        model.scoring_parameters,
        model.config,
    )
    scores = scorer.scores_of(np.arange(1), np.arange(len(given)))[FUSED][0]
    best = np.argsort(-scores, kind="stable")[:k].tolist()
    return [FoundCaption(given[one], float(scores[one]), None) for one in best]


def captions_of(collection: VideoIndex) -> Iterator[str]:
    """Yields the texts of the columns; one that is empty or no text describes nothing."""
    for column in CAPTION_COLUMNS:
        if column in collection.table.column_names:
            for value in collection.table.column(column).to_pylist():
                texts = [value] if isinstance(value, str) else value or []
                yield from (text for text in texts if text.strip())
