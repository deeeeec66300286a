"""Numbers of a command line that are checked."""

import argparse


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
