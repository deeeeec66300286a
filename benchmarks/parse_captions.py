"""Parses all captions of a source and prints what came of it: speed, nodes, frequent attributes, imbalance.

`python -m benchmarks.parse_captions --dataset=msrvtt --annotations=raw/msrvtt` needs annotations alone, no
features. Every caption is parsed, repetitions of a text once; nothing is read from a cache.
"""

import argparse
import collections
import os
import pathlib
import time
from collections.abc import Mapping, Sequence

import numpy as np

from data_pipeline.annotations.caption import TRAIN, Annotations
from data_pipeline.annotations.sources import READERS, read_annotations
from data_pipeline.captions.attributes import attributes_of
from data_pipeline.captions.graph import SemanticGraph
from data_pipeline.captions.parallel_parsing import ParallelParser
from data_pipeline.progress import track
from mcsan_jax.levels import ACTION, ENTITY, NODE_LEVELS

MINIMUM_VIDEOS = 5
SHOWN = 20
LAST_COUNT = 8


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", choices=READERS, required=True)
    parser.add_argument("--annotations", type=pathlib.Path, required=True)
    parser.add_argument("--protocol")
    parser.add_argument("--split", help="parses the captions of one split alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser


def main() -> None:
    """Entry point."""
    given = make_parser().parse_args()
    annotations = read_annotations(given.dataset, [given.annotations], given.protocol)
    captions = [caption for caption in annotations.captions if given.split in (None, caption.split)]
    if not captions:
        make_parser().error(f"no caption is in split {given.split!r}")
    texts = list(dict.fromkeys(caption.text for caption in captions))
    start = time.monotonic()
    parsed = ParallelParser(given.processes).parse(texts)
    graphs = dict(zip(texts, track(parsed, len(texts), "parsing", "captions"), strict=True))
    seconds = time.monotonic() - start
    print(
        f"{len(captions):,} captions, {len(texts):,} distinct, in {seconds:.0f} s with {given.processes} "
        f"processes: {len(captions) / seconds:,.0f} captions/s, {len(texts) / seconds:,.0f} distinct/s"
    )
    sizes = node_counts([graphs[caption.text] for caption in captions])
    print(f"\n{caption_table(sizes)}\n\n{count_table(sizes)}")
    if given.split in (None, TRAIN):
        print(f"\n{attribute_table(*count_attributes(annotations, graphs))}")


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


def caption_table(sizes: Mapping[str, Sequence[int]]) -> str:
    """Nodes and relationships per caption, and captions that lack some, as a Markdown table."""
    lines = [
        "| per caption | mean | median | 99 % have at most | most | captions without |",
        "|---|---|---|---|---|---|",
    ]
    for name, counts in sizes.items():
        middle, high, most = np.quantile(counts, [0.5, 0.99, 1.0]).astype(int)
        without = 100 * np.mean(np.array(counts) == 0)
        lines.append(f"| {name} | {np.mean(counts):.2f} | {middle} | {high} | {most} | {without:.2f} % |")
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


def attribute_table(counts: Mapping[tuple[str, str], int], videos: int) -> str:
    """The frequent attributes of each level and how unevenly they are spread, as a Markdown table."""
    lines = [
        f"| level | attributes | in {MINIMUM_VIDEOS} videos or more | share of positives | most : median : least "
        f"frequent kept | the {SHOWN} most frequent, % of {videos:,} training videos |",
        "|---|---|---|---|---|---|",
    ]
    for level in NODE_LEVELS:
        of_level = {name: count for (at, name), count in counts.items() if at == level}
        kept = sorted(
            ((count, name) for name, count in of_level.items() if count >= MINIMUM_VIDEOS), reverse=True
        )
        if not kept:
            lines.append(f"| {level} | {len(of_level):,} | 0 | – | – | – |")
            continue
        frequencies = [count for count, _ in kept]
        named = ", ".join(
            f"{name.replace('|', ' ')} {100 * count / videos:.0f}" for count, name in kept[:SHOWN]
        )
        spread = f"{frequencies[0]} : {np.median(frequencies):.0f} : {frequencies[-1]}"
        positives = 100 * np.mean(frequencies) / videos
        lines.append(
            f"| {level} | {len(of_level):,} | {len(kept):,} | {positives:.2f} % | {spread} | {named} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
