"""This module types values from outside: a field's type holds its bounds, the string below it says what it means.

A dataclass of `pydantic.dataclasses` with the configuration `RULES` checks its values wherever it is made. `parse`
makes one from the values of a file or a command line, and names everything that does not fit.
"""

import pathlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from data_pipeline.errors import InputError, nearest_name

Count = Annotated[int, Field(strict=True, ge=1)]
Size = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0)]
NonNegative = Annotated[float, Field(strict=True, ge=0)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
ProperShare = Annotated[float, Field(strict=True, ge=0, lt=1)]

RULES = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True, use_attribute_docstrings=True)
"""Unknown keys, NaN and infinities are refused, and the strings below fields are their meanings."""

_KINDS = {
    "array": "a list",
    "boolean": "True or False",
    "integer": "a whole number",
    "number": "a number",
    "object": "a group of fields",
    "string": "a string",
}
"""The types of JSON Schema have these names in messages."""

_T = TypeVar("_T")


def parse(kind: type[_T], values: Any, prefix: str = "", advice: str = "") -> _T:
    """Returns plain values as an instance of a pydantic dataclass.

    Args:
        kind: the dataclass.
        values: nested dictionaries and lists; a field with a default may be absent.
        prefix: the text that a message writes before the name of a field, such as ``config.`` or the name of a file.
        advice: the last line of a message.

    Raises:
        InputError: a value does not fit. The message has a line for each fault, such as ``config.loss.focal_alpha is
            2; expected a number in [0, 1]: Weight of ...``, and names the known key that is nearest to an unknown one.
    """
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        faults = error.errors()
    schema = _Schema(adapter.json_schema())
    lines = []
    for fault in faults:
        place = fault["loc"]
        key = prefix + ".".join(map(str, place))
        if fault["type"] == "value_error":
            lines.append(str(fault["ctx"]["error"]))
        elif fault["type"] == "unexpected_keyword_argument":
            lines.append(f"{key} is no known key; {schema.known(place)}")
        elif fault["type"] == "missing":
            lines.append(f"{key} is missing; expected {schema.expected(place)}")
        else:
            found = textwrap.shorten(repr(fault["input"]), 200, placeholder="…")
            lines.append(f"{key} is {found}; {schema.nearest(fault)}expected {schema.expected(place)}")
    raise InputError("\n".join([*lines, advice] if advice else lines))


def check_version(content: Any, version: int, path: pathlib.Path, what: str, remedy: str) -> None:
    """Refuses the content of a file that another version of the program wrote.

    Args:
        content: of the file; a dictionary has its version as ``schema_version``.
        version: the version that this program reads.
        path: of the file.
        what: the file belongs to, for the message.
        remedy: what to do where an earlier version wrote it.

    Raises:
        InputError: the version is another.
    """
    found = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(found, int) or found == version:
        return
    age, advice = "an earlier", remedy
    if found > version:
        age, advice = "a newer", "install that one (`pip install --upgrade mcsan-jax`)"
    raise InputError(
        f"{path} has schema version {found}, and this program reads version {version}: {age} version of mcsan-jax "
        f"wrote the {what}; {advice}"
    )


class _Schema:
    """The JSON Schema of a dataclass is where the place of a fault is looked up."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def expected(self, place: Sequence[str | int]) -> str:
        """Returns what belongs at a place: its type, its range or choices, and its meaning."""
        node = self._at(place)
        meaning = f": {' '.join(node['description'].split())}" if "description" in node else ""
        node = self._resolved(node)
        if "enum" in node:
            return f"one of {', '.join(map(repr, node['enum']))}{meaning}"
        if node["type"] not in ("integer", "number"):
            return _KINDS[node["type"]] + meaning
        low = f"[{node['minimum']}" if "minimum" in node else f"({node.get('exclusiveMinimum', '-∞')}"
        high = f"{node['maximum']}]" if "maximum" in node else f"{node.get('exclusiveMaximum', '∞')})"
        return f"{_KINDS[node['type']]} in {low}, {high}{meaning}"

    def known(self, place: Sequence[str | int]) -> str:
        """Returns the known name that is nearest to an unknown one, or all names at its place where none is near."""
        deep_enough = [name for name in self._names(self._root) if name.count(".") >= len(place) - 1]
        if nearest := nearest_name(".".join(map(str, place)), deep_enough):
            return nearest.strip()
        return f"expected one of {', '.join(self._resolved(self._at(place[:-1]))['properties'])}"

    def nearest(self, fault: Mapping[str, Any]) -> str:
        """The choice that is nearest to a wrong one, as `nearest_name` says it; nothing where there are no choices."""
        choices = self._resolved(self._at(fault["loc"])).get("enum", [])
        return nearest_name(str(fault["input"]), choices)

    def _at(self, place: Sequence[str | int]) -> Mapping[str, Any]:
        node = self._root
        for part in place:
            node = self._resolved(node)
            node = node.get("items") or node.get("properties", {}).get(part) or node["additionalProperties"]
        return node

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the definition behind a reference; of an optional value, that of the value."""
        node = node["anyOf"][0] if "anyOf" in node else node
        return self._root["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node

    def _names(self, node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
        for name, inner in self._resolved(node).get("properties", {}).items():
            yield prefix + name
            yield from self._names(inner, f"{prefix}{name}.")
