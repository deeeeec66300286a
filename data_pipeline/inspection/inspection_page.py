"""This module writes a page that shows a prepared data set in one file, with charts and pictures of graphs."""

import html
import importlib.resources
import itertools
from collections.abc import Mapping
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from data_pipeline.errors import InputError
from data_pipeline.graphs.attributes import AttributeVocabulary
from data_pipeline.host.files import check_writable, write_text
from data_pipeline.inspection.count_tables import all_tables, describe
from data_pipeline.inspection.integrity import InspectedData
from data_pipeline.inspection.split_statistics import SplitStatistics
from data_pipeline.inspection.survey import Findings
from data_pipeline.inspection.svg_figures import COLOURS, INK, new_figure, to_svg
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS, RELATIONSHIP
from data_pipeline.records.phrase_graph import PhraseGraph, phrase_graph
from data_pipeline.records.schema import EncodedCaption

_LEVEL_COLOURS = {ENTITY: "#3b82c4", ACTION: "#d9772b", RELATIONSHIP: "#4da06a"}
"""Levels have these colours, which are legible on white and on black."""


def check_place(path: Path) -> None:
    """Refuses a path at which no page can be written.

    Raises:
        InputError: its folder does not exist or cannot be written, or the path is a folder.
    """
    if not path.absolute().parent.is_dir():
        raise InputError(f"--html={path}: the folder {path.absolute().parent} does not exist; make it first")
    if path.is_dir():
        raise InputError(f"--html={path}: is a folder; give the name of a file to be written")
    check_writable(path.absolute().parent, "name another file with --html")


def write_page(path: Path, data: InspectedData, survey: Findings) -> None:
    """Writes the page, in one step."""
    write_text(path, render_page(data, survey))


def render_page(data: InspectedData, survey: Findings) -> str:
    """Renders the page as HTML; all text that comes from the data set is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = importlib.resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    splits = {name: split for name, split in survey.statistics.items() if split.videos}
    return environment.from_string(template).render(
        description=describe(data.manifest),
        problems=survey.problems,
        tables=all_tables(data.manifest, None, splits),
        colours=_LEVEL_COLOURS,
        examples=_examples(data, survey, splits),
        attribute_charts=_attribute_charts(data),
        norm_charts={
            stream.name: Markup(norm_chart(stream.name, splits)) for stream in data.manifest.streams if splits
        },
    )


def _examples(
    data: InspectedData, survey: Findings, splits: dict[str, SplitStatistics]
) -> dict[str, list[tuple[str, Markup]]]:
    """Returns captions by the kind of example, each with its picture."""
    first = next(iter(splits.values()), None)
    median = first.sizes[RELATIONSHIP].quantile(0.5) if first else 0
    chosen = survey.examples.chosen(median)
    return {
        kind: [(caption.text, _picture(caption, data)) for caption in captions]
        for kind, captions in chosen.items()
        if captions
    }


def _picture(caption: EncodedCaption, data: InspectedData) -> Markup:
    graph = phrase_graph(caption, data.tokenizer, data.manifest.roles, data.manifest.modifier_kinds)
    return Markup(draw_graph(graph, _LEVEL_COLOURS)) if graph.phrases else Markup("")


def _attribute_charts(data: InspectedData) -> dict[str, Markup]:
    if data.vocabulary is None:
        return {}
    levels = [level for level in NODE_LEVELS if data.vocabulary.names[level]]
    return {level: Markup(attribute_chart(level, data.vocabulary, _LEVEL_COLOURS[level])) for level in levels}


_MOST_FREQUENT = 25
_BINS = 60
_LONGEST_NAME = 34


def attribute_chart(level: str, vocabulary: AttributeVocabulary, colour: str) -> str:
    """Draws the most frequent attributes of a level, and the numbers of training videos of all of them by rank."""
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
    # The axis begins at a whole decade; flat counts would otherwise leave it without a number.
    tail.set_ylim(bottom=10 ** np.floor(np.log10(counts.min())))
    tail.set_xlabel(f"rank among all {len(counts):,}")
    tail.set_ylabel("training videos")
    tail.grid(alpha=0.25)
    shown = f"The {len(names)} most frequent of {len(counts):,} attributes of the level {level}"
    return to_svg(
        figure, f"attributes-{level}", f"{shown}, and the numbers of training videos of all by rank"
    )


def norm_chart(stream: str, splits: Mapping[str, SplitStatistics]) -> str:
    """Draws how the norms of a stream's vectors are distributed in each split."""
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


