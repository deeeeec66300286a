"""Errors meant for the person at the keyboard, and how a message shows what it found."""

import contextlib
import difflib
import re
import reprlib
from collections.abc import Collection, Iterable, Iterator

_SHOWN_IDS = 5
_SHOWN_FAULTS = 10
_SHOWN_CHARACTERS = 60
_ID_CHARACTERS = 240
_WRONG_TYPES = {
    r"invalid literal for int\(\) with base \d+: (.*)": r"expected a whole number, found \1",
    r"could not convert string to float: (.*)": r"expected a number, found \1",
    r"\('Non-boolean argument to boolean flag', (.*)\)": r"expected true or false, found \1",
    r"Error while parsing string: (.*) as tuple\. .*": r"""expected values in quotes, such as "('a', 'b')", found \1""",
    r"Failed to parse (.*) as a ConfigDict: .*": r"expected a field of this group and its value, found \1",
}
"""What libraries say of a value of the wrong type, as patterns, and what a message says in place of it."""


class InputError(ValueError):
    """Input from outside (a file, a record, a flag, a configuration key) that cannot be used.

    The message names the file, record or key, what was expected, what was found and what to do.
    Command-line programs print the message without a traceback and exit with status 2.
    """


_values = reprlib.Repr()
_values.maxstring = _values.maxother = _values.maxlong = _SHOWN_CHARACTERS


def shown(value: object) -> str:
    """A value of the user's as a message shows it: as Python writes it, with its middle left out if it is long."""
    return _values.repr(value)


def first_few(ids: Collection[object]) -> str:
    """The first ids or keys of a collection for a message, and how many there are if not all are shown."""
    texts = [str(each) for each, _ in zip(ids, range(_SHOWN_IDS), strict=False)]
    cut = [text if len(text) <= _ID_CHARACTERS else f"{text[:_ID_CHARACTERS]}…" for text in texts]
    listed = ", ".join(cut)
    return f"{listed}, … ({len(ids)} in all)" if len(ids) > _SHOWN_IDS else listed


def nearest_name(name: str, known: Iterable[str]) -> str:
    """What a message says of a misspelled name: ``did you mean 'NAME'? ``, or nothing where no known name is near.

    Case does not count, and a name is near where one is the beginning of the other.
    """
    near = nearest(name, known)
    return "" if near is None else f"did you mean {shown(near)}? "


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to a misspelled one, or None where none is near; see `nearest_name`."""
    by_key = {one.lower(): one for one in known}
    key = name.lower()
    near = difflib.get_close_matches(key, by_key, 1)
    near = near or [one for one in by_key if one and key and (one.startswith(key) or key.startswith(one))]
    return by_key[near[0]] if near else None


def in_words(message: str) -> str:
    """Returns what absl and `ml_collections` say of a flag's value of the wrong type, as the other messages say it."""
    for said, words in _WRONG_TYPES.items():
        message = re.sub(said, words, message, flags=re.DOTALL)
    return message


class Faults:
    """Faults of one input, gathered so that one message says them all."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._count = 0

    def add(self, fault: str) -> None:
        """Adds a fault; of many, only the first few are kept."""
        self._count += 1
        if self._count <= _SHOWN_FAULTS:
            self._first.append(fault)

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Adds the fault with which the block ends, so that the program can go on."""
        try:
            yield
        except InputError as error:
            self.add(str(error))

    def check(self) -> None:
        """Ends the program if there was any fault.

        Raises:
            InputError: there was.
        """
        if self._count == 1:
            raise InputError(self._first[0])
        if self._count:
            more = (
                [f"… and {self._count - len(self._first):,} more"] if self._count > len(self._first) else []
            )
            raise InputError("\n  ".join([f"{self._count:,} faults:", *self._first, *more]))
