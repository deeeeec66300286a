"""How time and memory grow: of the training step with the batch, of evaluation with the captions.

`python -m benchmarks.scaling --out=scaling.png` measures each size in a process of its own and draws both on
logarithmic axes, with the exponents of the lines fitted to the measurements. Captions are ranked against 1,000 videos.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import write_figures
from benchmarks.machine import describe_machine
from benchmarks.our_step import Sizes
from benchmarks.processes import EVALUATION, STEP, run_measured
from data_pipeline.host.files import replacing

BATCHES = (64, 128, 256, 512, 1024, 2048)
CAPTIONS = (1000, 3000, 10_000, 30_000, 100_000)
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


def measure(work: str, numbers: Sequence[int], sizes: Sizes) -> Curve:
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


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("scaling.png"), help="the plot")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    for name, numbers, what in (
        ("batches", BATCHES, "sizes of the batch"),
        ("captions", CAPTIONS, "numbers of captions"),
    ):
        parser.add_argument(f"--{name}", type=_numbers, default=numbers, help=f"{what}, with commas between")
    Sizes.add_options(parser)
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; a size that cannot be measured ends with a message and status 2."""
    arguments = make_parser().parse_args(words)
    sizes = Sizes.of(arguments)
    print(f"{describe_machine()}\nfloat32, seed {sizes.seed}", flush=True)
    panels = (
        (STEP, arguments.batches, "Training step, four levels with FBCE and KL", "pairs in the batch"),
        (EVALUATION, arguments.captions, "Evaluation, scores and ranks, four levels", "captions"),
    )
    panels = tuple(panel for panel in panels if panel[1])
    figure = Figure(figsize=(5.5 * len(panels), 4.5), layout="constrained")
    curves = {}
    for axes, (work, numbers, title, unit) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        curves[work] = curve = measure(work, numbers, sizes)
        exponents = [f"{curve.exponent(name):.2f} of {name}" for name in _COLOURS]
        print(f"exponents of {work}: {', '.join(exponents)}", flush=True)
        draw(axes, curve, title, unit)
    with replacing(arguments.out) as partial:
        figure.savefig(partial, dpi=150, format=arguments.out.suffix[1:])
    print(f"written to {arguments.out}")
    write_figures(
        arguments.json,
        {
            work: {
                **dataclasses.asdict(curve),
                "exponents": {name: curve.exponent(name) for name in _COLOURS},
            }
            for work, curve in curves.items()
        },
    )


def _numbers(text: str) -> list[int]:
    """Numbers as they are given on the command line: ``64,128``, or none."""
    return [int(part) for part in text.split(",") if part]


if __name__ == "__main__":
    main()
