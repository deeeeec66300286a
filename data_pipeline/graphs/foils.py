"""This module makes captions false by changing one thing in their text and, in the same way, in their graph."""

import dataclasses

from data_pipeline.graphs.graph import ROLE, SemanticGraph, swap_roles


@dataclasses.dataclass(frozen=True)
class GraphFoil:
    """A graph foil is a caption made false, with its graph.

    Attributes:
        kind: what was changed, one of `data_pipeline.levels.FOIL_KINDS`.
        text: the false caption.
        graph: its graph.
    """

    kind: str
    text: str
    graph: SemanticGraph


def foils_of(text: str, graph: SemanticGraph) -> list[GraphFoil]:
    """Returns the foils of a caption, one of each kind that it allows."""
    swapped = swap_roles(text, graph)
    return [GraphFoil(ROLE, *swapped)] if swapped else []
