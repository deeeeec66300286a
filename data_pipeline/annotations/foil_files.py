"""This module reads files of true and false captions, which ask of a video which of its captions is true.

The forms are known by what is in them: VITATECS (an object ``{"src_dataset", "video_name", "caption",
"counterfactual", "aspect"}`` a line), multiple choice (a table with tabs whose rows are a video and its captions; the
contrast sets of MSR-VTT have the header ``clip, ending0, …, ending4, label`` and perhaps ``c_label``), and one's own
JSON lines (``{"video_id", "caption", "foil" or "foils", "kind"}``). Sources: VITATECS, Li et al. (CVPR 2024); contrast
sets, Park et al. (NAACL 2022).
"""

import csv
import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence

from data_pipeline.annotations.reading import field, read_text, split_lines
from data_pipeline.annotations.text_tables import json_rows, text_value
from data_pipeline.errors import Faults, InputError, first_few, shown

VITATECS, CHOICES, OWN = "VITATECS", "multiple choice", "JSON lines"
CONTRAST = "contrast"
"""The kind of the question of a contrast set between the true caption and its contrast alone."""

_UNNAMED = "foil"
_VITATECS_ALONE = {"src_dataset", "counterfactual", "aspect"}
"""Keys that no other form has."""

_VIDEO_COLUMNS = ("clip", "video", "video_id", "video_name", "videoid", "vid_key", "id")
_LABEL, _CONTRAST_LABEL, _KIND = "label", "c_label", "kind"
_FORMS = (
    'objects with "video_name", "caption", "counterfactual" and "aspect" (VITATECS) or with "video_id", "caption", '
    '"foil" and "kind", one a line, or a table with tabs whose rows are a video, its true caption and false ones'
)


@dataclasses.dataclass(frozen=True)
class FoilQuestion:
    """A question asks which caption of a video is the true one.

    Attributes:
        kind: what was changed to make the others false.
        video: the id of the video, as it stands in the file.
        texts: the captions, the true one first.
    """

    kind: str
    video: str
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FoilFile:
    """A foil file holds questions about videos.

    Attributes:
        name: the name of the file, without the folder.
        form: in what form it was written: `VITATECS`, `CHOICES` or `OWN`.
        questions: in the order of the file.
    """

    name: str
    form: str
    questions: tuple[FoilQuestion, ...]


def read_foil_files(paths: Sequence[pathlib.Path]) -> list[FoilFile]:
    """Reads files of true and false captions, plain or gzip.

    Raises:
        InputError: a file cannot be read, has none of the known forms, or holds rows that cannot be used; all are
            told at once, as `Faults` tells them. Two paths name one file.
    """
    faults, files = Faults(), []
    for number, path in enumerate(paths):
        if path.resolve() in [other.resolve() for other in paths[:number]]:
            faults.add(f"{path}: given twice; name each file once")
            continue
        with faults.gathered():
            files.append(_read_file(path, faults))
    faults.check()
    return files


def _read_file(path: pathlib.Path, faults: Faults) -> FoilFile:
    start = read_text(path).lstrip()[:1]
    if not start:
        raise InputError(f"{path}: the file is empty; expected {_FORMS}")
    if start in "{[":
        form, questions = _from_objects(path, faults)
    else:
        form, questions = CHOICES, list(_from_rows(path, faults))
    return FoilFile(path.name, form, tuple(questions))


def _from_objects(path: pathlib.Path, faults: Faults) -> tuple[str, list[FoilQuestion]]:
    """Returns the form of a file of objects, by the first of them, and the questions."""
    questions: list[FoilQuestion] = []
    form = ""
    for where, row in json_rows(path, faults):
        with faults.gathered():
            if not isinstance(row, dict):
                raise InputError(
                    f"{where}: expected an object, found {type(row).__name__}; expected {_FORMS}"
                )
            form = form or (VITATECS if _VITATECS_ALONE & row.keys() else OWN)
            questions.append(_of_vitatecs(row, where) if form == VITATECS else _of_own(row, where))
    return form, questions


def _of_vitatecs(row: dict[str, object], where: str) -> FoilQuestion:
    keys = ("aspect", "video_name", "caption", "counterfactual")
    kind, video, *texts = (text_value(row, key, where) for key in keys)
    return _question(kind, video, texts, where)


