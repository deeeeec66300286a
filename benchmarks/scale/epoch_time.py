"""How long an epoch of a published data set takes: measured here, and estimated for accelerators.

`python -m benchmarks epoch_time configs/msrvtt.py` builds the experiment at full width and batch size, for 6,513 videos
of 20 captions with 2,048 values a frame, and takes some steps on made-up batches (`benchmarks/made_up_data.py`).
`python -m benchmarks epoch_time configs/vatex.py --videos=25991 --captions_per_video=10 --frame_dim=1024` does the same
for VATEX with I3D features. The table is Markdown.

Measured are steps on the devices of this machine that JAX takes by itself; reading data and evaluating are not in them.
The work of a step is XLA's count for the compiled program: one turn of a loop, the largest of alternatives. An
accelerator's time is that work divided by its published peak rate and by a share of it that is ASSUMED
(`--utilisation`). It was measured on none, and a step of few milliseconds waits for launches, memory and data instead.
"""

import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import jax
import typer

from benchmarks.machine import describe_machine, peak_memory_bytes
from benchmarks.made_up_data import full_batch, made_up_manifest, read_config
from benchmarks.options import CaptionsPerVideo, ConfigFile, FrameDim, Utilisation
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.experiment import Experiment, build_experiment, parameter_count

PEAKS = {
    "NVIDIA H200": {"bfloat16": 989e12, "float32": 67e12},
    "NVIDIA H100 (SXM)": {"bfloat16": 989e12, "float32": 67e12},
    "NVIDIA A100": {"bfloat16": 312e12, "float32": 19.5e12},
    "TPU v5e, one chip": {"bfloat16": 197e12},
}
"""Published peak rates of products without sparsity, in operations per second. For float32 those of the plain units;
the makers of the TPU publish none."""

KINDS = {
    "NVIDIA H200": "NVIDIA H200",
    "NVIDIA H100": "NVIDIA H100 (SXM)",
    "NVIDIA A100": "NVIDIA A100",
    "TPU v5 lite": "TPU v5e, one chip",
}
"""What each of them calls itself, or how that begins."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Steps of an experiment.

    Attributes:
        seconds: of each step, after the one that compiles.
        operations: floating-point operations of one step, as XLA counts them.
        losses: of all steps.
        parameters: learned numbers.
        device_bytes: most memory held on an accelerator; None on a processor.
    """

    seconds: list[float]
    operations: float
    losses: list[float]
    parameters: int
    device_bytes: int | None = None


def measure(experiment: Experiment, steps: int) -> Measurement:
    """Takes steps, each on the same batch; the first of `steps` + 1 is not timed."""
    batch = put_batch(full_batch(experiment), experiment.mesh)
    state = experiment.initial_state()
    program = experiment.train_step.lower(state, batch).compile()
    parameters = parameter_count(state)
    losses: list[float] = []
    seconds: list[float] = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        state, metrics = program(state, batch)
        jax.block_until_ready((state, metrics))
        seconds.append(time.perf_counter() - start)
        losses.append(float(metrics["loss"]))
    held = jax.devices()[0].memory_stats() or {}
    operations = float(program.cost_analysis()["flops"])
    return Measurement(seconds[1:], operations, losses, parameters, held.get("peak_bytes_in_use"))


def pairs_per_second(experiment: Experiment, found: Measurement) -> float:
    """Captions with their video that are trained on in a second."""
    train = experiment.config.train
    return train.batch_size * train.captions_per_video / statistics.median(found.seconds)


def share_of_peak(experiment: Experiment, found: Measurement) -> float | None:
    """Of the published peak rate of the devices (model FLOP utilisation); None where that is not known."""
    kind = experiment.mesh.devices.flat[0].device_kind
    names = [name for begin, name in KINDS.items() if kind.startswith(begin)]
    peak = PEAKS[names[0]].get(experiment.config.model.compute_dtype) if names else None
    if peak is None:
        return None
    return found.operations / statistics.median(found.seconds) / (experiment.mesh.size * peak)


def utilisation_line(experiment: Experiment, found: Measurement) -> str:
    """Pairs a second and the share of the peak rate."""
    kind, dtype = experiment.mesh.devices.flat[0].device_kind, experiment.config.model.compute_dtype
    share = share_of_peak(experiment, found)
    told = "share of the peak rate unknown" if share is None else f"{share:.1%} of the published peak rate"
    return f"{kind}, {dtype} products: {pairs_per_second(experiment, found):,.0f} pairs/s; {told}"


