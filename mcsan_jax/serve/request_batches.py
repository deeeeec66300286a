"""This module gathers requests that arrive while a batch is being computed; they are the next batch.

One thread computes everything, so that a model is used by one request at a time. Nobody waits for a timer: a request
that finds the thread idle is computed at once, alone.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from data_pipeline.errors import InputError

LARGEST_BATCH = 64
MOST_WAITING = 1024

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")
_Value = TypeVar("_Value")


class NotTakenError(Exception):
    """A request is turned away: too many wait already, or the service ends."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Waiting:
    """A request and where its answer is awaited; `call` is None of a question, which can be answered with others."""

    answer: asyncio.Future[Any]
    question: Any = None
    call: Callable[[], Any] | None = None


class RequestBatches(Generic[_Question, _Answer]):
    """Questions become batches, and other calls take turns with them, in the order in which they arrived.

    It belongs to the event loop in which it is first used.
    """

    def __init__(
        self,
        answer_all: Callable[[Sequence[_Question]], Sequence[_Answer]],
        *,
        before_each: Callable[[], None] = lambda: None,
        note_size: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Starts no thread yet.

        Args:
            answer_all: answers several questions at once, in their order. Where it refuses one with an `InputError`,
                the others are asked without it.
            before_each: is called in the thread before each batch.
            note_size: is told how many questions a batch had.
        """
        self._answer_all, self._before_each, self._note_size = answer_all, before_each, note_size
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "model")
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, question: _Question) -> _Answer:
        """Answers a question, with those that wait beside it.

        Raises:
            InputError: the question is refused.
            NotTakenError: `MOST_WAITING` requests wait, or the thread was ended.
        """
        return await self._added(_Waiting(asyncio.get_running_loop().create_future(), question))

    async def call(self, function: Callable[[], _Value]) -> _Value:
        """Calls a function in the thread.

        Raises:
            NotTakenError: `MOST_WAITING` requests wait, or the thread was ended.
        """
        return await self._added(_Waiting(asyncio.get_running_loop().create_future(), call=function))

    @property
    def waiting(self) -> int:
        """How many requests wait for the batch in work to end."""
        return len(self._waiting)

    def close(self) -> None:
        """Ends the thread after the batch in work, and takes nothing more."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _added(self, one: _Waiting) -> asyncio.Future[Any]:
        if self._closed:
            raise NotTakenError("the service ends")
        if len(self._waiting) >= MOST_WAITING:
            raise NotTakenError("too many requests wait already; ask again later")
        self._waiting.append(one)
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._work_off())
        return one.answer

    async def _work_off(self) -> None:
        loop = asyncio.get_running_loop()

        def deliver(answers: Iterable[tuple[_Waiting, Any]]) -> None:
            loop.call_soon_threadsafe(_set_answers, list(answers))

        while self._waiting:
            count = min(LARGEST_BATCH, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            wanted = [one for one in batch if not one.answer.done()]
            await loop.run_in_executor(self._thread, self._compute, wanted, deliver)
        self._work = None

    def _compute(
        self, batch: Sequence[_Waiting], deliver: Callable[[Iterable[tuple[_Waiting, Any]]], None]
    ) -> None:
        """Delivers each answer as soon as it is there, or the exception in its place."""
        failure = _outcome(self._before_each)
        if isinstance(failure, Exception):
            deliver((one, failure) for one in batch)
            return
        questions = [one for one in batch if one.call is None]
        if questions:
            self._note_size(len(questions))
            deliver(zip(questions, self._answers([one.question for one in questions]), strict=True))
        for one in batch:
            if one.call is not None:
                deliver([(one, _outcome(one.call))])

    def _answers(self, questions: Sequence[_Question]) -> list[Any]:
        """Answers questions; halves those among which one is refused, until it stands alone."""
        found = _outcome(lambda: self._answer_all(questions))
        if isinstance(found, InputError) and len(questions) > 1:
            middle = len(questions) // 2
            return [*self._answers(questions[:middle]), *self._answers(questions[middle:])]
        return [found] * len(questions) if isinstance(found, Exception) else list(found)


def _outcome(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:
        return error


def _set_answers(answers: Sequence[tuple[_Waiting, Any]]) -> None:
    for one, outcome in answers:
        # Who no longer waits has cancelled it.
        if one.answer.done():
            continue
        if isinstance(outcome, Exception):
            one.answer.set_exception(outcome)
        else:
            one.answer.set_result(outcome)
