"""Seconds and most memory of one piece of work in a process of its own.

`python -m benchmarks.measured_run --work=step --size=512` takes steps of `configs/msrvtt.py` on a made-up batch of 512
pairs; `--work=evaluation --size=10000` scores and ranks as many made-up captions against 1,000 videos. It prints one
line of JSON. The memory is all that the process has held at most: libraries, program, parameters, data. It is kept
between runs of a program, as in a training, unless `--return_memory` is given.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import json
import statistics
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.machine import peak_memory_bytes
from benchmarks.made_up_collection import make_texts, make_videos
from benchmarks.options import at_least_one
from benchmarks.our_step import Sizes, Training, four_level_config
from benchmarks.processes import EVALUATION, STEP
from data_pipeline.levels import LEVELS
from mcsan_jax.compiled_programs import keep_program_memory
from mcsan_jax.config import Config
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.block_scores import BlockScorer
from mcsan_jax.ranking.counting import count_ranks
from mcsan_jax.ranking.relevance import Matches

VIDEOS, FRAMES = 1000, 20
_STEPS = 3


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


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", choices=(STEP, EVALUATION), default=STEP, help="what is measured")
    parser.add_argument("--size", type=at_least_one, default=512, help="pairs of the batch, or captions")
    parser.add_argument(
        "--return_memory",
        action="store_true",
        help="gives freed memory back to the system, unlike a training",
    )
    Sizes.add_options(parser)
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point."""
    arguments = make_parser().parse_args(words)
    if not arguments.return_memory:
        keep_program_memory()
    jax.config.update("jax_platforms", "cpu")
    measure = {STEP: step_seconds, EVALUATION: evaluation_seconds}[arguments.work]
    seconds = measure(arguments.size, Sizes.of(arguments))
    print(json.dumps({"seconds": seconds, "bytes": peak_memory_bytes()}))


if __name__ == "__main__":
    main()