_CHARACTER = 8.8
_GAP = 22
_NARROWEST = 68
_SMALLEST_SCALE = 0.6
_LEVEL = 26
_PORT = 8
_RADIUS = 6
_FOOT = 44

Edge = tuple[int, str, int]


def draw_graph(graph: PhraseGraph, colours: Mapping[str, str]) -> str:
    """Draws a graph with at least one node as an SVG element that shrinks, within limits, to its place.

    Args:
        graph: the graph.
        colours: the CSS colour of each level; arrows have the colour of the text around the picture.
    """
    widths = [max(_NARROWEST, len(phrase) * _CHARACTER + _GAP) for phrase in graph.phrases]
    ends = list(itertools.accumulate(widths))
    centres = [end - width / 2 for end, width in zip(ends, widths, strict=True)]
    heights = _heights(graph.relationships)
    ground = max(heights.values(), default=0) * _LEVEL + 18
    width, height = round(ends[-1]), ground + _FOOT
    # The reader scrolls where the picture would otherwise be too small to read.
    style = f"max-width: 100%; min-width: {width * _SMALLEST_SCALE:.0f}px; height: auto"
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" style="{style}" font-size="14">']
    for phrase, level, centre in zip(graph.phrases, graph.levels, centres, strict=True):
        parts.append(
            f'<g text-anchor="middle" style="fill: {colours[level]}">'
            f'<text x="{centre:.1f}" y="{ground + 18}" font-weight="600">{html.escape(phrase)}</text>'
            f'<text x="{centre:.1f}" y="{ground + 35}" font-size="11">{html.escape(level)}</text></g>'
        )
    ports = _ports(heights, centres)
    for edge, floor in heights.items():
        source, role, target = edge
        line = ground - floor * _LEVEL
        parts.append(_arrow(ports[edge, source], ports[edge, target], line, ground, role))
    return "".join([*parts, "</svg>"])


def _heights(relationships: tuple[Edge, ...]) -> dict[Edge, int]:
    """Returns how high each arrow runs, from 1 on: above all shorter ones between its ends."""
    highest: dict[int, int] = {}
    heights = {}
    for edge in sorted(relationships, key=lambda edge: (abs(edge[0] - edge[2]), edge)):
        gaps = range(min(edge[0], edge[2]), max(edge[0], edge[2]))
        heights[edge] = 1 + max((highest.get(gap, 0) for gap in gaps), default=0)
        highest.update(dict.fromkeys(gaps, heights[edge]))
    return heights


def _ports(heights: Mapping[Edge, int], centres: list[float]) -> dict[tuple[Edge, int], float]:
    """Returns where each arrow meets each of its nodes, so that arrows at a node do not cross."""
    ports = {}
    for node, centre in enumerate(centres):
        touching = [edge for edge in heights if node in (edge[0], edge[2])]
        to_left = [edge for edge in touching if edge[0] + edge[2] < 2 * node]
        to_right = [edge for edge in touching if edge not in to_left]
        ordered = sorted(to_left, key=heights.__getitem__)
        ordered += sorted(to_right, key=heights.__getitem__, reverse=True)
        for place, edge in enumerate(ordered):
            ports[edge, node] = centre + (place - (len(ordered) - 1) / 2) * _PORT
    return ports


def _arrow(start: float, end: float, line: float, ground: float, role: str) -> str:
    towards = _RADIUS if end > start else -_RADIUS
    path = (
        f"M{start:.1f} {ground} V{line + _RADIUS} Q{start:.1f} {line} {start + towards:.1f} {line} "
        f"H{end - towards:.1f} Q{end:.1f} {line} {end:.1f} {line + _RADIUS} V{ground - 5}"
    )
    head = f"M{end:.1f} {ground} l-4 -7 h8 z"
    return (
        f'<path d="{path}" fill="none" stroke="currentColor"/><path d="{head}" fill="currentColor"/>'
        f'<text x="{(start + end) / 2:.1f}" y="{line - 4}" font-size="11" text-anchor="middle" '
        f'fill="currentColor">{html.escape(role)}</text>'
    )
