"""Files of annotations: finding them, reading them, and saying what is wrong with one."""

import codecs
import gzip
import hashlib
import json
import pathlib
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from data_pipeline.annotations.file_formats import refuse_other_formats
from data_pipeline.errors import Faults, InputError, first_few, nearest_name, shown

Value = TypeVar("Value")

_GZIP = b"\x1f\x8b"


def read_text(path: pathlib.Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark; a gzip archive is unpacked.

    Raises:
        InputError: the file is missing, unreadable, a broken gzip archive, of a kind that is no text or in another
            encoding.
    """
    data = _read_bytes(path)
    refuse_other_formats(path, data)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: expected UTF-8 text, found byte {data[error.start]:#04x} at offset {error.start}; "
            "convert the file to UTF-8, such as with `iconv -f LATIN1 -t UTF-8`"
        ) from error
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise InputError(
            f"{path}, line {line}: expected UTF-8 text, found a NUL character; convert the file to UTF-8 (it may be "
            "UTF-16), or copy it again"
        )
    return text


def _read_bytes(path: pathlib.Path) -> bytes:
    """The content of a file, unpacked if it is a gzip archive."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the path of a readable file"
        ) from error
    if path.suffix != ".gz" and not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: broken gzip archive ({error}); download or copy it again") from error


def read_json(path: pathlib.Path) -> Any:
    """The value in a JSON file, plain or gzip.

    Raises:
        InputError: the file cannot be read (`read_text`), is empty or is not JSON.
    """
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path}: the file is empty; download or write it again")
    return parse_json(text, str(path))


def read_json_list(path: pathlib.Path, items: str) -> list[Any]:
    """The list in a JSON file of a published source, plain or gzip.

    Raises:
        InputError: as `read_json`, or the file holds something else than a list of these items.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(
            f"{path}: expected a list of {items}, found {type(content).__name__}; use the official file"
        )
    return content


def parse_json(text: str, where: str) -> Any:
    """The value of JSON text that stands at ``where``.

    Raises:
        InputError: the text is not JSON, or an object has a key twice.
    """
    try:
        return JSON.decode(text)
    except (ValueError, RecursionError) as error:
        raise not_json(error, where) from error


class _RepeatedKey(ValueError):
    """A key stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise _RepeatedKey(f"key {shown(twice)} occurs twice in one object; remove or rename one of them")
    return record


JSON = json.JSONDecoder(object_pairs_hook=_unique)
"""Decodes JSON; refuses an object that has a key twice."""


def not_json(error: Exception, where: str, line: int | None = None) -> InputError:
    """The error for text at ``where`` that `JSON` cannot decode; ``where`` may end with the number of a line."""
    if isinstance(error, _RepeatedKey):
        return InputError(f"{where}: {error}")
    said = str(error)
    if line is not None and isinstance(error, json.JSONDecodeError):
        end = f"at column {error.colno}" if error.lineno == line else f"reading on to line {error.lineno}"
        said = f"{error.msg}, {end}"
    return InputError(f"{where}: not JSON ({said}); download or write the file again")


def split_lines(text: str) -> list[str]:
    """The lines of a text that ends them with a line feed, a carriage return or both."""
    # Not str.splitlines: it also cuts at characters that may stand inside a caption, such as U+2028.
    return text.split("\n") if "\n" in text else text.split("\r")


def read_lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without white space at their ends; blank lines are passed over.

    Raises:
        InputError: the file cannot be read (`read_text`).
    """
    for number, line in enumerate(split_lines(read_text(path)), start=1):
        if line.strip():
            yield number, line.strip()


OFFICIAL = "use the official file or "


def field(
    record: object,
    key: str,
    kind: type[Value] | tuple[type[Value], ...],
    where: str,
    first_remedy: str = OFFICIAL,
) -> Value:
    """``record[key]``, checked to be of a kind; a message names the first remedy before its own.

    Raises:
        InputError: the record is not a dictionary, lacks the key, or holds another type there.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object with key {key!r}, found {type(record).__name__}")
    if key not in record:
        near = nearest_name(key, record)
        raise InputError(
            f"{where}: key {key!r} is missing (found: {first_few(record) or 'no keys'}); "
            f"{near}{first_remedy}{f'rename it to {key!r}' if near else 'add the key'}"
        )
    value = record[key]
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(each.__name__ for each in kinds)
        raise InputError(
            f"{where}: key {key!r} must be {expected}, found {type(value).__name__} ({shown(value)}); "
            f"{first_remedy}correct the value"
        )
    return value


