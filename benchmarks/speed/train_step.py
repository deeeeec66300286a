"""Times our training step against the three-level step of the PyTorch peer, alternately in one run.

`python -m benchmarks train_step` prints the seconds of the peer's step, of ours with the same three levels, and of our
four-level step with FBCE and KL (`configs/msrvtt.py`), how many times as long the peer takes, and the memory of our
four-level step at a large batch. All run on the CPU in float32; the batch is made up (`benchmarks/made_up_data.py`).
"""

import statistics
from collections.abc import Callable
from typing import Annotated, Any

import jax
import torch
import typer

from benchmarks.machine import alternate, describe_machine, fastest_ratio, median_ratio
from benchmarks.options import Rounds, Seed
from benchmarks.peer.model import train_step
from benchmarks.peer.weights import make_model, make_pairs
from benchmarks.speed.measured_run import Work, run_measured
from benchmarks.speed.our_step import (
    FrameDim,
    MicroBatches,
    Sizes,
    Training,
    Vocabulary,
    Width,
    WordWidth,
    four_level_config,
    three_level_config,
)
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
    memory = run_measured(Work.STEP, batch, sizes)["bytes"]
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


def run(
    batch: Annotated[int, typer.Option(min=2, help="Videos and captions of the steps that are timed.")] = 64,
    large_batch: Annotated[
        int,
        typer.Option("--large_batch", min=2, help="Those of the step whose memory is measured."),
    ] = 512,
    rounds: Rounds = 7,
    width: Width = 1024,
    word_width: WordWidth = 300,
    frame_dim: FrameDim = 2048,
    vocabulary: Vocabulary = 10_000,
    micro_batches: MicroBatches = 1,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Compares and prints.

    Raises:
        InputError: the process of the large batch failed.
    """
    sizes = Sizes(width, word_width, frame_dim, vocabulary, micro_batches, seed)
    keep_program_memory()
    jax.config.update("jax_platforms", "cpu")
    print(describe_machine())
    print(f"float32, {' '.join(sizes.words())}, {torch.get_num_threads()} threads of PyTorch", flush=True)
    return {"steps": measure(batch, rounds, sizes), "memory": measure_memory(large_batch, sizes)}
