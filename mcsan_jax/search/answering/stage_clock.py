"""This module measures the stages of a search."""

import time


class StageClock:
    """A stage clock tells how long each stage took; it starts when it is made.

    Attributes:
        milliseconds: of each stage that has ended; a stage that ended twice has the sum.
    """

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def ends(self, stage: str) -> None:
        """Notes that a stage ends, and the next one begins."""
        now = time.perf_counter()
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + 1000 * (now - self._started)
        self._started = now
