"""Tables and findings on the terminal."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from data_pipeline.inspection.tables import Table

_WIDTH_OF_FILES = 120


def make_console() -> Console:
    """Standard output; as wide as the terminal, and of a fixed width where it is none."""
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    # What captions and file names hold is no markup.
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def print_tables(console: Console, tables: Sequence[Table]) -> None:
    """Prints tables one below the other."""
    for table in tables:
        console.print(rich_table(table))
        console.print()


def rich_table(table: Table) -> RichTable:
    """A table in which all columns but the first are aligned to the right when they hold numbers."""
    result = RichTable(title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD)
    result.show_header = any(table.header)
    for column, name in enumerate(table.header):
        numbers = bool(table.rows) and all(not row[column] or row[column][0].isdigit() for row in table.rows)
        result.add_column(Text(name), justify="right" if column and numbers else "left", overflow="fold")
    for row in table.rows:
        result.add_row(*map(Text, row))
    return result


def print_problems(console: Console, problems: Sequence[str], records: int, seconds: float) -> None:
    """Says how much was read, and everything that is wrong."""
    rate = f"{records:,} records read in {seconds:.1f} s ({records / max(seconds, 1e-9):,.0f}/s)"
    if not problems:
        console.print(f"All checks passed; {rate}.")
        return
    for problem in problems:
        console.print(f"wrong: {problem}", soft_wrap=True)
    console.print(f"{len(problems):,} problems; {rate}.")
