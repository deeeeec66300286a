"""`python -m data_pipeline.inspect DIR`: checks a prepared data set and shows what is in it."""

from data_pipeline.host.command_line import run_program

import pathlib
import sys
import time
from collections.abc import Sequence

from absl import flags

from data_pipeline.errors import InputError
from data_pipeline.inspection.count_tables import (
    all_tables,
    describe,
    make_console,
    print_problems,
    print_tables,
)
from data_pipeline.inspection.inspection_page import check_place, write_page
from data_pipeline.inspection.integrity import open_data
from data_pipeline.inspection.record_view import print_record
from data_pipeline.inspection.survey import Surveyor

_SPLIT = flags.DEFINE_string("split", None, "Split to read; all of them by default.")
_RECORD = flags.DEFINE_string(
    "record",
    None,
    "Video id to show, or the number of a record, counted from 1 on over the splits that are read.",
)
_HTML = flags.DEFINE_string("html", None, "Page to be written, complete in one file.")


def inspect(folder: pathlib.Path, split: str | None, record: str | None, page: pathlib.Path | None) -> int:
    """Reads a prepared data set and prints what it is like.

    Args:
        folder: of the data set.
        split: the only split to read, or None.
        record: video id or number of the record to show in place of the statistics, or None.
        page: HTML file to be written, or None.

    Returns:
        The number of problems found; each of them is printed.

    Raises:
        InputError: there is no data set, split or record of that name, or no page can be written there.
    """
    start = time.monotonic()
    if page is not None:
        check_place(page)
    data, problems = open_data(folder, split)
    surveyor = Surveyor(data, record)
    survey = surveyor.survey
    survey.problems += problems
    for name in [split] if split else data.manifest.splits:
        surveyor.read_split(name)

    console = make_console()
    if record is None:
        print_tables(console, [describe(data.manifest)])
        print_tables(console, all_tables(data.manifest, data.vocabulary, survey.statistics))
    elif survey.shown is not None:
        print_record(console, survey.shown, data)
    print_problems(console, survey.problems, survey.records, time.monotonic() - start)
    if page is not None:
        write_page(page, data, survey)
        console.print(f"page written to {page}")
    if record is not None and survey.shown is None and not survey.problems:
        raise InputError(
            f"{folder} has no video {record!r} and no record of that number in "
            f"{', '.join(survey.statistics)}; give a video id or a number from 1 to {survey.records}"
        )
    return len(survey.problems)


def _program(arguments: Sequence[str]) -> None:
    if len(arguments) != 2:
        found = " ".join(arguments[1:]) or "none"
        raise InputError(f"expected one argument, the folder of a prepared data set; found {found}")
    page = pathlib.Path(_HTML.value) if _HTML.value else None
    problems = inspect(pathlib.Path(arguments[1]), _SPLIT.value, _RECORD.value, page)
    sys.exit(1 if problems else 0)


def main() -> None:
    """Entry point; status 1 when something is wrong with the data set, 2 when it cannot be inspected."""
    run_program(_program)


if __name__ == "__main__":
    main()
