"""This module scores the videos of an index for several requests at once."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answering.encoded_texts import EncodedText, joined
from mcsan_jax.search.answering.query_ranking import EncodedQuery, ScoresOfText
from mcsan_jax.search.answers import SearchRequest
from mcsan_jax.search.query_score import NEGATIVE_WEIGHT
from mcsan_jax.search.stages.two_stages import CandidateSearch, Mix, ScoredVideos


@dataclasses.dataclass(frozen=True)
class ScoredRequest:
    """A scored request has the scores of the videos that may be its answers.

    Attributes:
        searched: how many videos pass its filter.
        rows: of those that were scored.
        scores: for each text of its query, the scores of these by component.
    """

    searched: int
    rows: Int[np.ndarray, " v"]
    scores: dict[str, ScoresOfText]


def score_requests(
    requests: Sequence[SearchRequest],
    queries: Sequence[EncodedQuery],
    search: CandidateSearch,
    matching: Callable[[str], Bool[np.ndarray, " v"]],
) -> list[ScoredRequest]:
    """Scores videos; requests that differ in their texts alone are scored together.

    Args:
        requests: what is wanted.
        queries: the encoded text of each.
        search: scores the videos of the index.
        matching: says which videos pass a filter.
    """
    groups: dict[tuple[str, int, int, bool | None], list[int]] = {}
    for number, request in enumerate(requests):
        key = (request.where, request.k, request.candidates, request.exact)
        groups.setdefault(key, []).append(number)
    scored: dict[int, ScoredRequest] = {}
    for (where, k, candidates, exact), numbers in groups.items():
        among = matching(where) if where else None
        searched = len(search.numbers) if among is None else int(among.sum())
        texts = {text: one for number in numbers for text, one in queries[number].texts.items()}
        places = {text: place for place, text in enumerate(texts)}
        found = search.search(
            joined(list(texts.values())),
            [_mix(queries[number], places) for number in numbers],
            k,
            candidates=candidates,
            among=among,
            exact=exact,
        )
        for number, videos in zip(numbers, found, strict=True):
            scored[number] = ScoredRequest(searched, videos.rows, _by_text(queries[number].texts, videos))
    return [scored[number] for number in range(len(requests))]


def _mix(query: EncodedQuery, places: Mapping[str, int]) -> Mix:
    """Returns by which sum of its texts candidates for a query are chosen; the order of steps comes later."""
    weights = dict.fromkeys(query.texts, 0.0)
    for step in query.parsed.steps:
        weights[step] += 1 / len(query.parsed.steps)
    for negative in query.parsed.negatives:
        weights[negative] -= NEGATIVE_WEIGHT
    return Mix(tuple(places[text] for text in weights), tuple(weights.values()))


def _by_text(texts: Mapping[str, EncodedText], videos: ScoredVideos) -> dict[str, ScoresOfText]:
    if not len(videos.rows):
        return {
            text: dict.fromkeys((FUSED, *one.shares), np.zeros(0, np.float32)) for text, one in texts.items()
        }
    return {
        text: {name: of_texts[place] for name, of_texts in videos.scores.items()}
        for place, text in enumerate(texts)
    }
