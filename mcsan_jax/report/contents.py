"""What a report consists of: sections with sentences, tables, charts and queries, and how numbers are written."""

import dataclasses
import math
from collections.abc import Sequence

PARTS = ("fused", "global", "entity", "action", "relationship", "attributes")
"""Parts of a score, in the order of tables. They stand here so that a report needs no JAX."""

DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}

NOTHING = "–"
"""Stands where there is no number."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of texts.

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
    """A picture.

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
class Answer:
    """A wrong video that was returned, its score, and one of its captions."""

    video: str
    score: str
    text: str


@dataclasses.dataclass(frozen=True)
class Failure:
    """A query that went wrong.

    Attributes:
        query: id of the caption.
        text: the caption.
        video: id of the right video.
        rank: of the right video.
        answers: the first wrong ones.
        scores: rows of part, score of the right video, score of the first answer, difference.
        blame: the part to blame.
    """

    query: str
    text: str
    video: str
    rank: str
    answers: tuple[Answer, ...]
    scores: tuple[tuple[str, str, str, str], ...]
    blame: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page, shown in the order of the attributes.

    Attributes:
        title: its heading.
        notes: sentences.
        tables: shown side by side where there is room.
        charts: shown side by side where there is room.
        folded: tables that are opened on demand.
        failures: by name of the run.
    """

    title: str
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    folded: tuple[Table, ...] = ()
    failures: tuple[tuple[str, tuple[Failure, ...]], ...] = ()

    @property
    def anchor(self) -> str:
        """The name by which links refer to the section."""
        return "-".join(self.title.lower().split())

    @property
    def has_content(self) -> bool:
        """Whether there is more than a sentence that says why there is nothing."""
        return bool(self.tables or self.charts or self.folded or self.failures)


def in_order(parts: Sequence[str]) -> list[str]:
    """Parts of a score in the order of `PARTS`, any others last."""
    return [part for part in PARTS if part in parts] + [part for part in parts if part not in PARTS]


def number(value: float | None, digits: int = 1) -> str:
    """A number for a table; a dash where there is none."""
    return f"{_rounded(value, digits):,.{digits}f}" if value is not None and math.isfinite(value) else NOTHING


def difference(value: float | None, reference: float | None, digits: int = 1) -> str:
    """How much a number differs from another, with its sign; a dash where one is missing."""
    if value is None or reference is None or not math.isfinite(value - reference):
        return NOTHING
    return f"{_rounded(value - reference, digits):+,.{digits}f}"


def _rounded(value: float, digits: int) -> float:
    # Adding zero turns a negative zero, which would show its sign, into a positive one.
    return round(float(value), digits) + 0.0
