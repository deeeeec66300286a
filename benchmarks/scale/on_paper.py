"""What training on ten million clips would take on machines that are not at hand: a calculation, not a measurement.

`python -m benchmarks on_paper configs/msrvtt.py` compiles the step of the experiment twice, for small batches, on this
machine. From both follow the operations and the memory of one more video in a batch, by XLA's count; what videos and
captions of the batch do to each other is added by formula (`similarity_operations`), as is what passes between devices
(`benchmarks/scale/network.py`). Each machine is one line of `MACHINES`; what is not published by its maker is marked
there as ASSUMED, and so is the share of the peak rate that is reached (`--utilisation`).

A step takes as long as the slowest of four that overlap: computing, sending, reading the records, decoding them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import typer

from benchmarks.made_up_data import full_batch, made_up_manifest, read_config
from benchmarks.options import CaptionsPerVideo, ConfigFile, FrameDim, Utilisation
from benchmarks.scale.epoch_time import PEAKS, duration
from benchmarks.scale.network import node_slots, summed_count, traffic
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
"""Records a second that a core reads and decodes (`benchmarks/speed/input_pipeline.py`, from files)."""


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
    config: Config,
    work: Work,
    found: Mapping[str, Prospect],
    clips: int,
    passes: int,
    utilisation: float,
) -> list[str]:
    """The table of all machines.

    Args:
        config: the experiment.
        work: of one of its steps.
        found: what each machine would need for it.
        clips: that are trained on.
        passes: over the clips.
        utilisation: the share of the peak rate that was assumed.
    """
    videos = config.train.batch_size
    rows = [["", *MACHINES]]
    for name in next(iter(found.values())).seconds:
        rows.append([f"a step: {name}", *(duration(one.seconds[name]) for one in found.values())])
    rows.append(["**limit**", *(f"**{one.limit}**" for one in found.values())])
    hours = [one.seconds[one.limit] * clips / videos / 3600 for one in found.values()]
    rows.append(["videos a second", *(f"{videos / one.seconds[one.limit]:,.0f}" for one in found.values())])
    rows.append([f"a pass over {clips:,} clips", *(duration(3600 * one) for one in hours)])
    rows.append([f"{passes} passes", *(duration(3600 * one * passes) for one in hours)])
    prices = [machine.price for machine in MACHINES.values()]
    costs = zip(hours, prices, strict=True)
    rows.append(["their price", *(f"{one * passes * price:,.0f} $" for one, price in costs)])
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
        f"{utilisation:.0%} of the peak rate ASSUMED",
        "",
        *aligned(rows),
        "",
        f"storage: {clips * work.record / 1e12:.2f} TB of records ({work.record / 1e3:.0f} kB a clip); "
        f"{clips * vectors / 1e12:.2f} TB for all encoded vectors of an index as float16, "
        f"{clips * 2 * config.model.width / 1e9:.0f} GB for one vector a clip",
    ]


def run(
    config: ConfigFile,
    clips: Annotated[int, typer.Option(min=1, help="Training videos.")] = 10_000_000,
    captions_per_video: CaptionsPerVideo = 20,
    frame_dim: FrameDim = 2048,
    frames_on_disk: Annotated[
        int, typer.Option("--frames_on_disk", min=1, help="Stored frames of a clip.")
    ] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Videos of the whole batch.")] = 4096,
    micro_batches: Annotated[
        int, typer.Option("--micro_batches", min=1, help="Parts of a device's rows.")
    ] = 1,
    passes: Annotated[int, typer.Option(min=1, help="Over the clips.")] = 5,
    exchange: Annotated[
        Literal["gather", "ring"], typer.Option(help="How captions get to the other devices.")
    ] = "gather",
    utilisation: Utilisation = 0.25,
) -> dict[str, Any]:
    """Calculates and prints.

    Raises:
        InputError: there is no such config.
    """
    jax.config.update("jax_platforms", "cpu")
    recipe = read_config(config, "bfloat16")
    train = dataclasses.replace(
        recipe.train,
        batch_size=batch,
        token_state_cache=False,
        exchange=exchange,
        micro_batches=micro_batches,
    )
    recipe = dataclasses.replace(recipe, train=train)
    manifest = made_up_manifest(recipe, clips, captions_per_video, frame_dim)
    summed = summed_count(build_experiment(recipe, manifest, make_mesh(jax.devices()[:1])))
    work = measure_work(recipe, manifest, frames_on_disk)
    shape = data_shape(manifest)
    found = {
        name: prospect(recipe, work, summed, machine, utilisation, shape)
        for name, machine in MACHINES.items()
    }
    print("\n".join(report(recipe, work, found, clips, passes, utilisation)))
    machines = {name: {**dataclasses.asdict(one), "limit": one.limit} for name, one in found.items()}
    return {"video": dataclasses.asdict(work), "machines": machines}
