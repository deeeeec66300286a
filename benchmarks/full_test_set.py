"""Scores a test set of the size of MSR-VTT's, 2,990 videos and 59,800 captions, and ranks both ways.

`python -m benchmarks.full_test_set` makes random encodings with the node counts of real captions, computes the
similarity of every video and caption at all four levels and fused, and all ranks. Beside every block, and in turn with
it, the bare matrix products of frames and real nodes are computed; the ratio of both times is what the exact
similarity and the ranks cost. Then the same with bfloat16 products, and how many queries change their rank.
`--scores=FILE` writes the matrix of fused scores.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from benchmarks.figures import write_figures
from benchmarks.machine import describe_machine, peak_memory_bytes
from benchmarks.made_up_collection import make_texts, make_videos
from benchmarks.options import at_least_one, at_least_two
from data_pipeline.levels import LEVELS
from mcsan_jax.config import Config, ModelConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import Block, BlockScorer, ComponentScores
from mcsan_jax.ranking.collection import TextCollection, VideoCollection
from mcsan_jax.ranking.counting import count_ranks, score_file
from mcsan_jax.ranking.ranks import Ranks
from mcsan_jax.ranking.relevance import Matches
from mcsan_jax.scoring.multi_level import FUSED

MINUTES_BAR, GIGABYTES_BAR, RATIO_BAR = 6, 4, 1.5
_PRODUCT_NODES = 512


class MeasuredScorer(BlockScorer):
    """Computes the bare matrix products of each block beside its scores, and notes how long that takes."""

    def __init__(self, videos: VideoCollection, texts: TextCollection, config: Config) -> None:
        uniform = {level: np.float32(1 / len(LEVELS)) for level in LEVELS}
        parameters = ScoringParameters(uniform, np.float32(1.0))
        super().__init__(videos, texts, jax.tree.map(jnp.asarray, parameters), config)
        self.bare_seconds = self.aside_seconds = 0.0
        self.operations = 0

    def scores(self, blocks: list[Block]) -> Iterator[tuple[Block, ComponentScores]]:
        """As of the base class; between two blocks, the bare products of the first."""
        for block, components in super().scores(blocks):
            self.compute_bare_products(*block)
            yield block, components

    def compute_bare_products(self, rows: slice, columns: slice) -> None:
        """The matrix products of the block's frames and real nodes, and of its pooled vectors; nothing else."""
        begin = time.perf_counter()
        videos = self.videos.take(rows, rows.stop - rows.start)
        self.time_product(videos.pooled, self.texts.pooled[columns])
        for level, nodes in self.texts.nodes.items():
            end, real = nodes.ends[columns.stop - 1], int(nodes.counts[columns].sum())
            # Cut to one of a few sizes, so that few programs are compiled.
            real = real // _PRODUCT_NODES * _PRODUCT_NODES or real
            directions = videos.frames[level].directions
            self.time_product(directions.reshape(-1, directions.shape[-1]), nodes.queries[end - real : end])
        self.aside_seconds += time.perf_counter() - begin

    def time_product(self, x: Array, y: np.ndarray) -> None:
        """Adds the time of one matrix product, from both factors on the device to the result."""
        on_device = jax.block_until_ready(jnp.asarray(y))
        compute = _compiled_product(x.shape, y.shape)
        start = time.perf_counter()
        compute(x, on_device).block_until_ready()
        self.bare_seconds += time.perf_counter() - start
        self.operations += 2 * len(x) * len(y) * x.shape[1]

    def bare_total(self, frames: int, width: int) -> float:
        """Seconds of the bare products of all frames and real nodes, at the rate at which they were computed."""
        nodes = sum(len(of_level.queries) for of_level in self.texts.nodes.values())
        operations = 2 * len(self.videos) * width * (frames * nodes + len(self.texts))
        return self.bare_seconds * operations / self.operations


@functools.cache
def _compiled_product(x: tuple[int, ...], y: tuple[int, ...]) -> Any:
    product = jax.jit(lambda x, y: jnp.einsum("xd,yd->xy", x, y, precision=jax.lax.Precision.HIGHEST))
    return product.lower(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, y))).compile()


