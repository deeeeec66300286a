"""This module is the service without HTTP: what is asked of an index, and which thread answers it."""

import asyncio
import concurrent.futures
import functools
import importlib.metadata
import logging
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from data_pipeline.errors import shown
from mcsan_jax.index.on_disk.kept_pictures import Kind
from mcsan_jax.search.answers import SearchRequest, SearchResult
from mcsan_jax.search.index_searcher import IndexSearcher
from mcsan_jax.serve.request_batches import LARGEST_BATCH, NotTakenError, RequestBatches
from mcsan_jax.serve.response_bodies import Health
from mcsan_jax.serve.service_metrics import ServiceMetrics

_PACKAGES = ("mcsan-jax", "jax", "fastapi")
_REFRESH_SECONDS = 1.0
_WARM_UP_COUNTS = (1, 4, 16, LARGEST_BATCH)
"""Searches of any number up to the largest batch use programs of one of these."""
_PICTURE_THREADS = 2
_MOST_PICTURES = 256

_LOG = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class NotThereError(Exception):
    """What the address of a request names is not there."""


class SearchService:
    """A service answers questions about one index, in one thread, and draws pictures in others.

    Attributes:
        metrics: count what it does.
        ending: whether the program was told to end.
    """

    def __init__(self, searcher: IndexSearcher, metrics: ServiceMetrics, fingerprint: str) -> None:
        """Takes an opened index, which nothing else may use from now on.

        Args:
            searcher: searches the index.
            metrics: count what the service does.
            fingerprint: of the model of the index.
        """
        self.metrics, self.ending = metrics, False
        self._searcher, self._fingerprint = searcher, fingerprint
        self._batches = RequestBatches(
            self._search_all, before_each=self._refresh, note_size=metrics.note_batch
        )
        self._pictures = concurrent.futures.ThreadPoolExecutor(_PICTURE_THREADS, "pictures")
        self._pictures_waiting = 0
        self._refreshed_at, self._index_problem = time.monotonic(), ""
        metrics.note_videos(len(searcher.ids))

    @property
    def videos(self) -> int:
        """How many videos the index has."""
        return len(self._searcher.ids)

    async def warm_up(self) -> None:
        """Searches and explains once in each number of texts, so that no user waits for programs to be compiled."""
        await self.ask(_use_once)

    async def search(self, request: SearchRequest) -> SearchResult:
        """Searches, together with others who search at the same time.

        Raises:
            InputError: the request is refused.
            NotTakenError: too many others wait.
        """
        result = await self._batches.ask(request)
        self.metrics.note_stages(result.milliseconds)
        return result

    async def ask(self, question: Callable[[IndexSearcher], _Value]) -> _Value:
        """Calls a function with the index, in the thread that searches.

        Raises:
            NotTakenError: too many others wait.
        """
        return await self._batches.call(lambda: question(self._searcher))

    async def clip(self, video: str) -> pathlib.Path:
        """Returns the clip of a video, as the table of the index has it.

        Raises:
            NotThereError: there is no such video, or no clip of it, or the file is gone.
        """
        linked = await self.ask(lambda searcher: known(searcher, video).clip_of(video))
        if linked is None:
            raise NotThereError(f"video {video!r} has no clip; `mcsan index … --clips=DIR` links them")
        clip = pathlib.Path(linked)
        if not clip.is_file():
            raise NotThereError(f"the clip of video {video!r} is gone")
        return clip

    async def part(self, video: str) -> tuple[float, float] | None:
        """Returns where in its clip a video begins and ends, in seconds; None where it is the whole clip.

        Raises:
            NotThereError: there is no such video.
        """
        return await self.ask(
            lambda searcher: known(searcher, video).collection.part_of(searcher.collection.row_of(video))
        )

    async def kept_picture(self, video: str, kind: Kind) -> bytes | None:
        """Returns a poster or a film strip that was made when features were extracted; None where there is none.

        Raises:
            NotThereError: there is no such video.
        """

        def read(searcher: IndexSearcher) -> bytes | None:
            collection = known(searcher, video).collection
            kept = collection.kept_picture(collection.row_of(video), kind)
            return None if kept is None else kept.read_bytes()

        return await self.ask(read)

    async def draw(self, picture: Callable[[], bytes]) -> bytes:
        """Calls a function that draws, beside the searches.

        Raises:
            NotTakenError: too many others wait.
        """
        if self._pictures_waiting >= _MOST_PICTURES:
            raise NotTakenError("too many pictures are drawn already; ask again later")
        self._pictures_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pictures, picture)
        finally:
            self._pictures_waiting -= 1

    async def health(self) -> Health:
        """Says how the service is."""
        videos = await self.ask(lambda searcher: len(searcher.ids))
        status = "ending" if self.ending else "ok"
        return Health(status, videos, self._fingerprint, _versions(), self._index_problem)

    def close(self) -> None:
        """Ends the threads."""
        self._batches.close()
        self._pictures.shutdown(wait=False, cancel_futures=True)

    def _search_all(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        return self._searcher.search_many(requests)

    def _refresh(self) -> None:
        """Looks, at most once in `_REFRESH_SECONDS`, whether a writer has changed the index."""
        if time.monotonic() - self._refreshed_at < _REFRESH_SECONDS:
            return
        problem = ""
        try:
            self._searcher.refresh()
        except Exception as error:
            # What was read before is whole, and is served on.
            problem = str(error) or type(error).__name__
            if problem != self._index_problem:
                _LOG.error("the changed index cannot be read; what was read before is served: %s", problem)
        self._index_problem = problem
        self._refreshed_at = time.monotonic()
        self.metrics.note_videos(len(self._searcher.ids))


def _use_once(searcher: IndexSearcher) -> None:
    if not searcher.ids:
        return
    for count in _WARM_UP_COUNTS:
        texts = [f"a person holds a thing of number {number}" for number in range(count)]
        searcher.search_many([SearchRequest(text, 1, min_probability=0.0) for text in texts])
    searcher.explain("a person holds a thing", searcher.ids[0])
    searcher.similar(searcher.ids[0], 1)


def known(searcher: IndexSearcher, video: str) -> IndexSearcher:
    """Returns the searcher if it has a video.

    Raises:
        NotThereError: it has not.
    """
    # The index would look for the nearest of all its ids, which takes long where they are many.
    if video not in searcher.ids:
        raise NotThereError(f"no video {shown(video)} in the index")
    return searcher


@functools.cache
def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}
