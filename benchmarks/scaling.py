"""How time and memory grow: of the training step with the batch, of evaluation with the captions.

`python -m benchmarks.scaling --out=scaling.png` measures each size in a process of its own and draws both on
logarithmic axes, with the exponents of the lines fitted to the measurements. Captions are ranked against 1,000 videos.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from absl import app, flags, logging
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.machine import describe_machine
from benchmarks.processes import EVALUATION, STEP, run_measured
from mcsan_jax.errors import InputError

_OUT = flags.DEFINE_string("out", "scaling.png", "File of the plot.")
_BATCHES = flags.DEFINE_list("batches", ["64", "128", "256", "512", "1024", "2048"], "Sizes of the batch.")
_CAPTIONS = flags.DEFINE_list(
    "captions", ["1000", "3000", "10000", "30000", "100000"], "Numbers of captions."
)

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


def measure(work: str, sizes: Sequence[int]) -> Curve:
    """Measures every size and prints a line for each."""
    curve = Curve([], [], [])
    for size in sorted(sizes):
        result = run_measured(work, size)
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


def main(arguments: Sequence[str]) -> None:
    """Entry point; a size that cannot be measured ends with a message and status 2."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    logging.set_verbosity(logging.WARNING)
    print(f"{describe_machine()}\nfloat32, seed {flags.FLAGS.seed}", flush=True)
    panels = (
        (STEP, _BATCHES.value, "Training step, four levels with FBCE and KL", "pairs in the batch"),
        (EVALUATION, _CAPTIONS.value, "Evaluation, scores and ranks, four levels", "captions"),
    )
    panels = tuple(panel for panel in panels if panel[1])
    figure = Figure(figsize=(5.5 * len(panels), 4.5), layout="constrained")
    try:
        for axes, (work, sizes, title, unit) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            curve = measure(work, [int(size) for size in sizes])
            exponents = [f"{curve.exponent(name):.2f} of {name}" for name in _COLOURS]
            print(f"exponents of {work}: {', '.join(exponents)}", flush=True)
            draw(axes, curve, title, unit)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    out = pathlib.Path(_OUT.value)
    figure.savefig(out, dpi=150)
    print(f"written to {out}")


if __name__ == "__main__":
    app.run(main)
