"""This module starts programs with absl's flags, and ends every program in the same way when it cannot go on."""

import atexit
import contextlib
import errno
import os
import pathlib
import re
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from data_pipeline.errors import InputError, in_words, nearest_name

if TYPE_CHECKING:
    import typer

# What takes a while to load is loaded by the functions below, so that a program hears Ctrl-C as soon as it can.

INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended: 128 and the number of SIGINT, as a shell has it."""

_ADVICE = {
    errno.ENOSPC: "free some space on that disk, or name a folder on another one",
    errno.EDQUOT: "free some space on that disk, or name a folder on another one",
    errno.EROFS: "name a folder that can be written",
}
"""What helps against an error of the file system, where that does not depend on the program."""


def run_program(program: Callable[[Sequence[str]], None]) -> None:
    """Parses the command line by the flags that the program's module defines, and runs the program.

    A wrong flag ends the program as `ends_with_a_message` does; a request for help shows its flags.

    Args:
        program: the function that takes the program's name and the words of the command line that are no flags.
    """
    with ends_with_a_message():
        from absl import flags

        if {"-h", "-help", "--help"} & set(sys.argv[1:]):
            module = sys.modules[program.__module__]
            _, _, listed = flags.FLAGS.module_help(module).partition(":\n")
            print(f"{module.__doc__}\n\n{listed}")
            return
        program(flags.FLAGS(sys.argv))


def run_commands(app: "typer.Typer", words: Sequence[str]) -> None:
    """Runs the command of a program of typer that the words name; without any it lists them.

    Wrong words end the program as `ends_with_a_message` does, and so does what the command raises.
    """
    import typer

    try:
        with ends_with_a_message():
            status = app(list(words) or ["--help"], standalone_mode=False)
            if status == INTERRUPTED:
                # Typer made a status of the exception.
                raise KeyboardInterrupt
            if status:
                sys.exit(status)
    except typer.TyperException as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
        sys.exit(error.exit_code)


@contextlib.contextmanager
def ends_with_a_message() -> Iterator[None]:
    """Ends the program with one message on the standard error output, and without a traceback.

    The status is 2 where a flag or input is wrong, or a file cannot be read or written (a full disk, a folder that is
    read-only), and `INTERRUPTED` after Ctrl-C. It also decorates the main function of a program.
    """
    try:
        try:
            with _interruptions() as interrupted:
                yield
        finally:
            # Here and not when Python ends, which would print a traceback where the output's disk is full.
            _flush_output()
    except KeyboardInterrupt:
        _end_interrupted()
    except Exception as error:
        if interrupted():
            _end_interrupted()
        message = _message_of(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)


def _message_of(error: Exception) -> str | None:
    """What is said of an error that is not the program's; None of any other."""
    from absl import flags

    if isinstance(error, flags.Error):
        return _with_nearest_value(in_words(str(error)))
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        advice = _ADVICE.get(error.errno or 0)
        return f"{error}; {advice}" if advice else str(error)
    return None


@contextlib.contextmanager
def _interruptions() -> Iterator[Callable[[], bool]]:
    """Notes each Ctrl-C, because the exception that it raises may be lost or become another.

    A library that is being loaded makes an ImportError of it; a callback of the garbage collector loses it, and it is
    raised again.

    Yields:
        A function that tells whether there was one.
    """
    noted: list[int] = []

    def note(number: int, frame: types.FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    def again(ignored: "sys.UnraisableHookArgs") -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
        else:
            unraisable(ignored)

    unraisable, handler = sys.unraisablehook, signal.getsignal(signal.SIGINT)
    listens = threading.current_thread() is threading.main_thread() and handler is signal.default_int_handler
    sys.unraisablehook = again
    if listens:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        sys.unraisablehook = unraisable
        if listens:
            signal.signal(signal.SIGINT, handler)


def _end_interrupted() -> NoReturn:
    print("interrupted", file=sys.stderr, flush=True)
    # Without Python's own end, in which threads of libraries that still work would crash, or make it wait.
    atexit._run_exitfuncs()
    os._exit(INTERRUPTED)


def _end_of_program(
    kind: type[BaseException], error: BaseException, traceback: types.TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _end_interrupted()
    sys.__excepthook__(kind, error, traceback)


# Programs import what else they need after this module, which takes a while.
sys.excepthook = _end_of_program


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        # What could not be written is given up, so that nothing tries again.
        with pathlib.Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise


def _with_nearest_value(message: str) -> str:
    """The message of absl on a wrong value, with the nearest of the values that it lists."""
    refused = re.search(r"=(.*): value should be one of <(.*)>", message)
    hint = nearest_name(refused[1], refused[2].split("|")) if refused else ""
    return f"{message}; {hint}".rstrip("; ")
