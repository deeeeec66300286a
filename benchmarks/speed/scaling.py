"""How time and memory grow: of the training step with the batch, of evaluation with the captions.

`python -m benchmarks scaling --out=scaling.png` measures each size in a process of its own and draws both on
logarithmic axes, with the exponents of the lines fitted to the measurements. Captions are ranked against 1,000 videos.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.machine import describe_machine
from benchmarks.options import Seed, checked_numbers, whole_numbers
from benchmarks.speed.measured_run import Work, run_measured
from benchmarks.speed.our_step import FrameDim, MicroBatches, Sizes, Vocabulary, Width, WordWidth
from data_pipeline.errors import InputError
from data_pipeline.host.files import replacing

_COLOURS = {"seconds": "#1b6ca8", "gigabytes": "#c8553d"}


@dataclasses.dataclass(frozen=True)
class Curve:
    """Measurements of one kind of work, by rising size."""

    sizes: list[int]
    seconds: list[float]
    gigabytes: list[float]

    def exponent(self, of: str) -> float:
        """Slope of the line through the logarithms, by least squares."""
        slope, _ = np.polyfit(np.log(self.sizes), np.log(getattr(self, of)), 1)
        return float(slope)


def measure(work: Work, numbers: Sequence[int], sizes: Sizes) -> Curve:
    """Measures every number of pairs or captions and prints a line for each."""
    curve = Curve([], [], [])
    for size in sorted(numbers):
        result = run_measured(work, size, sizes)
        curve.sizes.append(size)
        curve.seconds.append(result["seconds"])
        curve.gigabytes.append(result["bytes"] / 1e9)
        print(f"{work} {size}: {curve.seconds[-1]:.2f} s, {curve.gigabytes[-1]:.2f} GB", flush=True)
    return curve


def draw(axes: Axes, curve: Curve, title: str, unit: str) -> None:
    """Seconds and gigabytes against size, with the fitted exponents in the legend."""
    for name, colour in _COLOURS.items():
        values, exponent = getattr(curve, name), curve.exponent(name)
        label = f"{name}, exponent {exponent:.2f}"
        # Above one curve and below the other: they cross.
        offset = (0, 6) if name == "seconds" else (0, -13)
        axes.loglog(curve.sizes, values, "o-", color=colour, label=label)
        for size, value in zip(curve.sizes, values, strict=True):
            axes.annotate(
                f"{value:.3g}", (size, value), offset, textcoords="offset points", ha="center", fontsize=8
            )
    axes.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes], minor=False)
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.margins(y=0.15)
    axes.set(title=title, xlabel=unit)
    axes.grid(True, which="major", color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")


def run(
    out: Annotated[pathlib.Path, typer.Option(help="The plot.")] = pathlib.Path("scaling.png"),
    batches: Annotated[
        str,
        typer.Option(callback=checked_numbers(), help="Sizes of the batch, with commas between, or empty."),
    ] = "64,128,256,512,1024,2048",
    captions: Annotated[
        str,
        typer.Option(callback=checked_numbers(), help="Numbers of captions, with commas between, or empty."),
    ] = "1000,3000,10000,30000,100000",
    width: Width = 1024,
    word_width: WordWidth = 300,
    frame_dim: FrameDim = 2048,
    vocabulary: Vocabulary = 10_000,
    micro_batches: MicroBatches = 1,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Measures, draws and prints.

    Raises:
        InputError: a size cannot be measured.
    """
    sizes = Sizes(width, word_width, frame_dim, vocabulary, micro_batches, seed)
    panels = [
        (work, whole_numbers(option, numbers), title, unit)
        for work, option, numbers, title, unit in (
            (
                Work.STEP,
                "--batches",
                batches,
                "Training step, four levels with FBCE and KL",
                "pairs in the batch",
            ),
            (
                Work.EVALUATION,
                "--captions",
                captions,
                "Evaluation, scores and ranks, four levels",
                "captions",
            ),
        )
        if numbers
    ]
    if not panels:
        raise InputError("--batches and --captions are both empty: give sizes to one of them")
    print(f"{describe_machine()}\nfloat32, seed {seed}", flush=True)
    figure = Figure(figsize=(5.5 * len(panels), 4.5), layout="constrained")
    curves = {}
    for axes, (work, numbers, title, unit) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        curves[work] = curve = measure(work, numbers, sizes)
        exponents = [f"{curve.exponent(name):.2f} of {name}" for name in _COLOURS]
        print(f"exponents of {work}: {', '.join(exponents)}", flush=True)
        draw(axes, curve, title, unit)
    with replacing(out) as partial:
        figure.savefig(partial, dpi=150, format=out.suffix[1:])
    print(f"written to {out}")
    return {
        work: {**dataclasses.asdict(curve), "exponents": {name: curve.exponent(name) for name in _COLOURS}}
        for work, curve in curves.items()
    }
