"""This module defines what a report consists of (tables, charts, failure cases) and how it writes numbers."""

import dataclasses
import math
from collections.abc import Sequence

SCORES = ("fused", "global", "entity", "action", "relationship", "attributes", "linear")
"""Names of the scores, in the order of tables; they are repeated here so that a report needs no JAX."""

DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}

NOTHING = "–"
"""This sign is written where there is no number."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table holds texts in rows and columns.

    Attributes:
        title: what it shows; may be empty.
        header: a title for each column.
        rows: texts of each column.
        groups: titles above those of the columns, each with the number of its columns; may be empty.
        wraps: whether cells hold sentences, which need several lines.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    wraps: bool = False


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart is a drawing with a title and a key.

    Attributes:
        title: what it shows.
        svg: an SVG element.
        note: how to read it; may be empty.
        key: names and their colours; may be empty.
    """

    title: str
    svg: str
    note: str = ""
    key: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class ShownAnswer:
    """An answer, as the report shows it, is a wrong video with its score and one of its captions."""

    video: str
    score: str
    text: str


@dataclasses.dataclass(frozen=True)
class ShownFailure:
    """A failure case, as the report shows it, is a query whose relevant video ranked badly.

    Attributes:
        query: id of the caption.
        text: the caption.
        video: id of the relevant video.
        rank: the rank of the relevant video.
        answers: the first wrong ones.
        scores: rows of the name of a score, that of the relevant video, that of the first answer, and the difference.
        blame: the level to blame.
    """

    query: str
    text: str
    video: str
    rank: str
    answers: tuple[ShownAnswer, ...]
    scores: tuple[tuple[str, str, str, str], ...]
    blame: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page shows its contents in the order of the attributes.

    Attributes:
        title: its heading.
        notes: sentences.
        tables: shown side by side where the page is wide enough.
        charts: shown side by side where the page is wide enough.
        folded: tables that are opened on demand.
        failures: failure cases by name of the run.
    """

    title: str
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    folded: tuple[Table, ...] = ()
    failures: tuple[tuple[str, tuple[ShownFailure, ...]], ...] = ()

    @property
    def anchor(self) -> str:
        """Returns the name by which links refer to the section."""
        return "-".join(self.title.lower().split())

    @property
    def has_content(self) -> bool:
        """Returns whether there is more than a sentence that says why there is nothing."""
        return bool(self.tables or self.charts or self.folded or self.failures)


def in_order(names: Sequence[str]) -> list[str]:
    """Returns names of scores in the order of `SCORES`, any others last."""
    return [name for name in SCORES if name in names] + [name for name in names if name not in SCORES]


def number(value: float | None, digits: int = 1) -> str:
    """Writes a number for a table; a dash where there is none."""
    return f"{_rounded(value, digits):,.{digits}f}" if value is not None and math.isfinite(value) else NOTHING


def difference(value: float | None, reference: float | None, digits: int = 1) -> str:
    """Writes how much a number differs from another, with its sign; a dash where one is missing."""
    if value is None or reference is None or not math.isfinite(value - reference):
        return NOTHING
    return f"{_rounded(value - reference, digits):+,.{digits}f}"


def _rounded(value: float, digits: int) -> float:
    # Adding zero turns a negative zero, which would show its sign, into a positive one.
    return round(float(value), digits) + 0.0
