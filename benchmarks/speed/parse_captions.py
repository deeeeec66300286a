"""Parses all captions of a source and prints what came of it: speed, nodes, frequent attributes, imbalance.

`python -m benchmarks parse_captions --dataset=msrvtt --annotations=raw/msrvtt` needs annotations alone, no
features. Every caption is parsed, repetitions of a text once; nothing is read from a cache.
"""

import collections
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import typer

from data_pipeline.annotations.caption import TRAIN, Annotations
from data_pipeline.annotations.sources import READERS, read_annotations
from data_pipeline.errors import InputError
from data_pipeline.graphs.attributes import attributes_of
from data_pipeline.graphs.graph import SemanticGraph
from data_pipeline.graphs.parser import ParallelParser
from data_pipeline.host.progress_bar import track
from data_pipeline.levels import ACTION, ENTITY, NODE_LEVELS

MINIMUM_VIDEOS = 5
SHOWN = 20
LAST_COUNT = 8


def run(
    dataset: Annotated[str, typer.Option(help=f"Source of the annotations: {', '.join(READERS)}.")],
    annotations: Annotated[pathlib.Path, typer.Option(help="Their file or folder.")],
    protocol: Annotated[str | None, typer.Option(help="Of the source; by default its usual one.")] = None,
    split: Annotated[str | None, typer.Option(help="Parses the captions of one split alone.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="That parse.")] = os.cpu_count() or 1,
) -> dict[str, Any]:
    """Parses, counts and prints.

    Raises:
        InputError: the annotations cannot be read, or the split has no caption.
    """
    read = read_annotations(dataset, [annotations], protocol)
    captions = [caption for caption in read.captions if split in (None, caption.split)]
    if not captions:
        raise InputError(f"no caption is in split {split!r}")
    texts = list(dict.fromkeys(caption.text for caption in captions))
    start = time.monotonic()
    parsed = ParallelParser(processes).parse(texts)
    graphs = dict(zip(texts, track(parsed, len(texts), "parsing", "captions"), strict=True))
    seconds = time.monotonic() - start
    print(
        f"{len(captions):,} captions, {len(texts):,} distinct, in {seconds:.0f} s with {processes} "
        f"processes: {len(captions) / seconds:,.0f} captions/s, {len(texts) / seconds:,.0f} distinct/s"
    )
    sizes = node_counts([graphs[caption.text] for caption in captions])
    of_captions = caption_statistics(sizes)
    print(f"\n{caption_table(of_captions)}\n\n{count_table(sizes)}")
    figures: dict[str, Any] = {
        "captions": len(captions),
        "distinct": len(texts),
        "seconds": seconds,
        "nodes": of_captions,
    }
    if split in (None, TRAIN):
        counts, videos = count_attributes(read, graphs)
        figures["attributes"] = attribute_statistics(counts, videos)
        print(f"\n{attribute_table(figures['attributes'], videos)}")
    return figures


def node_counts(graphs: Sequence[SemanticGraph]) -> dict[str, list[int]]:
    """How many nodes or relationships of each kind every caption has."""
    return {
        "entities": [len(graph.lemmas(ENTITY)) for graph in graphs],
        "actions": [len(graph.lemmas(ACTION)) for graph in graphs],
        "relationships": [len(graph.relationships) for graph in graphs],
    }


def count_table(sizes: Mapping[str, Sequence[int]]) -> str:
    """How many captions have each number of nodes, as a Markdown table."""
    heads = [*map(str, range(LAST_COUNT)), f"{LAST_COUNT} or more"]
    lines = ["| captions with | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, counts in sizes.items():
        numbers = np.bincount(np.minimum(counts, LAST_COUNT), minlength=len(heads))
        lines.append(f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    return "\n".join(lines)


def caption_statistics(sizes: Mapping[str, Sequence[int]]) -> dict[str, dict[str, float]]:
    """Nodes and relationships per caption, and the share of captions that lack some."""
    found = {}
    for name, counts in sizes.items():
        middle, high, most = np.quantile(counts, [0.5, 0.99, 1.0]).astype(int).tolist()
        without = float(np.mean(np.array(counts) == 0))
        found[name] = {
            "mean": float(np.mean(counts)),
            "median": middle,
            "quantile_99": high,
            "most": most,
            "without": without,
        }
    return found


def caption_table(statistics: Mapping[str, Mapping[str, float]]) -> str:
    """The same as a Markdown table."""
    lines = [
        "| per caption | mean | median | 99 % have at most | most | captions without |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in statistics.items():
        lines.append(
            f"| {name} | {one['mean']:.2f} | {one['median']} | {one['quantile_99']} | {one['most']} "
            f"| {100 * one['without']:.2f} % |"
        )
    return "\n".join(lines)


def count_attributes(
    annotations: Annotations, graphs: Mapping[str, SemanticGraph]
) -> tuple[collections.Counter[tuple[str, str]], int]:
    """In how many training videos each (level, attribute) occurs, and how many training videos there are."""
    of_video: dict[str, list[SemanticGraph]] = collections.defaultdict(list)
    for caption in annotations.captions:
        if caption.split == TRAIN:
            of_video[caption.video_id].append(graphs[caption.text])
    counts = collections.Counter(pair for each in of_video.values() for pair in attributes_of(each))
    return counts, len(of_video)


def attribute_statistics(counts: Mapping[tuple[str, str], int], videos: int) -> dict[str, dict[str, Any]]:
    """The frequent attributes of each level and how unevenly they are spread.

    Returns:
        By level, how many ``attributes`` there are, and the ``kept`` with the share of videos that have each, the most
        frequent first. Where some are kept: the share of ``positives`` among their labels, and in how many videos the
        ``most``, ``median`` and ``least`` frequent are.
    """
    found = {}
    for level in NODE_LEVELS:
        of_level = {name: count for (at, name), count in counts.items() if at == level}
        kept = sorted(
            ((count, name) for name, count in of_level.items() if count >= MINIMUM_VIDEOS), reverse=True
        )
        one: dict[str, Any] = {
            "attributes": len(of_level),
            "kept": {name: count / videos for count, name in kept},
        }
        if kept:
            frequencies = [count for count, _ in kept]
            one |= {
                "positives": float(np.mean(frequencies)) / videos,
                "most": frequencies[0],
                "median": float(np.median(frequencies)),
                "least": frequencies[-1],
            }
        found[level] = one
    return found


def attribute_table(statistics: Mapping[str, Mapping[str, Any]], videos: int) -> str:
    """The same as a Markdown table, with the most frequent attributes."""
    lines = [
        f"| level | attributes | in {MINIMUM_VIDEOS} videos or more | share of positives | most : median : least "
        f"frequent kept | the {SHOWN} most frequent, % of {videos:,} training videos |",
        "|---|---|---|---|---|---|",
    ]
    for level, one in statistics.items():
        kept = one["kept"]
        if not kept:
            lines.append(f"| {level} | {one['attributes']:,} | 0 | – | – | – |")
            continue
        named = ", ".join(
            f"{name.replace('|', ' ')} {100 * share:.0f}" for name, share in list(kept.items())[:SHOWN]
        )
        lines.append(
            f"| {level} | {one['attributes']:,} | {len(kept):,} | {100 * one['positives']:.2f} % "
            f"| {one['most']} : {one['median']:.0f} : {one['least']} | {named} |"
        )
    return "\n".join(lines)
