"""Requests that arrive while a batch is computed are the next batch."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.serve import request_batches
from mcsan_jax.serve.request_batches import LARGEST_BATCH, NotTakenError, RequestBatches


class Answers:
    """Doubles numbers, refuses 13, fails at 666, and waits until it may."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.may = threading.Event()

    def __call__(self, questions: Sequence[int]) -> list[int]:
        assert self.may.wait(10)
        self.batches.append(list(questions))
        self.threads.add(threading.get_ident())
        if 13 in questions:
            raise InputError("13 is refused")
        if 666 in questions:
            raise LookupError("a fault of the program")
        return [2 * one for one in questions]


async def asked(
    batches: RequestBatches[int, int], answers: Answers, first: int, others: Sequence[int]
) -> list[object]:
    """Asks one question, the others while it is computed, and then lets all be computed."""
    tasks = [asyncio.create_task(batches.ask(first))]
    await asyncio.sleep(0.01)
    tasks += [asyncio.create_task(batches.ask(one)) for one in others]
    await asyncio.sleep(0.01)
    answers.may.set()
    found: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
    batches.close()
    return found


def test_who_comes_while_a_batch_is_computed_is_in_the_next() -> None:
    answers, sizes = Answers(), list[int]()
    batches = RequestBatches(answers, note_size=sizes.append)
    others = range(100, 100 + LARGEST_BATCH + 5)
    assert asyncio.run(asked(batches, answers, 0, others)) == [2 * one for one in (0, *others)]
    assert sizes == list(map(len, answers.batches)) == [1, LARGEST_BATCH, 5]
    assert len(answers.threads) == 1 and threading.get_ident() not in answers.threads


def test_a_refused_question_takes_no_other_with_it() -> None:
    answers = Answers()
    found = asyncio.run(asked(RequestBatches(answers), answers, 0, [1, 2, 13, 4, 5]))
    assert [str(one) for one in found] == ["0", "2", "4", "13 is refused", "8", "10"]


def test_a_fault_of_the_program_reaches_all_who_asked() -> None:
    answers = Answers()
    found = asyncio.run(asked(RequestBatches(answers), answers, 0, [1, 666]))
    assert [type(one) for one in found] == [int, LookupError, LookupError]


def test_calls_are_made_in_the_same_thread_and_questions_of_a_batch_first() -> None:
    answers, order = Answers(), list[str]()
    batches = RequestBatches(answers, before_each=lambda: order.append("before"))

    def call(name: str) -> Callable[[], int]:
        def noted() -> int:
            order.append(name)
            return threading.get_ident()

        return noted

    async def run() -> list[int]:
        first = asyncio.create_task(batches.ask(0))
        await asyncio.sleep(0.01)
        calls = [asyncio.create_task(batches.call(call(name))) for name in ("a", "b")]
        await asyncio.sleep(0.01)
        answers.may.set()
        await first
        found = await asyncio.gather(*calls)
        batches.close()
        return found

    assert set(asyncio.run(run())) == answers.threads
    assert order == ["before", "before", "a", "b"]


def test_a_failed_look_at_the_index_reaches_who_asked_and_the_next_is_answered() -> None:
    answers, times = Answers(), list[int]()
    answers.may.set()

    def before() -> None:
        times.append(1)
        if len(times) == 1:
            raise LookupError("once")

    async def run() -> int:
        batches = RequestBatches(answers, before_each=before)
        with pytest.raises(LookupError, match="once"):
            await batches.ask(1)
        return await batches.ask(2)

    assert asyncio.run(run()) == 4


def test_who_gave_up_is_not_computed() -> None:
    answers = Answers()
    batches = RequestBatches(answers)

    async def run() -> None:
        first = asyncio.create_task(batches.ask(0))
        await asyncio.sleep(0.01)
        second, third = asyncio.create_task(batches.ask(1)), asyncio.create_task(batches.ask(2))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0.01)
        answers.may.set()
        assert (await first, await third) == (0, 4)

    asyncio.run(run())
    assert answers.batches == [[0], [2]]


def test_one_too_many_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_batches, "MOST_WAITING", 2)
    answers = Answers()
    found = asyncio.run(asked(RequestBatches(answers), answers, 0, [1, 2, 3]))
    assert found[:3] == [0, 2, 4] and isinstance(found[3], NotTakenError)


def test_after_its_end_nothing_is_taken() -> None:
    async def run() -> None:
        batches = RequestBatches(Answers())
        batches.close()
        with pytest.raises(NotTakenError, match="ends"):
            await batches.ask(1)

    asyncio.run(run())
