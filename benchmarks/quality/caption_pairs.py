"""Prints how many captions have another graph than their counterfactual, by what was changed, and what stays the same.

`python -m benchmarks caption_pairs raw/vitatecs/*.jsonl.gz` reads files of true captions and foils, in any form that
`mcsan eval RUN --foils=FILE` takes: those of VITATECS, or one's own. Graphs are compared as bags of lemmas and
triples, the same with modifiers, denials and the order of actions, and as graphs: which node is joined to which.
"""

import collections
import pathlib
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from data_pipeline.annotations.foil_files import read_foil_files
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import CaptionParser
from data_pipeline.levels import ENTITY

Pair = tuple[str, str, str]
"""An aspect, a caption and its counterfactual."""


def read_pairs(paths: Sequence[pathlib.Path]) -> list[Pair]:
    """Returns the pairs of files, compressed or not: the true caption with each false one.

    Raises:
        InputError: a file cannot be used.
    """
    return [
        (question.kind, question.texts[0], false)
        for file in read_foil_files(paths)
        for question in file.questions
        for false in question.texts[1:]
    ]


Signature = collections.Counter[tuple[object, ...]]


def without_meaning(graph: SemanticGraph) -> Signature:
    """The lemmas and triples between entities and actions, as a graph said them before it had more."""
    edges = zip(graph.relationships, graph.triples(), strict=True)
    triples = [triple for edge, triple in edges if graph.nodes[edge.target].level == ENTITY]
    return collections.Counter(
        [*((node.level, node.lemma) for node in graph.nodes), *((one,) for one in triples)]
    )


def with_meaning(graph: SemanticGraph) -> Signature:
    """The same with modifiers, denials, and the order of actions."""
    found: Signature = collections.Counter()
    for node in graph.nodes:
        found[node.level, node.lemma, node.negated] += 1
        found.update((node.lemma, one.kind, one.lemma) for one in node.modifiers)
    ends = [node.lemma for node in graph.nodes]
    found.update(
        (ends[edge.source], edge.role, ends[edge.target], edge.negated) for edge in graph.relationships
    )
    return found


def as_graphs(graph: SemanticGraph) -> Signature:
    """What every node is together with what it is joined to: a bag of lemmas cannot say who of two plays the piano.

    These are the labels of nodes after two rounds of Weisfeiler and Leman (1968).
    """
    labels: list[Any] = [
        (node.level, node.lemma, node.negated, tuple(sorted((one.kind, one.lemma) for one in node.modifiers)))
        for node in graph.nodes
    ]
    for _ in range(2):
        around: list[list[Any]] = [[] for _ in labels]
        for edge in graph.relationships:
            around[edge.source].append((edge.role, edge.negated, "to", labels[edge.target]))
            around[edge.target].append((edge.role, edge.negated, "from", labels[edge.source]))
        labels = [
            (label, tuple(sorted(of_node, key=repr))) for label, of_node in zip(labels, around, strict=True)
        ]
    return collections.Counter(labels)


SIGNATURES = {
    "lemmas": without_meaning,
    "with_meaning": with_meaning,
    "as_graphs": as_graphs,
}


def run(
    files: Annotated[list[pathlib.Path], typer.Argument(help="Pairs of captions.")],
    shown: Annotated[
        int, typer.Option(min=0, help="Pairs with the same graph that are shown of an aspect.")
    ] = 0,
) -> dict[str, Any]:
    """Compares and prints.

    Raises:
        InputError: a file cannot be used.
    """
    pairs = read_pairs(files)
    texts = list(dict.fromkeys(text for _, *both in pairs for text in both))
    parser = CaptionParser()
    start = time.monotonic()
    graphs = dict(zip(texts, parser.parse(texts), strict=True))
    seconds = time.monotonic() - start
    print(
        f"{len(texts):,} captions in {seconds:.0f} s in one process: {len(texts) / seconds:,.0f} captions/s\n"
    )
    print("| aspect | pairs | lemmas and triples | with modifiers, order and denials | as graphs |")
    print("|---|---|---|---|---|")
    aspects: dict[str, dict[str, float]] = {}
    for aspect in sorted({aspect for aspect, *_ in pairs}):
        of_aspect = [pair for pair in pairs if pair[0] == aspect]
        shares = {
            name: sum(signature(graphs[one]) != signature(graphs[other]) for _, one, other in of_aspect)
            / len(of_aspect)
            for name, signature in SIGNATURES.items()
        }
        aspects[aspect] = {"pairs": len(of_aspect), **shares}
        print(
            f"| {aspect} | {len(of_aspect):,} | "
            + " | ".join(f"{100 * x:.1f}" for x in shares.values())
            + " |"
        )
        same = [pair for pair in of_aspect if as_graphs(graphs[pair[1]]) == as_graphs(graphs[pair[2]])]
        for _, one, other in same[:shown]:
            print(f"    {one}\n    {other}\n        {', '.join(map(str, with_meaning(graphs[one])))}")
    return {"captions_per_second": len(texts) / seconds, "aspects": aspects}
