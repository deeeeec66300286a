"""This module shows the progress of long work: a bar on a terminal, and a few plain lines anywhere else."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 30.0
_LONG = 8


def track(
    items: Iterable[Item], total: int, what: str, unit: str, also: Callable[[], str] = lambda: ""
) -> Iterator[Item]:
    """Yields the items and shows on standard error how many are done, how fast, and the time left.

    Args:
        items: the items of the work.
        total: the number of items.
        what: the name of the work, such as "parsing captions".
        unit: the name of the items, in the plural.
        also: returns what else is shown.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit=f" {unit}", mininterval=0.5, dynamic_ncols=True) as shown:
            for item in items:
                yield item
                shown.set_postfix_str(also(), refresh=False)
                shown.update()
        return

    def more() -> str:
        return f", {said}" if (said := also()) else ""

    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - start)
            left = (total - done) / rate
            print(
                f"{what}: {done} of {total} {unit}, {rate:.0f}/s, {left:.0f} s left{more()}", file=sys.stderr
            )
    print(f"{what}: {done} {unit} in {time.monotonic() - start:.0f} s{more()}", file=sys.stderr)


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
