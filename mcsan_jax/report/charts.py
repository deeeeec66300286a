"""This module draws the kinds of charts of a report.

No text that comes from data is drawn: names stand in the key beside a chart.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pipeline.inspection.svg_figures import INK, new_figure, to_svg
from mcsan_jax.report.contents import Chart

GREY = "#8a929b"

# A chart fits the width of a phone, where it is only a little smaller than elsewhere.
_WIDTH = 3.8
_HEIGHT = 2.5
_DECADES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_MOST_TICKS = 10


@dataclasses.dataclass(frozen=True)
class Series:
    """A series is drawn in one colour.

    Attributes:
        name: its name in the key; series of the same name and colour share an entry, and a series without a name has
            none.
        colour: the colour of its lines or bars.
        y: values [n].
        x: horizontal coordinates of the values [n]; for stairs their edges [n + 1]; bars do not use it.
        dashed: whether its line is dashed.
        marked: whether every point is marked.
        spans: the low and the high end of an interval around each value [2, n]; empty where there are none.
    """

    name: str
    colour: str
    y: np.ndarray
    x: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    dashed: bool = False
    marked: bool = False
    spans: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((2, 0)))


@dataclasses.dataclass(frozen=True)
class Words:
    """Words name a chart, describe it and label its axes.

    Attributes:
        id: its id, unique in a page.
        title: what it shows.
        description: what is seen in it, for those who do not see it.
        x: title of the horizontal axis.
        y: title of the vertical axis.
        note: how to read it; may be empty.
    """

    id: str
    title: str
    description: str
    x: str
    y: str
    note: str = ""


def line_chart(
    words: Words,
    series: Sequence[Series],
    ticks: Sequence[str] = (),
    logarithmic: bool = False,
    from_zero: bool = True,
    marks: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Draws lines.

    Args:
        words: the title, description and labels of the chart.
        series: the lines.
        ticks: names of the categories 0, 1, 2, … on the horizontal axis.
        logarithmic: whether the horizontal axis is logarithmic.
        from_zero: whether the vertical axis begins at zero.
        marks: horizontal coordinates that get a dotted line, each with its colour.
    """
    figure, axes = _begin(words)
    for one in series:
        style = "--" if one.dashed else "-"
        marker = "o" if one.marked else None
        axes.plot(one.x, one.y, style, color=one.colour, linewidth=1.6, marker=marker, markersize=3.5)
    for at, colour in marks:
        axes.axvline(at, color=colour, linewidth=1.2, linestyle=":")
    if from_zero:
        axes.set_ylim(bottom=0)
    if ticks:
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.4, len(ticks) - 0.6)
    elif logarithmic:
        _count_in_decades(axes, max(float(one.x.max()) for one in series))
    else:
        axes.locator_params(axis="x", nbins=5)
    return _finish(words, figure, series)


def stair_chart(
    words: Words, series: Sequence[Series], logarithmic: bool = False, filled: bool = True
) -> Chart:
    """Draws histograms over the same axis; their values are heights [n] between edges [n + 1]."""
    figure, axes = _begin(words)
    for one in series:
        axes.stairs(one.y, one.x, color=one.colour, linewidth=1.6)
        if filled:
            axes.stairs(one.y, one.x, color=one.colour, alpha=0.15, fill=True)
    axes.set_ylim(bottom=0)
    if logarithmic:
        _count_in_decades(axes, max(float(one.x.max()) for one in series))
    return _finish(words, figure, series)


def bar_chart(
    words: Words,
    series: Sequence[Series],
    ticks: Sequence[str],
    levels: Sequence[float | None] = (),
    logarithmic: bool = False,
) -> Chart:
    """Draws groups of bars, one group for each category.

    Args:
        words: the title, description and labels of the chart.
        series: the bars, one of each group.
        ticks: names of the groups.
        levels: a height for each group at which a line crosses it.
        logarithmic: whether the vertical axis is logarithmic; a height of one is then visible, and zero is not.
    """
    figure, axes = _begin(words)
    width = 0.76 / len(series)
    for number, one in enumerate(series):
        left = np.arange(len(ticks)) - 0.38 + (number + 0.5) * width
        axes.bar(left, one.y, width * 0.94, color=one.colour)
    for group, height in enumerate(levels):
        if height is not None:
            axes.hlines(height, group - 0.44, group + 0.44, color=INK, linewidth=1.4)
    axes.set_xticks(range(len(ticks)), ticks)
    if logarithmic:
        axes.set_yscale("log")
        highest = max(float(np.nanmax(one.y, initial=1)) for one in series)
        heights = 10 ** np.arange(np.ceil(np.log10(max(10.0, highest))) + 1)
        axes.set_yticks(heights, [f"{height:,.0f}" for height in heights])
        axes.set_ylim(0.6, max(10.0, highest * 1.6))
    else:
        axes.set_ylim(bottom=0)
    return _finish(words, figure, series)


def lying_bar_chart(
    words: Words, series: Sequence[Series], names: Sequence[str], level: float, greyed: str
) -> Chart:
    """Draws groups of lying bars in percent, the first group on top, each bar with its interval.

    Args:
        words: the title, description and labels of the chart.
        series: the bars, one of each group.
        names: of the groups, which have room for longer ones than below standing bars.
        level: a value at which a line crosses all bars.
        greyed: the group whose bars are pale, because it is what others are compared with.
    """
    figure, axes = _begin(words)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", alpha=0.25)
    width = 0.76 / len(series)
    for number, one in enumerate(series):
        at = np.arange(len(names)) - 0.38 + (number + 0.5) * width
        known = np.isfinite(one.y)
        bars = axes.barh(at[known], one.y[known], width * 0.94, color=one.colour)
        for bar, group in zip(bars, np.flatnonzero(known).tolist(), strict=True):
            bar.set_alpha(0.35 if names[group] == greyed else 1.0)
        axes.hlines(at[known], one.spans[0][known], one.spans[1][known], color=INK, linewidth=1.0)
    axes.axvline(level, color=INK, linewidth=1.2, linestyle=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    return _finish(words, figure, series)


def _begin(words: Words) -> tuple[Figure, Axes]:
    figure = new_figure(_HEIGHT, _WIDTH)
    axes = figure.subplots()
    axes.set_xlabel(words.x)
    axes.set_ylabel(words.y)
    axes.grid(axis="y", alpha=0.25)
    return figure, axes


def _count_in_decades(axes: Axes, last: float) -> None:
    axes.set_xscale("log")
    ticks = [tick for tick in _DECADES if tick <= last]
    if len(ticks) > _MOST_TICKS:
        ticks = [tick for tick in ticks if str(tick)[0] == "1"]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlim(1, max(last, 2))


def _finish(words: Words, figure: Figure, series: Sequence[Series]) -> Chart:
    key = tuple(dict.fromkeys((one.name, one.colour) for one in series if one.name))
    svg = to_svg(figure, words.id, f"{words.title}. {words.description}")
    return Chart(words.title, svg, words.note, key if len(key) > 1 else ())
