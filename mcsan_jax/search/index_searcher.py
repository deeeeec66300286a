"""This module searches an index: texts become vectors, vectors scores, and scores answers that say why and how sure."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.errors import Faults
from data_pipeline.levels import ACTION, ENTITY
from mcsan_jax.ranking.block_scores import BlockScorer, ComponentScores
from mcsan_jax.ranking.collection import TextCollection
from mcsan_jax.retrieval.explain import Explanation
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answers import QueryGraph, SearchAnswer, SearchRequest, SearchResult
from mcsan_jax.search.arrangement import arranged
from mcsan_jax.search.encoded_texts import EncodedText, QueryEncoder, joined
from mcsan_jax.search.folding import fold_duplicates
from mcsan_jax.search.found_captions import FoundCaption, find_captions
from mcsan_jax.search.met_frames import find_moments, frame_relevance, seconds_of
from mcsan_jax.search.request_checks import check_count, check_request
from mcsan_jax.search.searched_collection import SearchedCollection

NO_CALIBRATION = (
    "the model has no calibration, so that no probability is known and no answer is left out for it"
)


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
        schema = self.collection.table.schema
        return {field.name: str(field.type) for field in schema if field.name not in ("id", "clip")}

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
        return seconds_of(self.collection.embeddings([self.collection.row_of(video)]), 0)

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
        faults = Faults()
        with faults.gathered():
            check_request(request, self.columns)
        if request.where:
            with faults.gathered():
                self.collection.matching(request.where)
        faults.check()
        self._encoder.parse([request.text])

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
        started = time.perf_counter()
        for request in requests:
            self.check(request)
        texts = [request.text for request in requests]
        parsed = time.perf_counter()
        encoded = self._encoder.encode(texts)
        done = time.perf_counter()
        with self._lock:
            scores = self._scores(joined(encoded)) if encoded else {}
            scored = time.perf_counter()
            milliseconds = {"parse": parsed - started, "encode": done - parsed, "score": scored - done}
            return [
                self._result(
                    request, text, {name: of_all[row] for name, of_all in scores.items()}, milliseconds
                )
                for row, (request, text) in enumerate(zip(requests, encoded, strict=True))
            ]

    def similar(self, video: str, k: int = 10, where: str = "") -> SearchResult:
        """Returns the videos whose vectors are nearest to those of a video.

        Raises:
            InputError: there is no such video, or `k` or the filter is wrong.
        """
        started = time.perf_counter()
        faults = Faults()
        row, passes = 0, np.zeros(0, bool)
        with faults.gathered():
            check_count(k)
        with faults.gathered():
            row = self.collection.row_of(video)
        with faults.gathered():
            passes = self._matching(where)
        faults.check()
        with self._lock:
            vectors = np.asarray(self.collection.stage_one, np.float32)
            lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
            cosines = vectors @ vectors[row] / (lengths * lengths[row])
            rows = np.flatnonzero(passes & (np.arange(len(passes)) != row))
            ranked = rows[np.argsort(-cosines[rows], kind="stable")][:k]
            answers = tuple(
                self._answer(
                    rank, int(one), float(cosines[one]), None, {"vectors": float(cosines[one])}, {}, None, []
                )
                for rank, one in enumerate(ranked, start=1)
            )
        spent = {"score": 1000 * (time.perf_counter() - started)}
        graph = QueryGraph({ENTITY: (), ACTION: ()}, ())
        return SearchResult(f"like {video}", answers, False, None, (), graph, len(rows), len(rows), spent)

    def captions_for(self, video: str, k: int = 10, texts: Sequence[str] | None = None) -> list[FoundCaption]:
        """Returns the texts that describe a video best, the best first.

        Args:
            video: its id.
            k: how many texts at most.
            texts: among which is chosen; by default those in the columns ``caption`` and ``captions``.

        Raises:
            InputError: there is no such video, no text, or `k` is wrong.
        """
        return find_captions(self.model, self._encoder, self.collection, video, k, texts)

    def explain(self, text: str, video: str) -> Explanation:
        """Explains the score of a text and a video.

        Raises:
            InputError: there is nothing to search for in the text, or there is no such video.
        """
        row = self.collection.row_of(video)
        return self.model.explain(text, self.collection.embeddings([row]), 0)

    def _matching(self, where: str) -> Bool[np.ndarray, " v"]:
        return self.collection.matching(where) if where else np.ones(len(self.collection.ids), bool)

    def _scores(self, texts: TextCollection) -> ComponentScores:
        """Returns the scores of all videos by component [t, v]."""
        scorer = BlockScorer(self._videos.collection, texts, self.model.scoring_parameters, self.model.config)
        found = {name: np.zeros((len(texts), len(self._videos)), np.float32) for name in scorer.components}
        for strip in scorer.blocks():
            for (rows, columns), block in scorer.scores(strip):
                for name, scores in block.items():
                    found[name][columns, rows] = scores.T
        return found

    def _result(
        self,
        request: SearchRequest,
        text: EncodedText,
        scores: Mapping[str, Float[np.ndarray, " v"]],
        seconds: Mapping[str, float],
    ) -> SearchResult:
        started = time.perf_counter()
        rows = np.flatnonzero(self._matching(request.where))
        ranked = rows[np.argsort(-scores[FUSED][rows], kind="stable")]
        notes = [] if len(self.ids) else ["the index holds no video"]
        notes += ["no video passes the filter"] if len(self.ids) and not len(rows) else []
        calibration, probabilities, threshold = self.collection.calibration, None, None
        if calibration is None:
            notes.append(NO_CALIBRATION)
        elif len(ranked):
            probabilities = calibration.probabilities({name: scores[name][ranked] for name in scores})
            threshold = calibration.threshold if request.min_probability is None else request.min_probability
            ranked = ranked[probabilities >= threshold]
        folded = fold_duplicates(self.collection.stage_one, ranked.tolist(), request.k)
        place = {int(row): rank for rank, row in enumerate(ranked)}
        answers = [
            self._answer(
                rank,
                row,
                float(scores[FUSED][row]),
                None if probabilities is None else float(probabilities[place[row]]),
                {name: share * float(scores[name][row]) for name, share in text.shares.items()},
                {name: float(scores[name][row]) for name in text.shares},
                text,
                duplicates,
            )
            for rank, (row, duplicates) in enumerate(folded, start=1)
        ]
        spent = {stage: 1000 * value for stage, value in seconds.items()}
        spent |= {"candidates": 0.0, "moments": 1000 * (time.perf_counter() - started)}
        phrases = {level: tuple(text.query.phrases[level]) for level in (ENTITY, ACTION)}
        return SearchResult(
            request.text,
            arranged(answers, request.sort, request.group_by),
            bool(len(rows)) and not answers,
            threshold,
            tuple(notes),
            QueryGraph(phrases, tuple(text.query.edges)),
            len(rows),
            len(rows),
            spent,
        )

    def _answer(
        self,
        rank: int,
        row: int,
        score: float,
        probability: float | None,
        contributions: dict[str, float],
        level_scores: dict[str, float],
        text: EncodedText | None,
        duplicates: Sequence[int],
    ) -> SearchAnswer:
        videos = self.collection.embeddings([row])
        seconds, relevance = seconds_of(videos, 0), () if text is None else frame_relevance(text, videos)
        return SearchAnswer(
            rank,
            self.ids[row],
            score,
            probability,
            contributions,
            level_scores,
            find_moments("" if text is None else text.query.caption.text, relevance, seconds),
            relevance,
            seconds,
            self.collection.metadata_of(row),
            self.collection.clip_of(row),
            tuple(self.ids[one] for one in duplicates),
        )