def texts_field(record: object, key: str, where: str) -> list[str]:
    """``record[key]``, checked to be a list of texts.

    Raises:
        InputError: as for `field`, or an item of the list is no text.
    """
    texts = field(record, key, list, where)
    if wrong := [index for index, text in enumerate(texts) if not isinstance(text, str)]:
        found = texts[wrong[0]]
        raise InputError(
            f"{where}: key {key!r} must be a list of texts, found {type(found).__name__} ({shown(found)}) at "
            f"index {wrong[0]}; use the official file or correct the value"
        )
    return texts


def check_protocol(source: str, protocol: str, known: Collection[str]) -> None:
    """Refuses a protocol that the source does not have.

    Raises:
        InputError: it is not one of ``known``.
    """
    if protocol not in known:
        raise InputError(f"{source}: no protocol {protocol!r}; expected one of {', '.join(known)}")


def check_given(paths: Sequence[pathlib.Path]) -> None:
    """Refuses an empty list of paths and paths that do not exist.

    Raises:
        InputError: there is nothing at a path, or no path.
    """
    if not paths:
        raise InputError("no annotation files given; name the files or the folder that holds them")
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path of the annotations")


def find_files(paths: Sequence[pathlib.Path], patterns: Sequence[str]) -> list[pathlib.Path]:
    """The files given, and in place of a folder the files in it that match a pattern (or pattern + ``.gz``).

    Where a folder holds a file both plain and as gzip, the plain one is taken.

    Raises:
        InputError: no paths were given, one does not exist, a folder has no such file, or a file or a copy
            of it was found twice.
    """
    check_given(paths)
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        matches = {match.name: match for pattern in patterns for match in path.glob(pattern)}
        packed = {match.name: match for pattern in patterns for match in path.glob(f"{pattern}.gz")}
        matches |= {name: match for name, match in packed.items() if name.removesuffix(".gz") not in matches}
        if not matches:
            raise InputError(
                f"{path}: no file named {' or '.join(patterns)} (or .gz) in this folder; put it there"
            )
        found += [matches[name] for name in sorted(matches)]
    _refuse_copies(found)
    return found


def _refuse_copies(files: Sequence[pathlib.Path]) -> None:
    """Refuses a file that is given twice, by one path or several, and files of the same content."""
    if len(files) < 2:
        return
    first: dict[bytes, pathlib.Path] = {}
    faults = Faults()
    for path in files:
        data = _read_bytes(path)
        content = hashlib.sha256(data).digest()
        if data and content in first:
            faults.add(
                f"{path}: the file {first[content]} again, or a copy of it; give each annotation file once, and keep "
                "copies in another folder"
            )
        first.setdefault(content, path)
    faults.check()


def look_beside(paths: Sequence[pathlib.Path], *names: str) -> pathlib.Path | None:
    """The first of the files ``names`` (or name + ``.gz``) in the folder of one of the paths, if there is any."""
    for folder in _folders(paths):
        for candidate in (folder / each for name in names for each in (name, f"{name}.gz")):
            if candidate.is_file():
                return candidate
    return None


def find_beside(paths: Sequence[pathlib.Path], *names: str) -> pathlib.Path:
    """Like `look_beside`, for a file that is needed.

    Raises:
        InputError: there is none.
    """
    found = look_beside(paths, *names)
    if found is None:
        raise InputError(
            f"{', '.join(map(str, _folders(paths)))}: no file {' or '.join(names)} (or .gz); put it beside the "
            "annotation files"
        )
    return found


def _folders(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
