"""The commands in this process: what they print and how they end.

A new Python takes seconds to import what is imported here already.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from absl import flags
from absl.testing import flagsaver

from data_pipeline import inspect as inspection
from data_pipeline import prepare as preparation
from mcsan_jax import cli
from mcsan_jax import main as training
from mcsan_jax.config import Config, from_config_dict


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


def run_prepare(arguments: Sequence[str]) -> int:
    """Exit status of `python -m data_pipeline.prepare ARGUMENTS`; what it prints is not taken away."""
    return _status(preparation.main, arguments)


def run_inspect(*arguments: str) -> int:
    """Exit status of `python -m data_pipeline.inspect ARGUMENTS`; what it prints is not taken away."""
    return _status(inspection.main, arguments)


def run_main(*arguments: object) -> Ended:
    """`python -m mcsan_jax.main ARGUMENTS`."""
    return run_command(training.main, *arguments)


def run_mcsan(*arguments: object) -> Ended:
    """`mcsan ARGUMENTS`."""
    return run_command(cli.main, *arguments)


def config_of(*arguments: object) -> Config:
    """The configuration that `python -m mcsan_jax.main ARGUMENTS` would use."""
    with _arguments(arguments), _flags_taken_back():
        assert flags.FLAGS(sys.argv) == sys.argv[:1]
        return from_config_dict(flags.FLAGS["config"].value)


def run_command(main: Callable[[], None], *arguments: object) -> Ended:
    """A command by its entry point."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = _status(main, arguments)
    return Ended(status, output.getvalue(), errors.getvalue())


def _status(main: Callable[[], None], arguments: Sequence[object]) -> int:
    with _arguments(arguments), _flags_taken_back():
        try:
            main()
        except SystemExit as exit_:
            return int(exit_.code or 0)
    return 0


@contextlib.contextmanager
def _arguments(arguments: Sequence[object]) -> Iterator[None]:
    # The flag of a config file looks for its overrides there, whatever else it is given.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["main", *map(str, arguments)])
        yield


@contextlib.contextmanager
def _flags_taken_back() -> Iterator[None]:
    """Flags have their values of before, and those that the overrides of a config file defined are gone."""
    with flagsaver.flagsaver(), warnings.catch_warnings():
        # ml_collections loads config files in a way that Python is about to drop.
        warnings.filterwarnings("ignore", "the load_module", DeprecationWarning)
        yield
