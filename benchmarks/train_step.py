"""Times our training step against the three-level step of the PyTorch peer, alternately in one run.

`python -m benchmarks.train_step` prints the seconds of the peer's step, of ours with the same three levels, and of our
four-level step with FBCE and KL (`configs/msrvtt.py`), how many times as long the peer takes, and the memory of our
four-level step at a large batch. All run on the CPU in float32; the batch is made up (`benchmarks/made_up_batch.py`).
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import jax
import torch

from benchmarks.figures import write_figures
from benchmarks.machine import alternate, describe_machine, fastest_ratio, median_ratio
from benchmarks.options import at_least_one, at_least_two
from benchmarks.our_step import Sizes, Training, four_level_config, three_level_config
from benchmarks.peer.model import train_step
from benchmarks.peer.weights import make_model, make_pairs
from benchmarks.processes import STEP, run_measured
from mcsan_jax.compiled_programs import keep_program_memory
from mcsan_jax.config import Config

THREE_LEVEL_BAR, FOUR_LEVEL_BAR = 3, 2
MEMORY_BAR = 8e9
LEARNING_RATE = 1e-4


def peer_step(training: Training) -> Callable[[], object]:
    """The peer's step with the same weights on the same batch."""
    model = make_model(training.config, training.shape, jax.device_get(training.state.params))
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    pairs = make_pairs(training.batch)
    return lambda: train_step(model, optimizer, pairs)


def measure(batch: int, rounds: int, sizes: Sizes) -> dict[str, Any]:
    """Times the three steps on a batch and prints the comparison."""
    three = Training(three_level_config(batch, sizes), sizes)
    four = Training(four_level_config(batch, sizes), sizes)
    words, nodes = three.batch.texts.token_mask.sum(axis=1), three.batch.texts.node_mask.sum(axis=1)
    print(
        f"batch {batch}: {words.mean():.1f} words a caption, {words.max()} at most; {nodes.mean():.1f} nodes"
    )
    seconds = alternate({"peer": peer_step(three), "three": three.step, "four": four.step}, rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"peer, three levels: {1e3 * medians['peer']:.0f} ms")
    figures: dict[str, Any] = {"peer": {"seconds": medians["peer"]}}
    for name, title, bar in (
        ("three", "ours, three levels", THREE_LEVEL_BAR),
        ("four", "ours, four levels with FBCE and KL", FOUR_LEVEL_BAR),
    ):
        ratio = median_ratio(seconds["peer"], seconds[name])
        fastest = fastest_ratio(seconds["peer"], seconds[name])
        print(
            f"{title}: {1e3 * medians[name]:.0f} ms, ratio {ratio:.1f}, of the fastest rounds {fastest:.1f} "
            f"(wanted: {bar} or more)"
        )
        figures[name] = {"seconds": medians[name], "ratio": ratio, "fastest_ratio": fastest}
    return figures


def measure_memory(batch: int, sizes: Sizes) -> dict[str, float]:
    """Runs our step at the large batch in a process of its own and prints the most memory that it held.

    Raises:
        InputError: the process failed; with what it said.
    """
    memory = run_measured(STEP, batch, sizes)["bytes"]
    attended = attended_bytes(four_level_config(batch, sizes))
    print(
        f"memory of ours, four levels, batch {batch}: {memory / 1e9:.2f} GB "
        f"(wanted: {MEMORY_BAR / 1e9:.0f} or less); the peer's attended vectors alone: {attended / 1e9:.1f} GB, "
        f"and {2 * attended / 1e9:.1f} GB with their gradient"
    )
    return {"batch": batch, "bytes": memory, "attended_bytes_of_peer": attended}


def attended_bytes(config: Config) -> int:
    """Bytes of the vectors that the peer builds for all videos, captions, node slots: v · t · n · d numbers."""
    slots = config.data.max_actions + config.data.max_entities
    return 4 * config.train.batch_size**2 * slots * config.model.width


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batch", type=at_least_two, default=64, help="videos and captions of the steps that are timed"
    )
    parser.add_argument(
        "--large_batch", type=at_least_two, default=512, help="those of the step whose memory is measured"
    )
    parser.add_argument("--rounds", type=at_least_one, default=7, help="measurements of each step")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    Sizes.add_options(parser)
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; a failure ends with a message and status 2."""
    arguments = make_parser().parse_args(words)
    sizes = Sizes.of(arguments)
    keep_program_memory()
    jax.config.update("jax_platforms", "cpu")
    print(describe_machine())
    print(f"float32, {' '.join(sizes.words())}, {torch.get_num_threads()} threads of PyTorch", flush=True)
    steps = measure(arguments.batch, arguments.rounds, sizes)
    memory = measure_memory(arguments.large_batch, sizes)
    write_figures(arguments.json, {"steps": steps, "memory": memory})


if __name__ == "__main__":
    main()
