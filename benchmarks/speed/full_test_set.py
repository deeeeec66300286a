"""Scores a test set of the size of MSR-VTT's, 2,990 videos and 59,800 captions, and ranks both ways.

`python -m benchmarks full_test_set` makes random encodings with the node counts of real captions, computes the
similarity of every video and caption at all four levels and fused, and all ranks. Beside every block, and in turn with
it, the bare matrix products of frames and real nodes are computed; the ratio of both times is what the exact
similarity and the ranks cost. Then the same with bfloat16 products, and how many queries change their rank.
`--scores=FILE` writes the matrix of fused scores.
"""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from jaxtyping import Array

from benchmarks.machine import describe_machine, peak_memory_bytes
from benchmarks.made_up_data import make_texts, make_videos
from benchmarks.options import Seed
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
        uniform = {level: jnp.float32(1 / len(LEVELS)) for level in LEVELS}
        super().__init__(videos, texts, ScoringParameters(uniform, jnp.float32(1.0)), config)
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
        assert videos.pooled is not None and self.texts.pooled is not None
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


def run(
    videos: Annotated[int, typer.Option(min=2, help="Videos.")] = 2990,
    captions: Annotated[int, typer.Option(min=1, help="Captions of a video.")] = 20,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a video.")] = 20,
    width: Annotated[int, typer.Option(min=1, help="Size of a vector.")] = 1024,
    scores: Annotated[
        pathlib.Path | None, typer.Option(help="File for the fused scores (float32, numpy's format).")
    ] = None,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Measures and prints."""
    print(f"{describe_machine()}\nseed {seed}")
    collection = make_videos(videos, frames, width, seed)
    texts = make_texts(videos * captions, width, seed + 1)
    nodes = sum(len(of_level.queries) for of_level in texts.nodes.values())
    print(
        f"{videos:,} videos of {frames} frames, {len(texts):,} captions with {nodes:,} nodes, width {width}",
        flush=True,
    )
    config = Config()
    exact = MeasuredScorer(collection, texts, config)
    ranks, seconds = rank(exact, scores)
    seconds -= exact.aside_seconds
    bare, memory = exact.bare_total(frames, width), peak_memory_bytes()
    print(
        f"float32: {seconds:.1f} s for {len(LEVELS)} levels, their fusion and all ranks (wanted: below "
        f"{60 * MINUTES_BAR} s); bare matrix products {bare:.1f} s at "
        f"{exact.operations / exact.bare_seconds / 1e9:.0f} GFLOP/s; "
        f"ratio {seconds / bare:.2f} (wanted: {RATIO_BAR} or less)\n"
        f"most memory of the process: {memory / 1e9:.2f} GB (wanted: below {GIGABYTES_BAR})",
        flush=True,
    )
    half = dataclasses.replace(config, model=ModelConfig(compute_dtype="bfloat16"))
    rounded, rounded_seconds = rank(BlockScorer(collection, texts, exact.parameters, half))
    others = moved(ranks, rounded)
    told = ", ".join(
        f"{one['moved']:,} of {one['queries']:,} {name} (by {one['median_places']:.0f} places at the median)"
        for name, one in others.items()
    )
    print(
        f"bfloat16 products: {rounded_seconds:.1f} s, {seconds / rounded_seconds:.2f} times as fast; other ranks: "
        f"{told}"
    )
    return {
        "seed": seed,
        "videos": videos,
        "captions": len(texts),
        "nodes": nodes,
        "seconds": seconds,
        "bare_seconds": bare,
        "ratio": seconds / bare,
        "bytes": memory,
        "rounded_seconds": rounded_seconds,
        "other_ranks": others,
    }
