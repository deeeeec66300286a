"""Semantic graphs as SVG: the phrases in a line, an arrow above them for each relationship."""

import html
import itertools
from collections.abc import Mapping

from data_pipeline.records.phrases import PhraseGraph

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
        colours: CSS colour of each level; arrows have the colour of the text around the picture.
    """
    widths = [max(_NARROWEST, len(phrase) * _CHARACTER + _GAP) for phrase in graph.phrases]
    ends = list(itertools.accumulate(widths))
    centres = [end - width / 2 for end, width in zip(ends, widths, strict=True)]
    heights = _heights(graph.relationships)
    ground = max(heights.values(), default=0) * _LEVEL + 18
    width, height = round(ends[-1]), ground + _FOOT
    # Where it would become too small to read, the reader scrolls.
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
    """How high each arrow runs, from 1 on: above all shorter ones between its ends."""
    highest: dict[int, int] = {}
    heights = {}
    for edge in sorted(relationships, key=lambda edge: (abs(edge[0] - edge[2]), edge)):
        gaps = range(min(edge[0], edge[2]), max(edge[0], edge[2]))
        heights[edge] = 1 + max((highest.get(gap, 0) for gap in gaps), default=0)
        highest.update(dict.fromkeys(gaps, heights[edge]))
    return heights


def _ports(heights: Mapping[Edge, int], centres: list[float]) -> dict[tuple[Edge, int], float]:
    """Where each arrow meets each of its nodes, so that arrows at a node do not cross."""
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
