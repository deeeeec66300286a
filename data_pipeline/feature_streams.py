"""Names and frame rates of feature streams, as they are given on the command line."""

import math
import pathlib
from collections.abc import Iterable

from mcsan_jax.errors import InputError


def stream_names(paths: Iterable[str]) -> dict[str, pathlib.Path]:
    """Names of streams from ``NAME=PATH`` or plain ``PATH`` (then the file's or folder's own name, without ending).

    Raises:
        InputError: a name is empty or occurs twice.
    """
    named: dict[str, pathlib.Path] = {}
    for given in paths:
        name, separator, path = given.partition("=")
        # A folder's name may hold "=", too.
        if not separator or "/" in name:
            name, path = pathlib.Path(given).stem.replace(".", "_"), given
        if not name or not path or name in named:
            fault = f"a second stream named {name!r}" if name in named else "a name or a path is empty"
            raise InputError(
                f"--features={given}: {fault}; expected PATH or NAME=PATH, each with a name of its own"
            )
        named[name] = pathlib.Path(path)
    return named


def frame_rates(given: Iterable[str], streams: Iterable[str]) -> dict[str, float]:
    """Frames per second of streams from ``NAME=RATE``, or from a plain ``RATE`` for all that are not named.

    Args:
        given: what was given for the flag.
        streams: names of all streams.

    Returns:
        The rate of each stream that has one.

    Raises:
        InputError: a stream is unknown or named twice, a second plain rate, or a rate is not a positive number.
    """
    known = list(streams)
    named: dict[str, float] = {}
    general: dict[str, float] = {}
    for value in given:
        # A stream's name may hold "=", too.
        name, separator, rate = value.rpartition("=")
        if separator and name not in known:
            raise InputError(
                f"--frame_rate={value}: no stream named {name!r}; expected one of {', '.join(known)}"
            )
        rates, names = (named, [name]) if separator else (general, known)
        if any(one in rates for one in names):
            raise InputError(
                f"--frame_rate={value}: a second rate for {name if separator else 'all streams'}; give one"
            )
        rates |= dict.fromkeys(names, _positive(rate, value))
    return general | named


def _positive(rate: str, given: str) -> float:
    try:
        number = float(rate)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(
            f"--frame_rate={given}: expected RATE or NAME=RATE with a positive number of frames per second, "
            f"found {rate!r}"
        )
    return number
