"""Errors meant for the person at the keyboard, and how a message shows what it found."""

import contextlib
import dataclasses
import difflib
import itertools
import re
import reprlib
from collections.abc import Collection, Iterable, Iterator, Sequence

_SHOWN_IDS = 5
_SHOWN_FAULTS = 10
_SHOWN_PLACES = 3
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

    Case does not count, and a name is near where one is the beginning of the other, or its end after a mark, as ``id``
    is that of ``video_id``.
    """
    near = nearest(name, known)
    return "" if near is None else f"did you mean {shown(near)}? "


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to a misspelled one, or None where none is near; see `nearest_name`."""
    by_key = {one.lower(): one for one in known}
    key = name.lower()
    near = difflib.get_close_matches(key, by_key, 1)
    near = near or [one for one in by_key if one and key and (one.startswith(key) or key.startswith(one))]
    near = near or [
        one for one in by_key if one and key and (one.endswith(f"_{key}") or key.endswith(f"_{one}"))
    ]
    return by_key[near[0]] if near else None


def in_words(message: str) -> str:
    """Returns what absl and `ml_collections` say of a flag's value of the wrong type, as the other messages say it."""
    for said, words in _WRONG_TYPES.items():
        message = re.sub(said, words, message, flags=re.DOTALL)
    return message


@dataclasses.dataclass
class _Kind:
    """Faults that say the same of several places.

    Attributes:
        said: what the first of them says, but for the place: the text before and after the value that was found.
        places: the first few places.
        values: the first few different values that were found there.
        count: how many faults there are.
        differs: whether numbers outside the values differ from those of the first one.
    """

    said: tuple[str, str]
    places: dict[str, None] = dataclasses.field(default_factory=dict)
    values: dict[str, None] = dataclasses.field(default_factory=dict)
    count: int = 0
    differs: bool = False


_FOUND = re.compile(r"(?P<before>.*?\bfound )(?P<value>.*?)(?P<after>; .*)?", re.DOTALL)


class Faults:
    """Faults of one input, gathered so that one message says them all.

    A message is ``PLACE: WHAT WAS EXPECTED, found VALUE; WHAT TO DO``. Those that differ only in the place, in the
    value and in numbers are of one kind, and become one line.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._count = 0

    def add(self, fault: str) -> None:
        """Adds a fault; of many kinds, places and values only the first few are kept."""
        self._count += 1
        place, separator, text = fault.partition(": ")
        if not separator:
            place, text = "", fault
        parts = _FOUND.fullmatch(text)
        said = (parts["before"], parts["after"] or "") if parts else (text, "")
        key = (re.sub(r"\d+", "0", said[0]), re.sub(r"\d+", "0", said[1]))
        if key not in self._kinds and len(self._kinds) == _SHOWN_FAULTS:
            return
        kind = self._kinds.setdefault(key, _Kind(said))
        kind.count += 1
        kind.differs = kind.differs or kind.said != said
        if len(kind.places) < _SHOWN_PLACES:
            kind.places[place] = None
        if len(kind.values) <= _SHOWN_IDS:
            kind.values[parts["value"] if parts else ""] = None

    @contextlib.contextmanager
    def gathered(self) -> Iterator[None]:
        """Adds the fault with which the block ends, so that the program can go on."""
        try:
            yield
        except InputError as error:
            self.add(str(error))

    def lines(self) -> list[str]:
        """A line for each kind of fault, and one for those that are not shown; empty without faults."""
        lines = [_line(kind) for kind in self._kinds.values()]
        more = self._count - sum(kind.count for kind in self._kinds.values())
        return [*lines, f"… and {more:,} more"] if more else lines

    def check(self) -> None:
        """Ends the program if there was any fault.

        Raises:
            InputError: there was.
        """
        lines = self.lines()
        if len(lines) == 1:
            raise InputError(lines[0])
        if lines:
            raise InputError("\n  ".join([f"{self._count:,} faults:", *lines]))


def _line(kind: _Kind) -> str:
    before, after = kind.said
    values = list(kind.values)
    some = ", ".join(values[:_SHOWN_IDS]) + (", …" if len(values) > _SHOWN_IDS else "")
    place = _joined(list(kind.places), kind.count)
    start = f"{place}{', such as' if kind.differs else ''}: " if place else ""
    return f"{start}{before}{some}{after}"


def _joined(places: Sequence[str], count: int) -> str:
    """Several places in one phrase, such as ``a.csv, lines 3, 7, 12 and 8 more``; all may be the same one."""
    if len(places) == 1:
        return f"{places[0]} ({count:,} times)" if count > 1 and places[0] else places[0]
    parts = [place.split(", ") for place in places]
    shared = list(itertools.takewhile(lambda column: len(set(column)) == 1, zip(*parts, strict=False)))
    names = [", ".join(part[len(shared) :]) for part in parts]
    start = "".join(f"{column[0]}, " for column in shared)
    numbered = [name.split(" ") for name in names]
    words = {name[0] for name in numbered if len(name) == 2 and name[1].isdigit()}
    if len(words) == 1 and all(len(name) == 2 for name in numbered):
        start, names = f"{start}{words.pop()}s ", [name[1] for name in numbered]
    separator = "; " if any(", " in name for name in names) else ", "
    if count > len(places):
        return f"{start}{separator.join(names)} and {count - len(places):,} more"
    return f"{start}{separator.join(names[:-1])} and {names[-1]}"
