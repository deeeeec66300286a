"""This module shows the progress of long work: a bar on a terminal, and a few plain lines anywhere else."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 30.0
_LONG = 8
_REFRESH_SECONDS = 0.5


def track(
    items: Iterable[Item],
    total: int,
    what: str,
    unit: str,
    also: Callable[[], str] = lambda: "",
    weight: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Item]:
    """Yields the items and shows on standard error how many are done, how fast, and the time left.

    Args:
        items: the items of the work.
        total: the number of items, or the sum of their weights.
        what: the name of the work, such as "parsing captions".
        unit: the name of the items, in the plural.
        also: returns what else is shown while the work goes on; in the end the caller says it.
        weight: what an item counts for; 0 for a step on the way to the next one.
    """
    if sys.stderr.isatty():
        yield from _with_a_bar(items, total, what, unit, also, weight)
        return
    start = last = time.monotonic()
    done = 0

    def more() -> str:
        return f", {said}" if (said := also()) else ""

    for item in items:
        yield item
        done += weight(item)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - start)
            left = f"{(total - done) / rate:.0f} s left" if done else "the first one is not done"
            print(f"{what}: {done} of {total} {unit}, {rate:.0f}/s, {left}{more()}", file=sys.stderr)
    print(f"{what}: {done} {unit} in {time.monotonic() - start:.0f} s", file=sys.stderr)


def _with_a_bar(
    items: Iterable[Item],
    total: int,
    what: str,
    unit: str,
    also: Callable[[], str],
    weight: Callable[[Item], int],
) -> Iterator[Item]:
    last = 0.0
    with tqdm(
        total=total, desc=what, unit=f" {unit}", mininterval=_REFRESH_SECONDS, dynamic_ncols=True
    ) as bar:
        for item in items:
            yield item
            bar.update(weight(item))
            if time.monotonic() - last >= _REFRESH_SECONDS:
                last = time.monotonic()
                bar.set_postfix_str(also())
        bar.set_postfix_str("")


def track_if(
    show: bool | None, items: Iterable[Item], total: int, what: str, unit: str = "batches"
) -> Iterable[Item]:
    """Yields items, and shows how many are done, as `track` does.

    Args:
        show: whether it is shown; None shows it for long work, that of eight items or more.
        items: the items of the work.
        total: the number of them.
        what: the name of the work.
        unit: the name of the items, in the plural.
    """
    return track(items, total, what, unit) if show or (show is None and total >= _LONG) else items
