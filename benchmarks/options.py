"""Command lines of the benchmarks: numbers that are checked, and what all comparisons of trained models share."""

import argparse
import pathlib
import sys
from collections.abc import Callable, Sequence


def at_least(smallest: int, text: str) -> int:
    """A whole number of the command line, from the smallest on."""
    value = int(text)
    if value < smallest:
        raise argparse.ArgumentTypeError(f"{text}: expected {smallest} or more")
    return value


def at_least_one(text: str) -> int:
    """A whole number of the command line, from one on."""
    return at_least(1, text)


def at_least_two(text: str) -> int:
    """A whole number of the command line, from two on."""
    return at_least(2, text)


def at_most_one(text: str) -> float:
    """A share of the command line: above 0 and up to 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0 and up to 1")
    return value


def sizes_of(text: str) -> tuple[int, ...]:
    """Sizes as they are given on the command line: ``1000,10000``."""
    return tuple(at_least_one(size) for size in text.split(","))


def seeds_of(text: str) -> tuple[int, ...]:
    """Seeds as they are given on the command line: ``0,1,2``."""
    try:
        seeds = tuple(int(seed) for seed in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"expected different numbers from 0 on, such as 0,1,2, found {text!r}"
        )
    return seeds


def positive_numbers(text: str) -> tuple[float, ...]:
    """Different numbers above 0 as they are given on the command line: ``0.1,1``."""
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not min(numbers) > 0 or len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"expected different numbers above 0, such as 0.1,1, found {text!r}")
    return numbers


def comparison_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every comparison of trained models has.

    Args:
        name: of the program in `benchmarks/`, and of the folder of its runs.
        description: of the program.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=seeds_of, default=(0, 1, 2), help="such as 0,1,2")
    parser.add_argument("--split", default="val", help="split to report")
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        default=1,
        help="trainings at a time: several small ones fill an accelerator",
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("runs") / name, help="folder of all runs"
    )
    return parser


def parse_comparison(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the flags of the config that stand after ``--``."""
    place = list(words).index("--") if "--" in words else len(words)
    return parser.parse_args(words[:place]), list(words[place + 1 :])


def run_comparison(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, Sequence[str]], None],
    words: Sequence[str] | None = None,
) -> None:
    """Runs a comparison.

    Args:
        parser: of `comparison_parser`, with the options of the program.
        run: is given the options and what stands after ``--``.
        words: of the command line; by default those of this process.
    """
    run(*parse_comparison(parser, sys.argv[1:] if words is None else words))
