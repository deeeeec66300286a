"""This module starts programs with absl's flags, and ends every program in the same way on wrong input."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import flags

from data_pipeline.errors import InputError


def run_program(program: Callable[[Sequence[str]], None]) -> None:
    """Parses the command line by the flags that the program's module defines, and runs the program.

    A wrong flag ends the program as `ends_with_a_message` does; a request for help shows its flags.

    Args:
        program: the function that takes the program's name and the words of the command line that are no flags.
    """
    if {"-h", "-help", "--help"} & set(sys.argv[1:]):
        module = sys.modules[program.__module__]
        _, _, listed = flags.FLAGS.module_help(module).partition(":\n")
        print(f"{module.__doc__}\n\n{listed}")
        return
    with ends_with_a_message():
        program(flags.FLAGS(sys.argv))


@contextlib.contextmanager
def ends_with_a_message() -> Iterator[None]:
    """Ends the program with a message and status 2 where a flag or input is wrong or a file cannot be used."""
    try:
        yield
    except (flags.Error, InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
