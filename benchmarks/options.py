"""Options that several benchmarks have, and lists of numbers as they are given on the command line."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from data_pipeline.errors import InputError


def whole_numbers(option: str, text: str, smallest: int = 1) -> tuple[int, ...]:
    """Different whole numbers as they are given on the command line: ``1000,10000``.

    Args:
        option: that has them, for the message.
        text: as it is given.
        smallest: that is allowed.

    Raises:
        InputError: the text is something else.
    """
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < smallest or len(set(numbers)) < len(numbers):
        raise InputError(
            f"{option}: expected different numbers from {smallest} on, such as {smallest},{smallest + 1}, "
            f"found {text!r}"
        )
    return numbers


def positive_numbers(option: str, text: str) -> tuple[float, ...]:
    """Different numbers above 0 as they are given on the command line: ``0.1,1``.

    Args:
        option: that has them, for the message.
        text: as it is given.

    Raises:
        InputError: the text is something else.
    """
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not min(numbers) > 0 or len(set(numbers)) < len(numbers):
        raise InputError(f"{option}: expected different numbers above 0, such as 0.1,1, found {text!r}")
    return numbers


def checked_numbers(smallest: int = 1) -> Callable[[typer.CallbackParam, str], str]:
    """A callback of an option with whole numbers, which refuses others while the command line is read.

    Args:
        smallest: that is allowed.
    """
    return _checked(lambda option, text: whole_numbers(option, text, smallest))


def checked_positive() -> Callable[[typer.CallbackParam, str], str]:
    """The same of an option with numbers above 0."""
    return _checked(positive_numbers)


def _checked(parse: Callable[[str, str], Sequence[float]]) -> Callable[[typer.CallbackParam, str], str]:
    def check(param: typer.CallbackParam, value: str) -> str:
        if value:
            parse(f"--{param.name}", value)
        return value

    return check


Seed = Annotated[int, typer.Option(min=0, help="Of all random numbers.")]
Rounds = Annotated[int, typer.Option(min=1, help="Measurements of each.")]

# What all comparisons of trained models share.
Seeds = Annotated[
    str, typer.Option(callback=checked_numbers(0), help="Of the trainings, with commas between.")
]
Experiment = Annotated[
    str, typer.Argument(help="Experiment in configs/, with a size if wanted: demo, msrvtt-small.")
]
PreparedData = Annotated[
    pathlib.Path | None, typer.Option(help="Prepared data; by default those of the experiment.")
]
ReportedSplit = Annotated[str, typer.Option(help="Split to report.")]
Jobs = Annotated[
    int, typer.Option(min=1, help="Trainings at a time: several small ones fill an accelerator.")
]
RunsFolder = Annotated[pathlib.Path, typer.Option(help="Folder of all runs.")]
ConfigFlags = Annotated[
    list[str] | None,
    typer.Argument(help="Flags of the config for every training, after --.", metavar="-- [FLAGS]"),
]
ConfigFile = Annotated[
    str, typer.Argument(help="File of the experiment, with a size if wanted: configs/msrvtt.py:small.")
]
CaptionsPerVideo = Annotated[
    int, typer.Option("--captions_per_video", min=1, help="Captions of a video in the data set.")
]
FrameDim = Annotated[int, typer.Option("--frame_dim", min=1, help="Size of a frame's features.")]
Utilisation = Annotated[
    float, typer.Option(min=0.001, max=1, help="Assumed share of an accelerator's peak rate.")
]
