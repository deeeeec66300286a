"""This module counts what the service does, in the form that Prometheus reads."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mcsan_jax.serve.request_batches import LARGEST_BATCH

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SIZES = [2**exponent for exponent in range(LARGEST_BATCH.bit_length())]


class ServiceMetrics:
    """The metrics of one service, in a registry of their own.

    Beside them stand those of the process: resident memory, processor time, open files, where the system tells them.

    Attributes:
        content_type: of the text.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        """Makes metrics that have counted nothing."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "mcsan_requests", "Requests that ended.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "mcsan_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = Histogram(
            "mcsan_search_stage_seconds",
            "Time of each stage of a search; searches of one batch share it.",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "mcsan_batch_searches",
            "How many searches were computed together.",
            buckets=_SIZES,
            registry=self._registry,
        )
        self._videos = Gauge("mcsan_videos", "Videos of the index.", registry=self._registry)

    def note_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that ended.

        Args:
            route: its template, such as ``/videos/{video}``.
            status: of the answer.
            seconds: that it took.
        """
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def note_stages(self, milliseconds: Mapping[str, float]) -> None:
        """Counts the time of the stages of a search."""
        for stage, time in milliseconds.items():
            self._stages.labels(stage).observe(time / 1000)

    def note_batch(self, size: int) -> None:
        """Counts a batch of searches."""
        self._batches.observe(size)

    def note_videos(self, count: int) -> None:
        """Sets how many videos the index has."""
        self._videos.set(count)

    def text(self) -> bytes:
        """Returns all metrics as Prometheus reads them."""
        return generate_latest(self._registry)
