"""This module reads the syntax of a filter, and says where a fault of it is."""

from typing import ClassVar, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Tokenizer as SqlTokenizer
from sqlglot.tokens import TokenType

from data_pipeline.errors import InputError, shown

LONGEST = 10_000
"""Characters of the longest filter."""


ALLOWED = (
    "a filter has columns, values, = != < <= > >=, in, between, like, is null, and, or, not and brackets"
)
"""What a message about the syntax says besides."""


class FilterTokenizer(SqlTokenizer):
    """It splits a filter into words."""

    QUOTES: ClassVar[list[str | tuple[str, str]]] = ["'", '"']
    IDENTIFIERS: ClassVar[list[str | tuple[str, str]]] = ["`"]


class FilterDialect(Dialect):
    """It is SQL in which both kinds of quotes are those of texts."""

    Tokenizer = FilterTokenizer


def parse_filter(where: str) -> exp.Expression:
    """Parses a filter as a condition of SQL.

    Raises:
        InputError: it is none, and where it is wrong, or it is too long.
    """
    if len(where) > LONGEST:
        raise InputError(f"the filter has {len(where):,} characters; expected at most {LONGEST:,}")
    try:
        tokens = FilterDialect().tokenize(where)
        if ends := [one.start for one in tokens if one.token_type is TokenType.SEMICOLON]:
            refuse(where, ends[0], "a filter is one condition", ALLOWED)
        return sqlglot.parse_one(
            where, into=exp.Condition, dialect=FilterDialect, error_message_context=LONGEST
        )
    except ParseError as error:
        fault = error.errors[0] if error.errors else {}
        refuse(where, len(fault.get("start_context", "")), _in_words(fault.get("description", "")), ALLOWED)
    except TokenError as error:
        place = _open_quote(where)
        if place is None:
            raise InputError(f"the filter {shown(where)} cannot be read: {error}") from error
        refuse(where, place, "the quote that opens here is not closed")


def _in_words(description: str) -> str:
    """Returns what the parser says, without its class names."""
    if description.startswith("Required keyword"):
        return "something is missing after this word"
    if description.startswith("Invalid expression"):
        return "this word is not expected here"
    return description[:1].lower() + description[1:] if description else "it cannot be read"


def _open_quote(where: str) -> int | None:
    """Returns where a quote opens that is not closed; a doubled one closes and opens again, which is the same here."""
    opened: int | None = None
    for place, character in enumerate(where):
        if opened is None and character in "'\"`":
            opened = place
        elif opened is not None and character == where[opened]:
            opened = None
    return opened


def refuse(where: str, place: int | None, fault: str, advice: str = "") -> NoReturn:
    """Ends with a message that marks a place of the filter."""
    fault = f"{fault}; {advice}" if advice else fault
    if place is None:
        raise InputError(f"the filter {shown(where)}: {fault}")
    before = where[:place]
    line, column = before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1
    text = where.splitlines()[line - 1] if where.splitlines() else ""
    first = max(0, column - 60)
    part, mark = text[first : column + 60].replace("\t", " "), " " * (column - 1 - first)
    raise InputError(f"the filter, line {line}, column {column}: {fault}\n  {part}\n  {mark}^")


def name_of(node: exp.Expression) -> str:
    """Returns what a part of a filter is, and how it is written."""
    return f"{type(node).__name__.lower()} ({shown(node.sql(dialect=FilterDialect))})"
