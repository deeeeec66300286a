"""Seconds and most memory of one piece of work in a process of its own.

`python -m benchmarks measured_run --work=step --size=512` takes steps of `configs/msrvtt.py` on a made-up batch of 512
pairs; `--work=evaluation --size=10000` scores and ranks as many made-up captions against 1,000 videos. The memory is
all that the process has held at most: libraries, program, parameters, data. It is kept between runs of a program, as
in a training, unless `--return_memory` is given.
"""

import enum
import statistics
import time
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from benchmarks.figures import figures_of
from benchmarks.machine import peak_memory_bytes
from benchmarks.made_up_data import make_texts, make_videos
from benchmarks.options import Seed
from benchmarks.speed.our_step import (
    FrameDim,
    MicroBatches,
    Sizes,
    Training,
    Vocabulary,
    Width,
    WordWidth,
    four_level_config,
)
from data_pipeline.levels import LEVELS
from mcsan_jax.compiled_programs import keep_program_memory
from mcsan_jax.config import Config
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.counting import count_ranks
from mcsan_jax.ranking.relevance import Matches

VIDEOS, FRAMES = 1000, 20
_STEPS = 3


class Work(enum.StrEnum):
    """What is measured."""

    STEP = "step"
    EVALUATION = "evaluation"


def run_measured(work: Work, size: int, sizes: Sizes) -> dict[str, float]:
    """Runs this benchmark in a process of its own with these dimensions: its `seconds` and `bytes`.

    Raises:
        InputError: it failed; with what it said.
    """
    return figures_of("measured_run", [f"--work={work}", f"--size={size}", *sizes.words()])


def step_seconds(batch_size: int, sizes: Sizes) -> float:
    """Median of some steps, after one that compiles."""
    training = Training(four_level_config(batch_size, sizes), sizes)
    training.step()
    seconds = []
    for _ in range(_STEPS):
        start = time.perf_counter()
        training.step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def evaluation_seconds(captions: int, sizes: Sizes) -> float:
    """Scores and ranks of all captions, with the compilation."""
    videos = make_videos(VIDEOS, FRAMES, sizes.width, sizes.seed)
    texts = make_texts(captions, sizes.width, sizes.seed + 1)
    uniform = {level: jnp.float32(1 / len(LEVELS)) for level in LEVELS}
    scorer = BlockScorer(videos, texts, ScoringParameters(uniform, jnp.float32(1.0)), Config())
    start = time.perf_counter()
    count_ranks(scorer, Matches.of_owners(np.sort(np.arange(captions) % VIDEOS), VIDEOS))
    return time.perf_counter() - start


def run(
    work: Annotated[Work, typer.Option(help="What is measured.")] = Work.STEP,
    size: Annotated[int, typer.Option(min=1, help="Pairs of the batch, or captions.")] = 512,
    return_memory: Annotated[
        bool,
        typer.Option("--return_memory", help="Give freed memory back to the system, unlike a training."),
    ] = False,
    width: Width = 1024,
    word_width: WordWidth = 300,
    frame_dim: FrameDim = 2048,
    vocabulary: Vocabulary = 10_000,
    micro_batches: MicroBatches = 1,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Measures and prints."""
    if not return_memory:
        keep_program_memory()
    jax.config.update("jax_platforms", "cpu")
    measure = {Work.STEP: step_seconds, Work.EVALUATION: evaluation_seconds}[work]
    seconds = measure(size, Sizes(width, word_width, frame_dim, vocabulary, micro_batches, seed))
    memory = peak_memory_bytes()
    print(f"{work} of size {size}: {seconds:.2f} s, at most {memory / 1e9:.2f} GB")
    return {"seconds": seconds, "bytes": memory}
