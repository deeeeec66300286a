"""What training on ten million clips would take on machines that are not at hand: a calculation, not a measurement.

`python -m benchmarks.on_paper configs/msrvtt.py` compiles the step of the experiment twice, for small batches, on this
machine. From both follow the operations and the memory of one more video in a batch, by XLA's count; what videos and
captions of the batch do to each other is added by formula (`similarity_operations`), as is what passes between devices
(`benchmarks/network.py`). Each machine is one line of `MACHINES`; what is not published by its maker is marked there as
ASSUMED, and so is the share of the peak rate that is reached (`--utilisation`).

A step takes as long as the slowest of four that overlap: computing, sending, reading the records, decoding them.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import jax

from benchmarks.epoch_time import PEAKS, duration
from benchmarks.figures import write_figures
from benchmarks.made_up_experiment import full_batch, made_up_manifest, read_config
from benchmarks.network import node_slots, summed_count, traffic
from benchmarks.options import at_least_one, at_most_one
from data_pipeline.manifest import Manifest
from mcsan_jax.config import Config
from mcsan_jax.data_sizes import data_shape
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.models.mcsan import DataShape
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.experiment import build_experiment, parameter_count

SMALL, LARGE = 8, 16
"""Videos of the two batches that are compiled."""

RECORDS_PER_CORE = 3000
"""Records a second that a core reads and decodes (`benchmarks/input_pipeline.py`, from files)."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """Accelerators and their hosts.

    Attributes:
        devices: accelerators.
        rate: published operations a second of one device, bfloat16, without sparsity.
        memory: bytes of one device, published.
        link: bytes a second that one device sends to others, published.
        hosts: machines that the accelerators are in.
        cores: of all hosts, published.
        read: bytes a second that a host reads from its storage, while the others read, too; ASSUMED.
        price: $ an hour for everything; ASSUMED, a guess at a list price.
    """

    devices: int
    rate: float
    memory: float
    link: float
    hosts: int
    cores: int
    read: float
    price: float


MACHINES: Mapping[str, Machine] = {
    "8 x NVIDIA H100 (SXM), one host": Machine(
        8, PEAKS["NVIDIA H100 (SXM)"]["bfloat16"], 80e9, 450e9, 1, 192, 10e9, 60.0
    ),
    "TPU v5e-16, four hosts": Machine(
        16, PEAKS["TPU v5e, one chip"]["bfloat16"], 16e9, 200e9, 4, 448, 3e9, 19.0
    ),
}


@dataclasses.dataclass(frozen=True)
class Work:
    """Of one step of an experiment.

    Attributes:
        operations: per video of the batch, encoders and their gradient.
        activations: bytes per video of the batch that a device holds while it computes.
        state: bytes that every device holds.
        record: bytes of a video on disk.
        batch: bytes of a video as the step takes it.
    """

    operations: float
    activations: float
    state: float
    record: float
    batch: float


def similarity_operations(config: Config, videos: int) -> float:
    """Operations of the similarity of a batch and of its gradient: three products of frames and nodes.

    ``3 · 2 d · V T (f n + 1)`` for ``V`` videos of ``f`` frames and ``T`` captions with ``n`` node slots.
    """
    captions = videos * config.train.captions_per_video
    pairs = 1 + config.data.max_frames * node_slots(config)
    return 3 * 2 * config.model.width * float(videos) * captions * pairs


def measure_work(config: Config, manifest: Manifest, frames_on_disk: int) -> Work:
    """Compiles two small steps, each encoded at once, and takes their difference."""
    operations, temporary = [], []
    for videos in (SMALL, LARGE):
        train = dataclasses.replace(config.train, batch_size=videos, micro_batches=1)
        experiment = build_experiment(
            dataclasses.replace(config, train=train), manifest, make_mesh(jax.devices()[:1])
        )
        state = experiment.state_maker.abstract
        batch = put_batch(full_batch(experiment), experiment.mesh)
        program = experiment.train_step.lower(state, batch).compile()
        operations.append(float(program.cost_analysis()["flops"]) - similarity_operations(config, videos))
        temporary.append(program.memory_analysis().temp_size_in_bytes)
    more = LARGE - SMALL
    return Work(
        operations=(operations[1] - operations[0]) / more,
        activations=(temporary[1] - temporary[0]) / more,
        # The gradient beside what is kept from step to step.
        state=4 * parameter_count(state)
        + sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)),
        record=2 * manifest.frame_dim * frames_on_disk,
        batch=sum(leaf.nbytes for leaf in jax.tree.leaves(batch)) / LARGE,
    )


@dataclasses.dataclass(frozen=True)
class Prospect:
    """What a machine would need for a step, in seconds by what limits it, and in bytes of one device."""

    seconds: dict[str, float]
    memory: float

    @property
    def limit(self) -> str:
        """What takes longest."""
        return max(self.seconds, key=lambda name: self.seconds[name])


def prospect(
    config: Config, work: Work, summed: int, machine: Machine, utilisation: float, shape: DataShape
) -> Prospect:
    """A step of the configured batch on a machine."""
    videos = config.train.batch_size
    sent = traffic(config, shape, summed, machine.devices)
    operations = videos * work.operations + similarity_operations(config, videos)
    own = videos / machine.devices
    # Gathered captions and their gradient, beside what was sent of them.
    gathered = 2 * sent.captions if config.train.exchange == "gather" else 0.0
    parts = config.train.micro_batches
    return Prospect(
        seconds={
            "computing": operations / (machine.devices * machine.rate * utilisation),
            "sending": sent.total / machine.link,
            "reading": videos * work.record / (machine.hosts * machine.read),
            "decoding": videos / (machine.cores * RECORDS_PER_CORE),
        },
        memory=work.state + own * (3 * work.batch + work.activations / parts) + gathered,
    )


def report(
    config: Config, work: Work, found: Mapping[str, Prospect], arguments: argparse.Namespace
) -> list[str]:
    """The table of all machines."""
    clips, videos = arguments.clips, config.train.batch_size
    rows = [["", *MACHINES]]
    for name in next(iter(found.values())).seconds:
        rows.append([f"a step: {name}", *(duration(one.seconds[name]) for one in found.values())])
    rows.append(["**limit**", *(f"**{one.limit}**" for one in found.values())])
    hours = [one.seconds[one.limit] * clips / videos / 3600 for one in found.values()]
    rows.append(["videos a second", *(f"{videos / one.seconds[one.limit]:,.0f}" for one in found.values())])
    rows.append([f"a pass over {clips:,} clips", *(duration(3600 * one) for one in hours)])
    rows.append([f"{arguments.passes} passes", *(duration(3600 * one * arguments.passes) for one in hours)])
    prices = [machine.price for machine in MACHINES.values()]
    costs = zip(hours, prices, strict=True)
    rows.append(["their price", *(f"{one * arguments.passes * price:,.0f} $" for one, price in costs)])
    rows.append(
        [
            "memory of a device",
            *(
                f"{one.memory / 1e9:.1f} of {MACHINES[name].memory / 1e9:.0f} GB"
                for name, one in found.items()
            ),
        ]
    )
    vectors = 2 * config.model.width * (1 + 3 * config.data.max_frames)
    train = config.train
    return [
        f"{config.name}: batch {videos} with {train.captions_per_video} caption(s) each, {train.exchange}, "
        f"{train.micro_batches} micro batch(es); {work.operations / 1e9:.1f} G operations and "
        f"{work.activations / 1e6:.0f} MB for each video of a batch, {work.state / 1e9:.2f} GB of state; "
        f"{arguments.utilisation:.0%} of the peak rate ASSUMED",
        "",
        *aligned(rows),
        "",
        f"storage: {clips * work.record / 1e12:.2f} TB of records ({work.record / 1e3:.0f} kB a clip); "
        f"{clips * vectors / 1e12:.2f} TB for all encoded vectors of an index as float16, "
        f"{clips * 2 * config.model.width / 1e9:.0f} GB for one vector a clip",
    ]


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; bad input ends with a message and status 2."""
    arguments = make_parser().parse_args(words)
    jax.config.update("jax_platforms", "cpu")
    config = read_config(arguments.config, "bfloat16")
    train = dataclasses.replace(
        config.train,
        batch_size=arguments.batch,
        token_state_cache=False,
        exchange=arguments.exchange,
        micro_batches=arguments.micro_batches,
    )
    config = dataclasses.replace(config, train=train)
    manifest = made_up_manifest(config, arguments.clips, arguments.captions_per_video, arguments.frame_dim)
    summed = summed_count(build_experiment(config, manifest, make_mesh(jax.devices()[:1])))
    work = measure_work(config, manifest, arguments.frames_on_disk)
    shape = data_shape(manifest)
    found = {
        name: prospect(config, work, summed, machine, arguments.utilisation, shape)
        for name, machine in MACHINES.items()
    }
    print("\n".join(report(config, work, found, arguments)))
    machines = {name: {**dataclasses.asdict(one), "limit": one.limit} for name, one in found.items()}
    write_figures(arguments.json, {"video": dataclasses.asdict(work), "machines": machines})


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="file of the experiment, with a size if wanted: configs/msrvtt.py")
    for name, value, what in (
        ("clips", 10_000_000, "training videos"),
        ("captions_per_video", 20, "in the data set"),
        ("frame_dim", 2048, "size of a frame's features"),
        ("frames_on_disk", 20, "stored frames of a clip"),
        ("batch", 4096, "videos of the whole batch"),
        ("micro_batches", 1, "parts of a device's rows"),
        ("passes", 5, "over the clips"),
    ):
        parser.add_argument(f"--{name}", type=at_least_one, default=value, help=f"{what} ({value})")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--exchange", default="gather", choices=("gather", "ring"))
    parser.add_argument(
        "--utilisation", type=at_most_one, default=0.25, help="assumed share of the peak rate (0.25)"
    )
    return parser


if __name__ == "__main__":
    main()
