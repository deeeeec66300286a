"""Scores a test set of the size of MSR-VTT's, 2,990 videos and 59,800 captions, and ranks both ways.

`python -m benchmarks.full_test_set` makes random encodings with the node counts of real captions, computes the
similarity of every video and caption at all four levels and fused, and all ranks. Beside every block, and in turn with
it, the bare matrix products of frames and real nodes are computed; the ratio of both times is what the exact
similarity and the ranks cost. Then the same with bfloat16 products, and how many queries change their rank.
`--scores=FILE` writes the matrix of fused scores.
"""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging
from jaxtyping import Array

from benchmarks.machine import describe_machine, peak_memory_bytes
from benchmarks.made_up_collection import make_texts, make_videos
from mcsan_jax.config import Config, ModelConfig
from mcsan_jax.evaluation.block_scores import Block, BlockScorer, EveryBlock, Parts, ScoreFile, count_ranks
from mcsan_jax.evaluation.collection import TextCollection, VideoCollection
from mcsan_jax.evaluation.ranking import Ranks
from mcsan_jax.evaluation.relevance import Matches
from mcsan_jax.levels import LEVELS, ScoringParameters
from mcsan_jax.scoring.multi_level import FUSED

MINUTES_BAR, GIGABYTES_BAR, RATIO_BAR = 6, 4, 1.5
_PRODUCT_NODES = 512

_VIDEOS = flags.DEFINE_integer("videos", 2990, "Videos.", lower_bound=2)
_CAPTIONS = flags.DEFINE_integer("captions", 20, "Captions of a video.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 20, "Frames of a video.", lower_bound=1)
_WIDTH = flags.DEFINE_integer("width", 1024, "Size of a vector.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the random vectors.")
_SCORES = flags.DEFINE_string(
    "scores", None, "File for the matrix of fused scores (float32, numpy's format)."
)


class MeasuredScorer(BlockScorer):
    """Computes the bare matrix products of each block beside its scores, and notes how long that takes."""

    def __init__(self, videos: VideoCollection, texts: TextCollection, config: Config) -> None:
        uniform = {level: np.float32(1 / len(LEVELS)) for level in LEVELS}
        parameters = ScoringParameters(uniform, np.float32(1.0))
        super().__init__(videos, texts, jax.tree.map(jnp.asarray, parameters), config)
        self.bare_seconds = self.aside_seconds = 0.0
        self.operations = 0

    def scores(self, blocks: list[Block]) -> Iterator[tuple[Block, Parts]]:
        """As of the base class; between two blocks, the bare products of the first."""
        for block, parts in super().scores(blocks):
            self.compute_bare_products(*block)
            yield block, parts

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

    def bare_total(self) -> float:
        """Seconds of the bare products of all frames and real nodes, at the rate at which they were computed."""
        nodes = sum(len(of_level.queries) for of_level in self.texts.nodes.values())
        operations = 2 * len(self.videos) * _WIDTH.value * (_FRAMES.value * nodes + len(self.texts))
        return self.bare_seconds * operations / self.operations


@functools.cache
def _compiled_product(x: tuple[int, ...], y: tuple[int, ...]) -> Any:
    product = jax.jit(lambda x, y: jnp.einsum("xd,yd->xy", x, y, precision=jax.lax.Precision.HIGHEST))
    return product.lower(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, y))).compile()


def rank(scorer: BlockScorer, scores_file: pathlib.Path | None = None) -> tuple[list[Ranks], float]:
    """Fused ranks of all captions and of all videos, and the seconds of the scores and ranks of every part."""
    videos, texts = scorer.shape
    matches = Matches.of_owners(np.arange(texts) // (texts // videos), videos)
    start = time.perf_counter()
    with ScoreFile.maybe(scores_file, scorer.shape) as write:
        counter = count_ranks(scorer, matches, [] if write is None else [EveryBlock(write)])[FUSED]
    ranks = [counter.text_to_video(), counter.video_to_text()]
    return ranks, time.perf_counter() - start


def moved(exact: Sequence[Ranks], rounded: Sequence[Ranks]) -> list[str]:
    """How many queries of each direction have another rank, and by how much at the median."""
    lines = []
    for name, one, other in zip(("captions", "videos"), exact, rounded, strict=True):
        change = np.abs(one.expected_rank() - other.expected_rank())
        changed = change[change > 0]
        median = np.median(changed) if len(changed) else 0
        lines.append(f"{len(changed):,} of {len(change):,} {name} (by {median:.0f} places at the median)")
    return lines


def main(arguments: Sequence[str]) -> None:
    """Entry point."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    logging.set_verbosity(logging.WARNING)
    print(f"{describe_machine()}\nseed {_SEED.value}")
    videos = make_videos(_VIDEOS.value, _FRAMES.value, _WIDTH.value, _SEED.value)
    texts = make_texts(_VIDEOS.value * _CAPTIONS.value, _WIDTH.value, _SEED.value + 1)
    nodes = sum(len(of_level.queries) for of_level in texts.nodes.values())
    print(
        f"{len(videos):,} videos of {_FRAMES.value} frames, {len(texts):,} captions with {nodes:,} nodes, "
        f"width {_WIDTH.value}",
        flush=True,
    )
    config = Config()
    exact = MeasuredScorer(videos, texts, config)
    ranks, seconds = rank(exact, pathlib.Path(_SCORES.value) if _SCORES.value else None)
    seconds -= exact.aside_seconds
    bare = exact.bare_total()
    print(
        f"float32: {seconds:.1f} s for {len(LEVELS)} levels, their fusion and all ranks (wanted: below "
        f"{60 * MINUTES_BAR} s); bare matrix products {bare:.1f} s at "
        f"{exact.operations / exact.bare_seconds / 1e9:.0f} GFLOP/s; "
        f"ratio {seconds / bare:.2f} (wanted: {RATIO_BAR} or less)\n"
        f"most memory of the process: {peak_memory_bytes() / 1e9:.2f} GB (wanted: below {GIGABYTES_BAR})",
        flush=True,
    )
    half = dataclasses.replace(config, model=ModelConfig(compute_dtype="bfloat16"))
    rounded, rounded_seconds = rank(BlockScorer(videos, texts, exact.parameters, half))
    print(
        f"bfloat16 products: {rounded_seconds:.1f} s, {seconds / rounded_seconds:.2f} times as fast; other ranks: "
        + ", ".join(moved(ranks, rounded))
    )


if __name__ == "__main__":
    app.run(main)
