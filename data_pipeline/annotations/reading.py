"""Files of annotations: finding them, reading them, and saying what is wrong with one."""

import csv
import gzip
import io
import json
import pathlib
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from data_pipeline.errors import InputError

Value = TypeVar("Value")


def read_text(path: pathlib.Path) -> str:
    """The text of a UTF-8 file; a name that ends in ``.gz`` is unpacked.

    Raises:
        InputError: the file is missing, unreadable, a broken gzip archive or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the path of a readable file"
        ) from error
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: broken gzip archive ({error}); download or copy it again") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, found byte {data[error.start]:#04x} at offset {error.start}; "
            "convert the file to UTF-8 (a gzip archive must have a name that ends in .gz)"
        ) from error


def read_json(path: pathlib.Path) -> Any:
    """The value in a JSON file, plain or gzip.

    Raises:
        InputError: the file cannot be read (`read_text`) or is not JSON.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """The value of JSON text that stands at ``where``.

    Raises:
        InputError: the text is not JSON, or an object has a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for index, key in enumerate(keys) if key in keys[:index])
            raise InputError(
                f"{where}: key {twice!r} occurs twice in one object; remove or rename one of them"
            )
        return record

    try:
        return json.loads(text, object_pairs_hook=unique)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); download or write the file again") from error


def read_lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without white space at their ends; blank lines are passed over.

    Raises:
        InputError: the file cannot be read (`read_text`).
    """
    # Not str.splitlines: it also cuts at characters that may stand inside a caption, such as U+2028.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def read_csv(
    path: pathlib.Path, columns: Sequence[str], may_be_empty: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows ``{column: value}`` of a comma-separated file with a header.

    Args:
        path: the file; its further columns are not read.
        columns: must stand in the header and have a value in every row.
        may_be_empty: columns whose values may be missing; only those named in ``columns`` too must stand in
            the header.

    Raises:
        InputError: the file cannot be read (`read_text`), or a column or a value is missing.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        header = reader.fieldnames or []
        if missing := [column for column in columns if column not in header]:
            raise InputError(
                f"{path}: expected a header line with {', '.join(columns)}, found {', '.join(header) or 'nothing'}; "
                f"add the column {missing[0]!r}"
            )
        for row in reader:
            values = {
                each: (row.get(each) or "").strip() for each in dict.fromkeys((*columns, *may_be_empty))
            }
            empty = [each for each, value in values.items() if not value and each not in may_be_empty]
            if empty or None in row:
                fault = f"no value for {empty[0]!r}" if empty else "more values than the header has columns"
                raise InputError(f"{path}, line {reader.line_num}: {fault}; repair the line (quote commas)")
            yield reader.line_num, values
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not comma-separated values ({error})") from error


def field(record: object, key: str, kind: type[Value] | tuple[type[Value], ...], where: str) -> Value:
    """``record[key]``, checked to be of a kind.

    Raises:
        InputError: the record is not a dictionary, lacks the key, or holds another type there.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object with key {key!r}, found {type(record).__name__}")
    if key not in record:
        found = ", ".join(map(str, record)) or "no keys"
        raise InputError(
            f"{where}: key {key!r} is missing (found: {found}); use the official file or add the key"
        )
    value = record[key]
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(each.__name__ for each in kinds)
        raise InputError(
            f"{where}: key {key!r} must be {expected}, found {type(value).__name__} ({str(value)[:60]!r}); "
            "use the official file or correct the value"
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
            f"{where}: key {key!r} must be a list of texts, found {type(found).__name__} ({str(found)[:60]!r}) at "
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


def first_few(ids: Collection[str]) -> str:
    """The first ids of a collection for a message, and how many there are."""
    shown = ", ".join(list(ids)[:5])
    return f"{shown}, … ({len(ids)} in all)" if len(ids) > 5 else shown


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
        InputError: no paths were given, one does not exist, or a folder has no such file.
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
    return found


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
