"""Charts of the statistics as SVG text, for a page."""

import io
from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from data_pipeline.captions.attributes import AttributeVocabulary
from data_pipeline.inspection.statistics import SplitStatistics

_MOST_FREQUENT = 25
_BINS = 60
_LONGEST_NAME = 34
# Stands for the colour of the page's text, which is known only to the browser.
_INK = "#010203"
_SPLIT_COLOURS = ("#3b82c4", "#e0862e", "#4da06a", "#a06bc9")
_WIDTH = 10.5


def attribute_chart(level: str, vocabulary: AttributeVocabulary, colour: str) -> str:
    """The most frequent attributes of a level, and the numbers of training videos of all of them by rank."""
    counts = np.array(vocabulary.video_counts[level])
    names = [_shortened(name) for name in vocabulary.names[level][:_MOST_FREQUENT]]
    figure = _figure(height=1.1 + 0.19 * max(len(names), 10))
    bars, tail = figure.subplots(1, 2, width_ratios=[3, 2])
    bars.barh(np.arange(len(names)), counts[: len(names)], color=colour, height=0.7)
    bars.set_yticks(np.arange(len(names)), names)
    bars.set_ylim(len(names) - 0.4, -0.6)
    bars.set_xlabel("training videos")
    bars.grid(axis="x", alpha=0.25)
    tail.plot(np.arange(1, len(counts) + 1), counts, color=colour, linewidth=2)
    tail.set_yscale("log")
    # A whole decade below, else flat counts would leave the axis without a number.
    tail.set_ylim(bottom=10 ** np.floor(np.log10(counts.min())))
    tail.set_xlabel(f"rank among all {len(counts):,}")
    tail.set_ylabel("training videos")
    tail.grid(alpha=0.25)
    return _svg(figure, f"attributes-{level}")


def norm_chart(stream: str, splits: Mapping[str, SplitStatistics]) -> str:
    """How the norms of a stream's vectors are distributed in each split."""
    norms = {
        name: np.concatenate(split.norms[stream]) for name, split in splits.items() if split.norms[stream]
    }
    everything = np.concatenate(list(norms.values()))
    edges = np.histogram_bin_edges(everything, _BINS)
    figure = _figure(height=2.6)
    axes = figure.subplots()
    for number, (split, values) in enumerate(norms.items()):
        shares = np.histogram(values, edges)[0] / len(values)
        colour = _SPLIT_COLOURS[number % len(_SPLIT_COLOURS)]
        axes.stairs(shares, edges, color=colour, linewidth=1.8, label=split)
    axes.set_xlabel(f"norm of a vector of {stream}")
    axes.set_ylabel("share of vectors")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, labelcolor=_INK)
    return _svg(figure, f"norms-{stream}")


def _figure(height: float) -> Figure:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def _svg(figure: Figure, name: str) -> str:
    for axes in figure.axes:
        _paint(axes)
    content = io.StringIO()
    # Text stays text, and the ids within pictures of one page differ.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "svg.id": f"chart-{name}"}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawing = content.getvalue()
    return drawing[drawing.index("<svg") :].replace(_INK, "currentColor")


def _paint(axes: Axes) -> None:
    axes.tick_params(colors=_INK, labelsize=8)
    axes.xaxis.label.set(color=_INK, fontsize=9)
    axes.yaxis.label.set(color=_INK, fontsize=9)
    for name, spine in axes.spines.items():
        spine.set_color(_INK)
        spine.set_visible(name in ("left", "bottom"))
    axes.minorticks_off()
    axes.set_axisbelow(True)


def _shortened(name: str) -> str:
    # A dollar sign would begin a formula.
    text = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return text.replace("$", r"\$")