def _of_own(row: dict[str, object], where: str) -> FoilQuestion:
    video, caption = (text_value(row, key, where) for key in ("video_id", "caption"))
    if "foil" in row and "foils" in row:
        raise InputError(
            f"{where}: keys 'foil' and 'foils' are both there; write all false captions in 'foils'"
        )
    foils = field(row, "foils" if "foils" in row else "foil", (str, list), where, "")
    listed = [foils] if isinstance(foils, str) else foils
    if not listed or not all(isinstance(each, str) for each in listed):
        raise InputError(f"{where}: key 'foils' must be a list of texts, found {shown(foils)}; correct it")
    kind = text_value(row, "kind", where) if "kind" in row else _UNNAMED
    return _question(kind, video, [caption, *listed], where)


def _from_rows(path: pathlib.Path, faults: Faults) -> Iterator[FoilQuestion]:
    """Yields the questions of a table with tabs, with a header or without."""
    lines = [(n, line) for n, line in enumerate(split_lines(read_text(path)), start=1) if line.strip()]
    first = _cells(lines[0][1], f"{path}, line {lines[0][0]}")
    names = [cell.casefold() for cell in first]
    has_header = names[0] in _VIDEO_COLUMNS
    if len(first) < 3:
        raise InputError(
            f"{path}, line {lines[0][0]}: expected {_FORMS}, found {shown(lines[0][1])}; separate the values of a "
            "table with tabs"
        )
    for number, line in lines[1:] if has_header else lines:
        where = f"{path}, line {number}"
        with faults.gathered():
            cells = _cells(line, where)
            if has_header and len(cells) != len(first):
                raise InputError(
                    f"{where}: expected {len(first)} values as in the header, found {len(cells)}; separate them "
                    "with one tab each"
                )
            row = dict(zip(names, cells, strict=True)) if has_header else {}
            yield from _of_row(row or {str(place): cell for place, cell in enumerate(cells)}, where)


def _of_row(row: dict[str, str], where: str) -> Iterator[FoilQuestion]:
    video, *_ = row.values()
    columns = [name for name in list(row)[1:] if name not in (_LABEL, _CONTRAST_LABEL, _KIND)]
    texts = [row[name] for name in columns]
    if len(texts) < 2:
        raise InputError(
            f"{where}: expected a true and a false caption, found {len(texts)}; add the missing one"
        )
    kind = row.get(_KIND) or CHOICES
    true = _place(row, _LABEL, len(texts), where) if _LABEL in row else 0
    others = [text for place, text in enumerate(texts) if place != true]
    yield _question(kind, video, [texts[true], *others], where)
    if _CONTRAST_LABEL in row:
        contrast = _place(row, _CONTRAST_LABEL, len(texts), where)
        yield _question(CONTRAST, video, [texts[true], texts[contrast]], where)


def _place(row: dict[str, str], column: str, count: int, where: str) -> int:
    if not re.fullmatch(r"\d+", row[column]) or int(row[column]) >= count:
        raise InputError(
            f"{where}: column {column!r} must be the number of a caption, from 0 to {count - 1}, found "
            f"{shown(row[column])}; correct it"
        )
    return int(row[column])


def _cells(line: str, where: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], delimiter="\t", strict=True)
    except csv.Error as error:
        raise InputError(
            f"{where}: not a row with tabs ({error}), found {shown(line)}; correct it"
        ) from error
    return [cell.strip() for cell in cells]


def _question(kind: str, video: str, texts: Sequence[str], where: str) -> FoilQuestion:
    """Makes a question of texts, the true one first.

    Raises:
        InputError: a text is empty, or no false caption differs from the true one.
    """
    if empty := [name for name, text in (("kind", kind), ("video", video)) if not text.strip()]:
        raise InputError(f"{where}: the {' and the '.join(empty)} is empty; write it")
    if blank := [text for text in texts if not any(map(str.isalnum, text))]:
        raise InputError(
            f"{where}: a caption has neither letter nor digit, found {first_few(blank)!r}; write one"
        )
    forms = [" ".join(text.lower().split()) for text in texts]
    if set(forms) == {forms[0]}:
        raise InputError(
            f"{where}: the false caption says what the true one says, found {shown(texts[0])}; change it"
        )
    return FoilQuestion(kind.strip(), video.strip(), tuple(text.strip() for text in texts))
