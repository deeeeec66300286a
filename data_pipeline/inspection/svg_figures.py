"""This module draws figures as SVG text in the colours of the page around them, without outside resources."""

import html
import io

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#010203"
"""This stands for the colour of the page's text, which only the browser knows."""

COLOURS = ("#3b82c4", "#e0862e", "#4da06a", "#a06bc9", "#cf5b6a", "#8c8f3a")
"""These tell things in one picture apart; they are legible on white and on black."""

_WHOLE_PAGE = 10.5
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def new_figure(height: float, width: float = _WHOLE_PAGE) -> Figure:
    """Returns an empty figure; sizes are in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Returns the figure as an SVG element.

    Args:
        figure: a figure from `new_figure`; its axes are painted here.
        name: a name that is unique among the pictures of a page.
        description: what the picture shows, for those who do not see it.
    """
    for axes in figure.axes:
        _paint(axes)
    content = io.StringIO()
    # Text stays text, and the ids within the pictures of one page differ.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "svg.id": f"chart-{name}"}):
        figure.savefig(content, format="svg", transparent=True, metadata=_NO_METADATA)
    drawing = content.getvalue().replace(INK, "currentColor")
    opening, rest = drawing[drawing.index("<svg") :].split(">", 1)
    text = html.escape(description)
    return f'{opening} role="img" aria-label="{text}"><title>{text}</title>{rest}'


def _paint(axes: Axes) -> None:
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)
    for name, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(name in ("left", "bottom"))
    axes.minorticks_off()
    axes.set_axisbelow(True)
