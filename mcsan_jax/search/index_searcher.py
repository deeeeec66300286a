"""This module searches an index: texts become vectors, vectors scores, and scores answers that say why and how sure."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from data_pipeline.errors import Faults
from data_pipeline.levels import ACTION, ENTITY
from mcsan_jax.ranking.block_scores import BlockScorer, ComponentScores
from mcsan_jax.retrieval.explain import Explanation, explain_text
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answering.answer_making import make_answers
from mcsan_jax.search.answering.encoded_texts import EncodedText, QueryEncoder, joined
from mcsan_jax.search.answering.found_captions import FoundCaption, find_captions
from mcsan_jax.search.answering.query_ranking import EncodedQuery
from mcsan_jax.search.answering.result_making import make_result
from mcsan_jax.search.answering.similar_videos import (
    FEWEST_CANDIDATES,
    cosines_with,
    find_similar,
    relevances_to,
)
from mcsan_jax.search.answering.stage_clock import StageClock
from mcsan_jax.search.answers import QueryGraph, SearchRequest, SearchResult
from mcsan_jax.search.query_language import ParsedQuery, parse_query
from mcsan_jax.search.request_checks import check_count, check_request, columns_of
from mcsan_jax.search.searched_collection import SearchedCollection


class IndexSearcher:
    """An index searcher answers requests about the videos of an index; it may be called from several threads.

    Attributes:
        model: the model.
        collection: the videos.
    """

    def __init__(self, model: Mcsan, collection: SearchedCollection) -> None:
        """Takes videos that the model encoded."""
        self.model, self.collection = model, collection
        self._encoder = QueryEncoder(model)
        self._lock = threading.RLock()
        self._load()

    def _load(self) -> None:
        self._videos = self.collection.embeddings(range(len(self.collection.ids)))

    @property
    def ids(self) -> tuple[str, ...]:
        """Returns the ids of all videos."""
        return self.collection.ids

    @property
    def columns(self) -> dict[str, str]:
        """Returns the columns of the metadata and their types, such as ``string`` and ``int64``."""
        return columns_of(self.collection)

    def clip_of(self, video: str) -> str | None:
        """Returns the file to play of a video, None where none is linked.

        Raises:
            InputError: there is no such video.
        """
        return self.collection.clip_of(self.collection.row_of(video))

    def seconds_of(self, video: str) -> tuple[float, ...]:
        """Returns the time of each frame of a video; empty where unknown.

        Raises:
            InputError: there is no such video.
        """
        videos = self.collection.embeddings([self.collection.row_of(video)])
        return tuple(videos.times_of(0).tolist())

    def metadata_of(self, video: str) -> dict[str, Any]:
        """Returns what the columns of the metadata say of a video.

        Raises:
            InputError: there is no such video.
        """
        return self.collection.metadata_of(self.collection.row_of(video))

    def refresh(self) -> bool:
        """Takes what a writer has committed since the index was opened; returns whether there was anything."""
        with self._lock:
            changed = self.collection.refresh()
            if changed:
                self._load()
        return changed

    def check(self, request: SearchRequest) -> None:
        """Refuses a request that `search` would refuse, before it is joined with those of others.

        Raises:
            InputError: names each fault of the request.
        """
        check_request(request, self.collection)
        parsed = parse_query(request.text)
        self._encoder.parse([*parsed.steps, *parsed.negatives])

    def search(self, request: SearchRequest) -> SearchResult:
        """Returns the answers to a request.

        Raises:
            InputError: names each fault of the request.
        """
        return self.search_many([request])[0]

    def search_many(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        """Returns the answers to several requests, whose texts are encoded and scored together.

        Raises:
            InputError: one of the requests is wrong; `check` tells of each beforehand.
        """
        clock = StageClock()
        for request in requests:
            check_request(request, self.collection)
        parsed = [parse_query(request.text) for request in requests]
        texts = list(dict.fromkeys(text for one in parsed for text in (*one.steps, *one.negatives)))
        self._encoder.parse(texts)
        clock.ends("parse")
        encoded = dict(zip(texts, self._encoder.encode(texts), strict=True))
        clock.ends("encode")
        clock.ends("candidates")
        with self._lock:
            scores = self._scores(encoded)
            clock.ends("score")
            return [
                self._result(request, one, encoded, scores, clock.milliseconds)
                for request, one in zip(requests, parsed, strict=True)
            ]

    def similar(self, video: str, k: int = 10, where: str = "") -> SearchResult:
        """Returns the videos that are like a video, the most alike first; `similar_videos` has the formula.

        Raises:
            InputError: there is no such video, or `k` or the filter is wrong.
        """
        row, passes = self._check_video(video, k, where)
        clock = StageClock()
        with self._lock:
            rows = np.flatnonzero(passes & (np.arange(len(passes)) != row))
            vectors = self.collection.stage_one
            near = rows[np.argsort(-cosines_with(vectors[row], vectors[rows]), kind="stable")]
            near = near[: max(FEWEST_CANDIDATES, 4 * k)]
            clock.ends("candidates")
            own, others = self.collection.embeddings([row]), self.collection.embeddings(near.tolist())
            found = find_similar(own, others, near, k, vectors, self.model.scoring_parameters)
            clock.ends("score")
            answers = make_answers(
                found, self.collection, [f"like {video}"], relevances_to(own, self.model.scoring_parameters)
            )
            clock.ends("moments")
        graph = QueryGraph({ENTITY: (), ACTION: ()}, ())
        return SearchResult(
            f"like {video}", tuple(answers), False, None, (), graph, len(rows), len(near), clock.milliseconds
        )

    def captions_for(self, video: str, k: int = 10, texts: Sequence[str] | None = None) -> list[FoundCaption]:
        """Returns the texts that describe a video best, the best first.

        Args:
            video: its id.
            k: how many texts at most.
            texts: among which is chosen; by default those in the columns ``caption`` and ``captions``.

        Raises:
            InputError: there is no such video, no text, or `k` is wrong.
        """
        found = find_captions(self.model, self._encoder, self.collection, video, k, texts)
        calibration = self.model.calibration
        if calibration is None:
            return found
        given = [caption.text for caption in found]
        with self._lock:
            row = self.collection.row_of(video)
            scores = self._scores(dict(zip(given, self._encoder.encode(given), strict=True)))
        return [
            caption._replace(
                probability=float(calibration.probabilities({FUSED: scores[caption.text][FUSED]})[row])
            )
            for caption in found
        ]

    def explain(self, text: str, video: str) -> Explanation:
        """Explains the score of a text and a video.

        Raises:
            InputError: there is nothing to search for in the text, or there is no such video.
        """
        row = self.collection.row_of(video)
        videos = self.collection.embeddings([row])
        model = self.model
        return explain_text(self._encoder.read(text), videos, 0, model.scoring_parameters, model.config)

    def _check_video(self, video: str, k: int, where: str) -> tuple[int, Bool[np.ndarray, " v"]]:
        """Returns the row of a video, and which videos pass a filter."""
        faults, found = Faults(), (0, np.zeros(0, bool))
        with faults.gathered():
            check_count(k)
        with faults.gathered():
            found = (self.collection.row_of(video), found[1])
        with faults.gathered():
            found = (found[0], self._matching(where))
        faults.check()
        return found

    def _matching(self, where: str) -> Bool[np.ndarray, " v"]:
        return self.collection.matching(where) if where else np.ones(len(self.collection.ids), bool)

    def _scores(self, texts: Mapping[str, EncodedText]) -> dict[str, ComponentScores]:
        """Returns the scores of all videos for each text, by component."""
        if not texts or not len(self._videos):
            return {
                text: dict.fromkeys((FUSED, *one.shares), np.zeros(0, np.float32))
                for text, one in texts.items()
            }
        collection = joined(list(texts.values()))
        scorer = BlockScorer(
            self._videos.collection, collection, self.model.scoring_parameters, self.model.config
        )
        found = {name: np.zeros((len(texts), len(self._videos)), np.float32) for name in scorer.components}
        for strip in scorer.blocks():
            for (rows, columns), block in scorer.scores(strip):
                for name, scores in block.items():
                    found[name][columns, rows] = scores.T
        return {
            text: {name: of_texts[place] for name, of_texts in found.items()}
            for place, text in enumerate(texts)
        }

    def _result(
        self,
        request: SearchRequest,
        parsed: ParsedQuery,
        encoded: Mapping[str, EncodedText],
        scores: Mapping[str, ComponentScores],
        milliseconds: Mapping[str, float],
    ) -> SearchResult:
        rows = np.flatnonzero(self._matching(request.where))
        query = EncodedQuery(
            parsed,
            tuple(encoded[text] for text in parsed.steps),
            {text: encoded[text] for text in parsed.negatives},
        )
        own = {
            text: {name: of_all[rows] for name, of_all in scores[text].items()}
            for text in (*parsed.steps, *parsed.negatives)
        }
        calibration = self.model.calibration
        return make_result(request, query, self.collection, rows, len(rows), own, calibration, milliseconds)
