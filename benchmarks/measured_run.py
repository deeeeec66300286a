"""Seconds and most memory of one piece of work in a process of its own.

`python -m benchmarks.measured_run --work=step --size=512` takes steps of `configs/msrvtt.py` on a made-up batch of 512
pairs; `--work=evaluation --size=10000` scores and ranks as many made-up captions against 1,000 videos. It prints one
line of JSON. The memory is all that the process has held at most: libraries, program, parameters, data.
"""

import json
import statistics
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging

from benchmarks.machine import peak_memory_bytes
from benchmarks.made_up_collection import make_texts, make_videos
from benchmarks.our_step import Training, four_level_config
from benchmarks.processes import EVALUATION, STEP
from mcsan_jax.config import Config
from mcsan_jax.evaluation.block_scores import BlockScorer, count_ranks
from mcsan_jax.evaluation.relevance import Matches
from mcsan_jax.levels import LEVELS, ScoringParameters

VIDEOS, FRAMES = 1000, 20
_STEPS = 3

_WORK = flags.DEFINE_enum("work", STEP, (STEP, EVALUATION), "What is measured.")
_SIZE = flags.DEFINE_integer("size", 512, "Pairs of the batch, or captions.", lower_bound=1)


def step_seconds(batch_size: int) -> float:
    """Median of some steps, after one that compiles."""
    training = Training(four_level_config(batch_size))
    training.step()
    seconds = []
    for _ in range(_STEPS):
        start = time.perf_counter()
        training.step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def evaluation_seconds(captions: int) -> float:
    """Scores and ranks of all captions, with the compilation."""
    width, seed = flags.FLAGS.width, flags.FLAGS.seed
    videos = make_videos(VIDEOS, FRAMES, width, seed)
    texts = make_texts(captions, width, seed + 1)
    uniform = {level: jnp.float32(1 / len(LEVELS)) for level in LEVELS}
    scorer = BlockScorer(videos, texts, ScoringParameters(uniform, jnp.float32(1.0)), Config())
    start = time.perf_counter()
    count_ranks(scorer, Matches.of_owners(np.sort(np.arange(captions) % VIDEOS), VIDEOS))
    return time.perf_counter() - start


def main(arguments: Sequence[str]) -> None:
    """Entry point."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    logging.set_verbosity(logging.WARNING)
    jax.config.update("jax_platforms", "cpu")
    measure = {STEP: step_seconds, EVALUATION: evaluation_seconds}[_WORK.value]
    seconds = measure(_SIZE.value)
    print(json.dumps({"seconds": seconds, "bytes": peak_memory_bytes()}))


if __name__ == "__main__":
    app.run(main)
