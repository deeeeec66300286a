"""Parts of a report as Markdown."""

from collections.abc import Mapping, Sequence

from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.report.contents import Table


def inline(text: object) -> str:
    """A text within a line or a cell: nothing in it ends the cell or starts an element."""
    words = " ".join(str(text).split())
    return words.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def bullets(sentences: Sequence[str]) -> list[str]:
    """A list, with an empty line after it."""
    return [*(f"- {inline(sentence)}" for sentence in sentences), ""] if sentences else []


def facts_table(facts: Mapping[str, object]) -> list[str]:
    """A table of two columns, with an empty line after it; facts that are None or empty are left out."""
    rows = [[inline(name), inline(value)] for name, value in facts.items() if value not in (None, "")]
    return [*aligned([["", ""], *rows]), ""]


def table_lines(table: Table) -> list[str]:
    """A table of a report under its title, with an empty line after it."""
    title = [f"**{inline(table.title)}**", ""] if table.title else []
    rows = [[inline(cell) for cell in row] for row in (table.header, *table.rows)]
    return [*title, *aligned(rows), ""]
