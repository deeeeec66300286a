"""Errors meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input from outside (a file, a record, a flag, a configuration key) that cannot be used.

    The message names the file, record or key, what was expected, what was found and what to do.
    Command-line programs print the message without a traceback and exit with status 2.
    """


def nearest_name(name: str, known: Iterable[str]) -> str:
    """What a message says of a misspelled name: ``did you mean 'NAME'? ``, or nothing where no known name is near.

    Case does not count, and a name is near where one is the beginning of the other.
    """
    by_key = {one.lower(): one for one in known}
    key = name.lower()
    near = difflib.get_close_matches(key, by_key, 1)
    near = near or [one for one in by_key if one and key and (one.startswith(key) or key.startswith(one))]
    return f"did you mean {by_key[near[0]]!r}? " if near else ""
