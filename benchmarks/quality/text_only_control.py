"""How often texts alone tell a caption from the foil that is made from it.

`python -m benchmarks text_only_control --dataset=msrvtt --annotations=raw/msrvtt` makes foils of the training captions
as `prepare --foils=2` does, and fits a linear model of words, pairs of words and relationships to four fifths of the
videos, which then says of each caption and foil of the last fifth which one is true. 50 % is chance.
"""

import collections
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import typer

from data_pipeline.annotations.caption import TRAIN, Caption
from data_pipeline.annotations.sources import READERS, read_annotations
from data_pipeline.errors import InputError
from data_pipeline.foils.foil_words import chance
from data_pipeline.foils.make_foils import FoilMaker
from data_pipeline.foils.plausibility import IMPARTIAL, Plausibility
from data_pipeline.foils.proposals import Original
from data_pipeline.foils.text_edits import Captioned
from data_pipeline.graphs.cache import GraphCache
from data_pipeline.graphs.parser import ParallelParser, parser_identity
from data_pipeline.moving_shapes.dataset import CROWDED_SHAPES, MOVING_SHAPES, moving_shapes_source

EMBEDDED = (MOVING_SHAPES, CROWDED_SHAPES)
DATASETS = (*READERS, *EMBEDDED)
FOLDS = 5
ALL = "all"


class Pair(NamedTuple):
    """A caption of a video and a foil of it."""

    video: str
    kind: str
    caption: Captioned
    foil: Captioned


def captions_of_videos(
    captions: Sequence[Caption], most: int | None, graph_cache: pathlib.Path, processes: int
) -> dict[str, list[Captioned]]:
    """The parsed captions of the first videos, by video."""
    kept = set(list(dict.fromkeys(caption.video_id for caption in captions))[:most])
    captions = [caption for caption in captions if caption.video_id in kept]
    cache = GraphCache(graph_cache, parser_identity())
    graphs = cache.graphs_of([one.text for one in captions], lambda: ParallelParser(processes)).graphs
    videos: dict[str, list[Captioned]] = collections.defaultdict(list)
    for caption in captions:
        videos[caption.video_id].append(Captioned(caption.text, graphs[caption.text]))
    return videos


def make_pairs(maker: FoilMaker, videos: Mapping[str, Sequence[Captioned]], most: int) -> list[Pair]:
    """All captions with each of their foils."""
    return [
        Pair(video_id, foil.kind, caption, Captioned(foil.text, foil.graph))
        for video_id, captions in videos.items()
        for caption, foils in zip(captions, maker.foils(video_id, captions, most), strict=True)
        for foil in foils
    ]


def control_accuracies(pairs: Sequence[Pair]) -> dict[str, tuple[int, float]]:
    """The number of pairs of each kind and the percentage that texts alone tell; ties count half.

    The folds are of videos, and the model of each is fitted to the pairs of all kinds of the others.
    """
    rows = [Original(pair.caption).difference(pair.foil) for pair in pairs]
    folds = [int(chance("control", pair.video) * FOLDS) for pair in pairs]
    told: dict[str, list[float]] = collections.defaultdict(list)
    for held_out in range(FOLDS):
        others = [row for row, fold in zip(rows, folds, strict=True) if fold != held_out]
        control = Plausibility({}, {}, IMPARTIAL).fitted_to(others, {})
        for pair, row, fold in zip(pairs, rows, folds, strict=True):
            if fold == held_out:
                advantage = control.advantage(row)
                for kind in (pair.kind, ALL):
                    told[kind].append((np.sign(advantage) + 1) / 2)
    return {kind: (len(found), 100 * float(np.mean(found))) for kind, found in sorted(told.items())}


def run(
    dataset: Annotated[str, typer.Option(help="Where the captions are from.", metavar="|".join(DATASETS))],
    annotations: Annotated[
        pathlib.Path | None,
        typer.Option(help="File or folder of captions; embedded data sets have none."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Split protocol of the data set, its first one unless given.")
    ] = None,
    videos: Annotated[int | None, typer.Option(min=1, help="Take so many training videos alone.")] = None,
    foils: Annotated[int, typer.Option(min=1, help="Most foils of a caption.")] = 2,
    graph_cache: Annotated[
        pathlib.Path, typer.Option("--graph_cache", help="Parsed captions.")
    ] = pathlib.Path("data/graph_cache"),
    processes: Annotated[int, typer.Option(min=1, help="Processes that parse.")] = os.cpu_count() or 1,
    shown: Annotated[int, typer.Option(min=0, help="Print so many pairs.")] = 0,
) -> dict[str, dict[str, float]]:
    """Makes foils, tells them by their texts and prints.

    Raises:
        InputError: there is no such data set, or its annotations cannot be used.
    """
    captions = _training_captions(dataset, annotations, protocol)
    of_videos = captions_of_videos(captions, videos, graph_cache, processes)
    start = time.monotonic()
    maker = FoilMaker.learn(list(of_videos.items()))
    learned = time.monotonic()
    pairs = make_pairs(maker, of_videos, foils)
    made = time.monotonic()
    count = sum(map(len, of_videos.values()))
    print(
        f"{len(pairs):,} foils of {count:,} captions of {len(of_videos):,} videos; learned in "
        f"{learned - start:.0f} s, made at {count / (made - learned):,.0f} captions/s\n"
    )
    accuracies = control_accuracies(pairs)
    print("| kind | foils | told by the texts, % |\n|---|---|---|")
    for kind, (number, accuracy) in accuracies.items():
        print(f"| {kind} | {number:,} | {accuracy:.1f} |")
    for pair in sorted(pairs, key=lambda pair: chance(pair.foil.text))[:shown]:
        print(f"{pair.kind}: {pair.caption.text} → {pair.foil.text}")
    return {kind: {"foils": number, "accuracy": told} for kind, (number, told) in accuracies.items()}


def _training_captions(dataset: str, file: pathlib.Path | None, protocol: str | None) -> list[Caption]:
    if dataset not in DATASETS:
        raise InputError(f"--dataset={dataset}: expected one of {', '.join(DATASETS)}")
    if dataset in EMBEDDED:
        annotations = moving_shapes_source(name=dataset).annotations
    elif file is None:
        raise InputError(f"--dataset={dataset} needs --annotations=PATH")
    else:
        annotations = read_annotations(dataset, [file], protocol)
    return [caption for caption in annotations.captions if caption.split == TRAIN]
