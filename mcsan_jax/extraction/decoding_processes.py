"""Clips are decoded here, several at a time, in processes of their own that load neither JAX nor TensorFlow."""

import collections
import dataclasses
import multiprocessing
import pathlib
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from data_pipeline.clips.passing_pictures import PassingPictures
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from data_pipeline.clips.shots import LONG, PartFinder
from data_pipeline.errors import InputError
from data_pipeline.host.worker_processes import settings_of_workers
from mcsan_jax.extraction.clip_picture_files import write_pictures

_CHUNK = 32
"""Frames that a process hands over at a time."""
_CHUNKS_AHEAD = 4
"""So many of these wait to be encoded; each process holds one more, and waits."""
_POLL_SECONDS = 0.2
_END_SECONDS = 5.0

Clip = tuple[str, pathlib.Path]
"""Id and file."""


@dataclasses.dataclass(frozen=True)
class DecodingJob:
    """How every clip is decoded.

    Attributes:
        sampling: which frames are taken.
        view: what the encoder sees of them.
        pictures: folder for posters and film strips; None makes none.
        parts: whether long clips are divided into parts.
    """

    sampling: Sampling
    view: PictureView
    pictures: pathlib.Path | None
    parts: bool


@dataclasses.dataclass(frozen=True)
class DecodedFrames:
    """Some frames of a clip, in order.

    Attributes:
        video_id: of the clip.
        seconds: of each frame, from the start of the clip.
        pictures: red, green and blue.
    """

    video_id: str
    seconds: Float64[np.ndarray, " f"]
    pictures: UInt8[np.ndarray, "f row column 3"]


@dataclasses.dataclass(frozen=True)
class DecodedClip:
    """All frames of a clip were handed over.

    Attributes:
        video_id: of the clip.
        seconds: how long it is.
        parts: start and end of each part of a long clip, in seconds.
        cut_short: what could not be read of it; empty where all could.
    """

    video_id: str
    seconds: float
    parts: tuple[tuple[float, float], ...]
    cut_short: str


@dataclasses.dataclass(frozen=True)
class SkippedClip:
    """A clip cannot be used, and what was handed over of it does not count.

    Attributes:
        video_id: of the clip.
        reason: why, for people.
    """

    video_id: str
    reason: str


Decoded = DecodedFrames | DecodedClip | SkippedClip


