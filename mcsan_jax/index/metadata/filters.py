"""This module reads the filters of a search, such as ``camera = "north" and year > 2020``.

A filter is a condition of SQL: comparisons, ``in``, ``between``, ``like``, ``is null``, ``and``, ``or``, ``not``,
brackets, columns and values. A text stands in single or double quotes, the name of a column that is no plain word in
backquotes. Nothing else of SQL is let through. As in SQL, a comparison with a missing value is neither true nor false,
and a video is found where the whole is true.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool
from sqlglot import exp

from data_pipeline.errors import InputError, first_few, nearest_name, shown
from mcsan_jax.index.metadata.filter_syntax import ALLOWED, name_of, parse_filter, refuse

_COMPARISONS: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: pc.equal,
    exp.NEQ: pc.not_equal,
    exp.GT: pc.greater,
    exp.GTE: pc.greater_equal,
    exp.LT: pc.less,
    exp.LTE: pc.less_equal,
}
_CONNECTIONS: Mapping[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.And: pc.and_kleene,
    exp.Or: pc.or_kleene,
}


def matching_rows(where: str, table: pa.Table) -> Bool[np.ndarray, " v"]:
    """Returns which rows of a table a filter lets through; an empty one lets all through.

    Args:
        where: the filter.
        table: ids, clips and metadata.

    Raises:
        InputError: the filter has a fault: its syntax, an unknown column, or a value of another type than the column.
            The message shows the place.
    """
    if not where.strip():
        return np.ones(table.num_rows, bool)
    try:
        found = _Filter(where, table).value_of(parse_filter(where))
    except RecursionError as error:
        raise InputError(
            f"the filter {shown(where)} is nested too deeply; write it in a simpler way"
        ) from error
    found = pc.fill_null(found, False)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


class _Filter:
    """A parsed filter is computed on a table, from the inside out."""

    def __init__(self, where: str, table: pa.Table) -> None:
        self._where, self._table = where, table

    def value_of(self, node: exp.Expression) -> Any:
        """Returns a condition as an array of True, False and null."""
        kind = type(node)
        rules: Mapping[type[exp.Expression], Callable[[Any], Any]] = {
            exp.Paren: lambda node: self.value_of(node.this),
            exp.Not: lambda node: pc.invert(self.value_of(node.this)),
            exp.In: self._one_of,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.Is: self._missing,
            exp.Column: self._flag,
            **dict.fromkeys(_CONNECTIONS, self._connected),
            **dict.fromkeys(_COMPARISONS, self._compared),
        }
        if kind not in rules:
            self._refuse(node, f"{name_of(node)} is not allowed in a filter", ALLOWED)
        return rules[kind](node)

    def _flag(self, node: exp.Expression) -> Any:
        column = self._column(node)
        if not pa.types.is_boolean(column.type):
            self._refuse(node, f"column {node.name!r} alone is no condition: it holds {_spoken(column.type)}")
        return column

    def _missing(self, node: exp.Expression) -> Any:
        if not isinstance(node.expression, exp.Null):
            self._refuse(node, "expected `null` after `is`; compare with =")
        return pc.is_null(self._column(node.this))

    def _between(self, node: exp.Expression) -> Any:
        column = self._column(node.this)
        low, high = (self._literal(node.args[end], column, node.this) for end in ("low", "high"))
        return pc.and_kleene(pc.greater_equal(column, low), pc.less_equal(column, high))

    def _connected(self, node: exp.Expression) -> Any:
        # A long chain of the same word is nested to the left: it is walked and not descended into.
        kind, parts = type(node), []
        while type(node) is kind:
            parts.append(node.expression)
            node = node.this
        values = [self.value_of(part) for part in (node, *reversed(parts))]
        return functools.reduce(_CONNECTIONS[kind], values)

    def _compared(self, node: exp.Expression) -> Any:
        left, right = node.this, node.expression
        compare = _COMPARISONS[type(node)]
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            one, other = self._column(left), self._column(right)
            if one.type != other.type and not (_is_number(one.type) and _is_number(other.type)):
                self._refuse(
                    right,
                    f"{left.name!r} holds {_spoken(one.type)} and {right.name!r} {_spoken(other.type)}: they cannot "
                    "be compared",
                )
            return compare(one, other)
        if isinstance(right, exp.Column):
            column = self._column(right)
            return compare(self._literal(left, column, right), column)
        column = self._column(left)
        return compare(column, self._literal(right, column, left))

    def _one_of(self, node: exp.Expression) -> Any:
        if node.args.get("query") is not None or not node.expressions:
            self._refuse(node.this, "expected values in brackets after `in`, such as in (1, 2)")
        column = self._column(node.this)
        values = [self._literal(one, column, node.this) for one in node.expressions]
        return functools.reduce(pc.or_kleene, [pc.equal(column, value) for value in values])

    def _like(self, node: exp.Expression) -> Any:
        column, pattern = self._column(node.this), node.expression
        if not pa.types.is_string(column.type):
            self._refuse(node.this, f"{node.this.name!r} holds {_spoken(column.type)}; `like` is for texts")
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            self._refuse(node.this, 'expected a text after `like`, such as like "north%"')
        return pc.match_like(column, pattern.this)

    def _column(self, node: exp.Expression) -> Any:
        if isinstance(node, exp.Literal) and node.this in self._table.column_names:
            self._refuse(
                node, f"{node.this!r} in quotes is a text; write the column of this name as `{node.this}`"
            )
        if not isinstance(node, exp.Column):
            self._refuse(node, f"expected a column here, found {name_of(node)}", ALLOWED)
        if len(node.parts) > 1:
            self._refuse(
                node, f"expected a column without a dot; a name with one stands in backquotes: `{node.sql()}`"
            )
        name, known = node.name, self._table.column_names
        if name not in known:
            self._refuse(
                node,
                f"no column {name!r}; {nearest_name(name, known)}the index has {first_few(known)}",
            )
        column = self._table[name]
        if pa.types.is_list(column.type):
            self._refuse(node, f"column {name!r} holds lists, which a filter does not look into")
        return column

    def _literal(self, node: exp.Expression, column: Any, of: exp.Expression) -> pa.Scalar:
        """Returns a value in the type of the column that it is compared with."""
        value = self._plain(node, of)
        kind = column.type
        expected = f"column {of.name!r} holds {_spoken(kind)}, and is compared with {shown(value)}"
        if pa.types.is_boolean(kind) or isinstance(value, bool):
            if not (pa.types.is_boolean(kind) and isinstance(value, bool)):
                self._refuse(of, expected)
            return pa.scalar(value)
        if _is_number(kind):
            if isinstance(value, str):
                self._refuse(of, f"{expected}; write the number without quotes")
            return pa.scalar(value)
        if not isinstance(value, str):
            self._refuse(of, f"{expected}; write it in quotes")
        try:
            return pc.cast(pa.scalar(value), kind)
        except pa.ArrowException:
            return self._refuse(of, f"{expected}; write it as 2024-05-31 or 2024-05-31 18:00:00")

    def _plain(self, node: exp.Expression, of: exp.Expression) -> bool | int | float | str:
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
            return operator.neg(self._number(node.this, of))
        if isinstance(node, exp.Boolean):
            return bool(node.this)
        if isinstance(node, exp.Literal):
            return str(node.this) if node.is_string else self._number(node, of)
        if isinstance(node, exp.Null):
            self._refuse(of, f"nothing equals null; write {of.name} is null")
        fault = f"expected a value to compare column {of.name!r} with, found {name_of(node)}"
        return self._refuse(of, fault, ALLOWED)

    def _number(self, node: exp.Expression, of: exp.Expression) -> int | float:
        text = str(node.this)
        number = int(text) if text.isdecimal() else float(text)
        if isinstance(number, int) and number >= 2**63:
            self._refuse(of, f"{text} is too large a number")
        return number

    def _refuse(self, node: exp.Expression, fault: str, advice: str = "") -> NoReturn:
        starts = [one.meta["start"] for one in node.walk() if "start" in one.meta]
        refuse(self._where, min(starts, default=None), fault, advice)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _spoken(kind: pa.DataType) -> str:
    """Returns a type in words."""
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_integer(kind):
        return "whole numbers"
    if pa.types.is_floating(kind):
        return "numbers"
    if pa.types.is_string(kind):
        return "texts"
    if pa.types.is_list(kind):
        return "lists"
    return "dates" if pa.types.is_date(kind) else "times"