def duration(seconds: float) -> str:
    """Seconds in the unit that a reader would choose."""
    if seconds < 1:
        return f"{1e3 * seconds:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


@dataclasses.dataclass(frozen=True)
class Times:
    """What a device takes, in seconds.

    Attributes:
        device: its name.
        products: their type.
        rate: operations a second.
        step, epoch: of the experiment.
        all_captions: epochs until every caption was seen once.
        run: all epochs.
    """

    device: str
    products: str
    rate: float
    step: float
    epoch: float
    all_captions: float
    run: float


def all_times(experiment: Experiment, found: Measurement, utilisation: float, captions: int) -> list[Times]:
    """Here, where it was measured, and on each accelerator, where it is estimated."""
    config = experiment.config.train
    passes = -(-captions // config.captions_per_video)

    def times(device: str, dtype: str, rate: float) -> Times:
        step = found.operations / rate
        epoch = step * experiment.steps_per_epoch
        return Times(device, dtype, rate, step, epoch, epoch * passes, epoch * config.epochs)

    here = f"measured here: {experiment.mesh.size} x {jax.devices()[0].device_kind}"
    reached = found.operations / statistics.median(found.seconds)
    return [
        times(here, experiment.config.model.compute_dtype, reached),
        *(
            times(f"estimate: {device}", dtype, utilisation * peak)
            for device, peaks in PEAKS.items()
            for dtype, peak in peaks.items()
        ),
    ]


def time_table(times: Sequence[Times]) -> list[str]:
    """A row for each, in Markdown."""
    rows = [["device", "products", "operations/s", "step", "epoch", "all captions once", "whole run"]]
    for one in times:
        spans = (one.step, one.epoch, one.all_captions, one.run)
        rows.append([one.device, one.products, f"{one.rate / 1e9:,.0f} G", *map(duration, spans)])
    return aligned(rows)


def figures(experiment: Experiment, found: Measurement, times: Sequence[Times]) -> dict[str, Any]:
    """What was measured and estimated."""
    return {
        "config": experiment.config.name,
        "steps_per_epoch": experiment.steps_per_epoch,
        **dataclasses.asdict(found),
        "bytes": found.device_bytes or peak_memory_bytes(),
        "pairs_per_second": pairs_per_second(experiment, found),
        "share_of_peak": share_of_peak(experiment, found),
        "times": [dataclasses.asdict(one) for one in times],
    }


def report(
    experiment: Experiment, found: Measurement, times: Sequence[Times], utilisation: float
) -> list[str]:
    """What was measured and assumed, and the table."""
    config, train, manifest = experiment.config, experiment.config.train, experiment.manifest
    seconds, videos = found.seconds, manifest.splits[config.data.train_split].videos
    return [
        f"{config.name}: {found.parameters:,} parameters, width {config.model.width}, {config.data.max_frames} frames "
        f"of {manifest.frame_dim} values; {videos:,} videos, batch {train.batch_size} with "
        f"{train.captions_per_video} caption(s) each, {experiment.steps_per_epoch} steps an epoch, "
        f"{train.epochs} epochs",
        f"step: {found.operations / 1e9:,.0f} G operations by XLA's count; median of {len(seconds)} "
        f"{duration(statistics.median(seconds))} ({duration(min(seconds))} to {duration(max(seconds))}); memory "
        f"{(found.device_bytes or peak_memory_bytes()) / 1e9:.1f} GB; loss {found.losses[0]:.3f} to "
        f"{found.losses[-1]:.3f}",
        utilisation_line(experiment, found),
        f"estimates ASSUME {utilisation:.0%} of the published peak rate; nothing was measured on those devices",
        "",
        *time_table(times),
    ]


def run(
    config: ConfigFile,
    videos: Annotated[int, typer.Option(min=1, help="Training videos.")] = 6513,
    captions_per_video: CaptionsPerVideo = 20,
    frame_dim: FrameDim = 2048,
    compute_dtype: Annotated[
        Literal["float32", "bfloat16"] | None,
        typer.Option("--compute_dtype", help="Of the products, in place of that of the config."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 5,
    utilisation: Utilisation = 0.25,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: there is no such config.
    """
    recipe = read_config(config, compute_dtype)
    manifest = made_up_manifest(recipe, videos, captions_per_video, frame_dim)
    experiment = build_experiment(recipe, manifest, make_mesh(jax.devices()))
    print(describe_machine(), flush=True)
    found = measure(experiment, steps)
    times = all_times(experiment, found, utilisation, captions_per_video)
    print("\n".join(report(experiment, found, times, utilisation)))
    return figures(experiment, found, times)
