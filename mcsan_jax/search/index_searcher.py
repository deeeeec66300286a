"""This module searches an index: texts become vectors, vectors scores, and scores answers that say why and how sure."""

import pathlib
import threading
from collections.abc import Sequence
from typing import Any

from data_pipeline.errors import InputError, shown
from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.video_index import VideoIndex
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.retrieval.explain import Explanation, explain_text
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.scoring.multi_level import FUSED
from mcsan_jax.search.answering.encoded_texts import QueryEncoder, joined
from mcsan_jax.search.answering.found_captions import FoundCaption, find_captions
from mcsan_jax.search.answering.index_scores import IndexScores
from mcsan_jax.search.answering.query_ranking import EncodedQuery
from mcsan_jax.search.answering.result_making import make_result
from mcsan_jax.search.answering.scored_requests import score_requests
from mcsan_jax.search.answering.similar_videos import search_similar
from mcsan_jax.search.answering.stage_clock import StageClock
from mcsan_jax.search.answers import SearchRequest, SearchResult
from mcsan_jax.search.query_language import ParsedQuery
from mcsan_jax.search.request_checks import check_request, columns_of


class IndexSearcher:
    """An index searcher answers requests about the videos of an index; it may be called from several threads.

    Attributes:
        model: the model.
        collection: the videos.
    """

    def __init__(self, model: Mcsan, collection: VideoIndex, engine: Engine | None = None) -> None:
        """Takes an index and its model; `open` opens both.

        Args:
            model: the model of the index.
            collection: the index.
            engine: that finds candidates where not all videos are scored; by default one that needs nothing beside the
                index.
        """
        self.model, self.collection = model, collection
        self._encoder = QueryEncoder(model)
        self._scores = IndexScores(model, collection, engine)
        # What a search sees of the index does not change under it.
        self._lock = threading.RLock()

    @classmethod
    def open(cls, folder: str | pathlib.Path, engine: Engine | None = None) -> "IndexSearcher":
        """Opens an index and the model in it.

        Args:
            folder: of the index.
            engine: as `IndexSearcher` takes it, such as that of `open_engine`.

        Raises:
            InputError: there is no index, or one that is damaged, of a newer version, or of another model.
        """
        index = VideoIndex.open(folder)
        return cls(Mcsan.from_pretrained(index.model_folder), index, engine)

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
        with self._lock:
            return self.collection.clip_of(self.collection.row_of(video))

    def seconds_of(self, video: str) -> tuple[float, ...]:
        """Returns the time of each frame of a video; empty where unknown.

        Raises:
            InputError: there is no such video.
        """
        return tuple(self._videos_of(video).times_of(0).tolist())

    def metadata_of(self, video: str) -> dict[str, Any]:
        """Returns what the columns of the metadata say of a video.

        Raises:
            InputError: there is no such video.
        """
        with self._lock:
            return self.collection.metadata_of(self.collection.row_of(video))

    def refresh(self) -> bool:
        """Takes what a writer has committed since the index was opened; returns whether there was anything."""
        with self._lock:
            changed = self.collection.refresh()
            if changed:
                self._scores.refresh()
        return changed

    def parsed(self, text: str) -> ParsedQuery:
        """Reads a query: its parts, without slips of the pen, and notes of how it was read.

        Raises:
            InputError: there is nothing to search for, or a part is empty.
        """
        return self._encoder.parsed(text)

    def check(self, request: SearchRequest) -> None:
        """Refuses a request that `search` would refuse, before it is joined with those of others.

        Raises:
            InputError: names each fault of the request.
        """
        check_request(request, self.collection)
        parsed = self.parsed(request.text)
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
        parsed = [self.parsed(request.text) for request in requests]
        texts = list(dict.fromkeys(text for one in parsed for text in (*one.steps, *one.negatives)))
        self._encoder.parse(texts)
        clock.ends("parse")
        encoded = dict(zip(texts, self._encoder.encode(texts), strict=True))
        queries = [
            EncodedQuery(
                one,
                tuple(encoded[text] for text in one.steps),
                {text: encoded[text] for text in one.negatives},
            )
            for one in parsed
        ]
        clock.ends("encode")
        with self._lock:
            scored = score_requests(requests, queries, self._scores.search, self.collection.matching)
            clock.ends("score")
            return [
                make_result(request, query, self.collection, one, self.model.calibration, clock.milliseconds)
                for request, query, one in zip(requests, queries, scored, strict=True)
            ]

    def similar(self, video: str, k: int = 10, where: str = "") -> SearchResult:
        """Returns the videos that are like a video, the most alike first; `similar_videos` has the formula.

        Raises:
            InputError: there is no such video, or `k` or the filter is wrong.
        """
        parameters = self.model.scoring_parameters
        with self._lock:
            return search_similar(self.collection, self._scores, video, k, where, parameters)

    def captions_for(self, video: str, k: int = 10, texts: Sequence[str] | None = None) -> list[FoundCaption]:
        """Returns the texts that describe a video best, the best first.

        Args:
            video: its id.
            k: how many texts at most.
            texts: among which is chosen; by default those in the columns ``caption`` and ``captions``.

        Raises:
            InputError: there is no such video, no text, or `k` is wrong.
        """
        with self._lock:
            found = find_captions(self.model, self._encoder, self.collection, video, k, texts)
            calibration = self.model.calibration
            if calibration is None:
                return found
            texts_found = self._encoder.encode([caption.text for caption in found])
            scores = self._scores.search.scorer.scores(joined(texts_found))
            row = self.collection.row_of(video)
        return [
            caption._replace(probability=float(calibration.probabilities({FUSED: of_text})[row]))
            if text.is_known_to(calibration)
            else caption
            for caption, text, of_text in zip(found, texts_found, scores[FUSED], strict=True)
        ]

    def explain(self, text: str, video: str, step: int = 0) -> Explanation:
        """Explains the score of a step of a query and a video.

        Args:
            text: the query, as `search` takes it.
            video: its id.
            step: the number of the step, from 0 on; a query without "then" has one.

        Raises:
            InputError: `search` would refuse the text, or there is no such step or video.
        """
        steps = self.parsed(text).steps
        if step not in range(len(steps)):
            raise InputError(
                f"step: the query {shown(text)} has {len(steps)}, numbered from 0; found {shown(step)}"
            )
        model, videos = self.model, self._videos_of(video)
        return explain_text(
            self._encoder.read(steps[step]), videos, 0, model.scoring_parameters, model.config
        )

    def _videos_of(self, video: str) -> VideoEmbeddings:
        """Returns the vectors of a video."""
        with self._lock:
            return self.collection.embeddings([self.collection.row_of(video)])
