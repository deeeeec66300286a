"""Times our training step against the three-level step of the PyTorch peer, alternately in one run.

`python -m benchmarks.train_step` prints the seconds of the peer's step, of ours with the same three levels, and of our
four-level step with FBCE and KL (`configs/msrvtt.py`), how many times as long the peer takes, and the memory of our
four-level step at a large batch. All run on the CPU in float32; the batch is made up (`benchmarks/made_up_batch.py`).
"""

import statistics
import sys
from collections.abc import Callable, Sequence

import jax
import torch
from absl import app, flags

from benchmarks.machine import alternate, describe_machine, fastest_ratio, median_ratio
from benchmarks.our_step import Training, four_level_config, size_flags, three_level_config
from benchmarks.peer.model import train_step
from benchmarks.peer.weights import make_model, make_pairs
from benchmarks.processes import STEP, run_measured
from mcsan_jax.config import Config
from mcsan_jax.errors import InputError

THREE_LEVEL_BAR, FOUR_LEVEL_BAR = 3, 2
MEMORY_BAR = 8e9
LEARNING_RATE = 1e-4

_BATCH = flags.DEFINE_integer("batch", 64, "Videos and captions of the steps that are timed.", lower_bound=2)
_LARGE_BATCH = flags.DEFINE_integer(
    "large_batch", 512, "Those of the step whose memory is measured.", lower_bound=2
)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each step.", lower_bound=1)


def peer_step(training: Training) -> Callable[[], object]:
    """The peer's step with the same weights on the same batch."""
    model = make_model(training.config, training.shape, jax.device_get(training.state.params))
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    pairs = make_pairs(training.batch)
    return lambda: train_step(model, optimizer, pairs)


def measure() -> None:
    """Times the three steps and prints the comparison."""
    three, four = Training(three_level_config(_BATCH.value)), Training(four_level_config(_BATCH.value))
    words, nodes = three.batch.texts.token_mask.sum(axis=1), three.batch.texts.node_mask.sum(axis=1)
    print(
        f"batch {_BATCH.value}: {words.mean():.1f} words a caption, {words.max()} at most; {nodes.mean():.1f} nodes"
    )
    seconds = alternate({"peer": peer_step(three), "three": three.step, "four": four.step}, _ROUNDS.value)
    medians = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    print(f"peer, three levels: {medians['peer']:.0f} ms")
    for name, title, bar in (
        ("three", "ours, three levels", THREE_LEVEL_BAR),
        ("four", "ours, four levels with FBCE and KL", FOUR_LEVEL_BAR),
    ):
        print(
            f"{title}: {medians[name]:.0f} ms, ratio {median_ratio(seconds['peer'], seconds[name]):.1f}, "
            f"of the fastest rounds {fastest_ratio(seconds['peer'], seconds[name]):.1f} (wanted: {bar} or more)"
        )


def measure_memory() -> None:
    """Runs our step at the large batch in a process of its own and prints the most memory that it held.

    Raises:
        InputError: the process failed; with what it said.
    """
    batch = _LARGE_BATCH.value
    memory = run_measured(STEP, batch)["bytes"]
    attended = attended_bytes(four_level_config(batch))
    print(
        f"memory of ours, four levels, batch {batch}: {memory / 1e9:.2f} GB "
        f"(wanted: {MEMORY_BAR / 1e9:.0f} or less); the peer's attended vectors alone: {attended / 1e9:.1f} GB, "
        f"and {2 * attended / 1e9:.1f} GB with their gradient"
    )


def attended_bytes(config: Config) -> int:
    """Bytes of the vectors that the peer builds for all videos, captions, node slots: v · t · n · d numbers."""
    slots = config.data.max_actions + config.data.max_entities
    return 4 * config.train.batch_size**2 * slots * config.model.width


def main(arguments: Sequence[str]) -> None:
    """Entry point; a failure ends with a message and status 2."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    jax.config.update("jax_platforms", "cpu")
    print(describe_machine())
    print(f"float32, {' '.join(size_flags())}, {torch.get_num_threads()} threads of PyTorch", flush=True)
    try:
        measure()
        measure_memory()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main)
