"""Charts of the statistics as SVG text, for a page."""

from collections.abc import Mapping

import numpy as np

from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.inspection.split_statistics import SplitStatistics
from data_pipeline.inspection.svg_figures import COLOURS, INK, new_figure, to_svg

_MOST_FREQUENT = 25
_BINS = 60
_LONGEST_NAME = 34


def attribute_chart(level: str, vocabulary: AttributeVocabulary, colour: str) -> str:
    """The most frequent attributes of a level, and the numbers of training videos of all of them by rank."""
    counts = np.array(vocabulary.video_counts[level])
    names = [_shortened(name) for name in vocabulary.names[level][:_MOST_FREQUENT]]
    figure = new_figure(height=1.1 + 0.19 * max(len(names), 10))
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
    shown = f"The {len(names)} most frequent of {len(counts):,} attributes of the level {level}"
    return to_svg(
        figure, f"attributes-{level}", f"{shown}, and the numbers of training videos of all by rank"
    )


def norm_chart(stream: str, splits: Mapping[str, SplitStatistics]) -> str:
    """How the norms of a stream's vectors are distributed in each split."""
    norms = {
        name: np.concatenate(split.norms[stream]) for name, split in splits.items() if split.norms[stream]
    }
    everything = np.concatenate(list(norms.values()))
    edges = np.histogram_bin_edges(everything, _BINS)
    figure = new_figure(height=2.6)
    axes = figure.subplots()
    for number, (split, values) in enumerate(norms.items()):
        shares = np.histogram(values, edges)[0] / len(values)
        colour = COLOURS[number % len(COLOURS)]
        axes.stairs(shares, edges, color=colour, linewidth=1.8, label=split)
    axes.set_xlabel(f"norm of a vector of {stream}")
    axes.set_ylabel("share of vectors")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, labelcolor=INK)
    return to_svg(figure, f"norms-{stream}", f"Histogram of the norms of {stream} in {', '.join(norms)}")


def _shortened(name: str) -> str:
    # A dollar sign would begin a formula.
    text = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return text.replace("$", r"\$")