class DecodingProcesses:
    """It decodes clips in several processes; used as a context manager, it yields what they hand over.

    Memory is bounded: a process waits until what it decoded is taken. One that dies, because a file makes a library
    crash, takes nothing but its clip along.
    """

    def __init__(self, clips: Sequence[Clip], job: DecodingJob, processes: int) -> None:
        """Takes the clips, how they are decoded, and how many processes there are at most."""
        self._waiting = collections.deque(clips)
        self._job = job
        self._left = len(clips)
        self._count = min(processes, len(clips))
        self._messages: queue.Queue[Decoded | BaseException] = queue.Queue(_CHUNKS_AHEAD)
        self._workers: dict[Any, _Worker] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="decoded clips", daemon=True)

    def __enter__(self) -> "DecodingProcesses":
        """Starts the processes."""
        with settings_of_workers() as interruptions:
            for _ in range(self._count):
                self._start()
        if interruptions:
            self._end()
            signal.raise_signal(signal.SIGINT)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the processes, wherever they are."""
        self._closed.set()
        self._terminate()
        # The thread closes connections, too: what two close at once may be another's by then.
        if self._thread.ident is not None:
            self._thread.join(_END_SECONDS)
        self._end()

    def __iter__(self) -> Iterator[Decoded]:
        """Yields frames of several clips in turn, each clip's in order, and what became of each clip at its end.

        Raises:
            OSError: pictures cannot be written.
        """
        while self._left:
            try:
                # Signals are heard between these waits alone.
                message = self._messages.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(message, BaseException):
                raise message
            self._left -= not isinstance(message, DecodedFrames)
            yield message

    def _serve(self) -> None:
        """Takes what the processes hand over, gives each its next clip, and replaces those that die."""
        try:
            while self._workers and not self._closed.is_set():
                for ready in connection.wait(list(self._workers), timeout=_POLL_SECONDS):
                    self._take(self._workers[ready])
        except BaseException as error:
            self._put(error)

    def _take(self, worker: "_Worker") -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if not isinstance(message, DecodedFrames):
            self._assign(worker)
        self._put(message)

    def _bury(self, worker: "_Worker") -> None:
        del self._workers[worker.connection]
        worker.connection.close()
        worker.process.join(_END_SECONDS)
        if worker.clip is None or self._closed.is_set():
            return
        if self._waiting:
            with settings_of_workers():
                self._start()
        self._put(SkippedClip(worker.clip[0], f"its decoder {_ending(worker.process.exitcode)}"))

    def _start(self) -> None:
        # Processes are not forked: threads of other libraries may hold locks, which a fork would copy.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_decode_clips, args=(theirs, self._job), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers[ours] = worker
        self._assign(worker)

    def _assign(self, worker: "_Worker") -> None:
        worker.clip = self._waiting.popleft() if self._waiting else None
        try:
            worker.connection.send(worker.clip)
        except OSError:
            # It died; that is noticed where its end is read.
            return

    def _put(self, message: Decoded | BaseException) -> None:
        while not self._closed.is_set():
            try:
                self._messages.put(message, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def _terminate(self) -> None:
        for worker in list(self._workers.values()):
            worker.process.terminate()

    def _end(self) -> None:
        self._terminate()
        for worker in list(self._workers.values()):
            worker.process.join(_END_SECONDS)
            worker.connection.close()


@dataclasses.dataclass
class _Worker:
    """A process, the connection to it, and the clip that it decodes."""

    process: BaseProcess
    connection: Any
    clip: Clip | None = None


def _ending(status: int | None) -> str:
    if status is None or status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"


def _decode_clips(pipe: Any, job: DecodingJob) -> None:
    """Decodes one clip after another, in a process of its own."""
    try:
        while (clip := pipe.recv()) is not None:
            for message in _decoded(clip[0], clip[1], job):
                pipe.send(message)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The program that asked for them is gone.
        return


def _decoded(video_id: str, path: pathlib.Path, job: DecodingJob) -> Iterator[Decoded | BaseException]:
    seconds: list[float] = []
    cut_short = ""
    parts: tuple[tuple[float, float], ...] = ()
    try:
        finder = PartFinder() if job.parts else None
        passing = PassingPictures() if job.pictures is not None else None
        for some in sampled_frames(path, job.sampling, job.view, _CHUNK, passing=passing):
            seconds += some.seconds.tolist()
            cut_short = some.cut_short or cut_short
            if finder is not None:
                finder.add(some.seconds, some.pictures)
            yield DecodedFrames(video_id, some.seconds, some.pictures)
        length = _length(seconds, job.sampling)
        if finder is not None and length > LONG:
            parts = tuple(finder.parts())
    except InputError as error:
        yield SkippedClip(video_id, str(error))
        return
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        # One clip in a thousand finds a fault in a library; the others are not to suffer.
        yield SkippedClip(video_id, f"{path.name}: cannot be decoded ({type(error).__name__}: {error})")
        return
    if job.pictures is not None and passing is not None and passing.end():
        try:
            write_pictures(passing, video_id, job.pictures)
        except OSError as error:
            yield error
            return
    yield DecodedClip(video_id, length, parts, cut_short)


def _length(seconds: Sequence[float], sampling: Sampling) -> float:
    """Returns about how long a clip is, in seconds, from the times of its frames."""
    if sampling.frames_per_second is not None:
        return seconds[-1] + 1 / sampling.frames_per_second
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1) if len(seconds) > 1 else seconds[0]
    return seconds[-1] + step / 2