def rank(scorer: BlockScorer, scores_file: pathlib.Path | None = None) -> tuple[list[Ranks], float]:
    """Fused ranks of all captions and of all videos, and the seconds of the scores and ranks of every component."""
    videos, texts = scorer.shape
    matches = Matches.of_owners(np.arange(texts) // (texts // videos), videos)
    start = time.perf_counter()
    with contextlib.ExitStack() as files:
        others = [] if scores_file is None else [files.enter_context(score_file(scores_file, scorer.shape))]
        counter = count_ranks(scorer, matches, others)[FUSED]
    ranks = [counter.text_to_video(), counter.video_to_text()]
    return ranks, time.perf_counter() - start


def moved(exact: Sequence[Ranks], rounded: Sequence[Ranks]) -> dict[str, dict[str, float]]:
    """How many queries of each direction have another rank, and by how much at the median."""
    found = {}
    for name, one, other in zip(("captions", "videos"), exact, rounded, strict=True):
        change = np.abs(one.expected_rank() - other.expected_rank())
        changed = change[change > 0]
        median = float(np.median(changed)) if len(changed) else 0.0
        found[name] = {"queries": len(change), "moved": len(changed), "median_places": median}
    return found


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=at_least_two, default=2990, help="videos")
    parser.add_argument("--captions", type=at_least_one, default=20, help="captions of a video")
    parser.add_argument("--frames", type=at_least_one, default=20, help="frames of a video")
    parser.add_argument("--width", type=at_least_one, default=1024, help="size of a vector")
    parser.add_argument("--seed", type=int, default=0, help="of the random vectors")
    parser.add_argument(
        "--scores", type=pathlib.Path, help="file for the fused scores (float32, numpy's format)"
    )
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point."""
    arguments = make_parser().parse_args(words)
    width, seed = arguments.width, arguments.seed
    print(f"{describe_machine()}\nseed {seed}")
    videos = make_videos(arguments.videos, arguments.frames, width, seed)
    texts = make_texts(arguments.videos * arguments.captions, width, seed + 1)
    nodes = sum(len(of_level.queries) for of_level in texts.nodes.values())
    print(
        f"{len(videos):,} videos of {arguments.frames} frames, {len(texts):,} captions with {nodes:,} nodes, "
        f"width {width}",
        flush=True,
    )
    config = Config()
    exact = MeasuredScorer(videos, texts, config)
    ranks, seconds = rank(exact, arguments.scores)
    seconds -= exact.aside_seconds
    bare, memory = exact.bare_total(arguments.frames, width), peak_memory_bytes()
    print(
        f"float32: {seconds:.1f} s for {len(LEVELS)} levels, their fusion and all ranks (wanted: below "
        f"{60 * MINUTES_BAR} s); bare matrix products {bare:.1f} s at "
        f"{exact.operations / exact.bare_seconds / 1e9:.0f} GFLOP/s; "
        f"ratio {seconds / bare:.2f} (wanted: {RATIO_BAR} or less)\n"
        f"most memory of the process: {memory / 1e9:.2f} GB (wanted: below {GIGABYTES_BAR})",
        flush=True,
    )
    half = dataclasses.replace(config, model=ModelConfig(compute_dtype="bfloat16"))
    rounded, rounded_seconds = rank(BlockScorer(videos, texts, exact.parameters, half))
    others = moved(ranks, rounded)
    told = ", ".join(
        f"{one['moved']:,} of {one['queries']:,} {name} (by {one['median_places']:.0f} places at the median)"
        for name, one in others.items()
    )
    print(
        f"bfloat16 products: {rounded_seconds:.1f} s, {seconds / rounded_seconds:.2f} times as fast; other ranks: "
        f"{told}"
    )
    write_figures(
        arguments.json,
        {
            "seed": seed,
            "videos": len(videos),
            "captions": len(texts),
            "nodes": nodes,
            "seconds": seconds,
            "bare_seconds": bare,
            "ratio": seconds / bare,
            "bytes": memory,
            "rounded_seconds": rounded_seconds,
            "other_ranks": others,
        },
    )


if __name__ == "__main__":
    main()
