"""Checks that values read from JSON have the shape a report relies on."""

from collections.abc import Iterator, Mapping
from typing import Any

ANY = "*"
"""Key of a shape that stands for every key."""

_NAMES = {float: "a number", str: "a text", bool: "true or false", dict: "an object", list: "a list"}

_METRICS = {ANY: float}
_BOTH_WAYS = {"t2v": _METRICS, "v2t": _METRICS, "rsum": float}
_HUBS = {
    "k?": float,
    "skewness?": float,
    "top?": [{"id": str, "occurrences": float}],
    "histogram?": [float],
}
_HUBS_BOTH_WAYS = {"t2v?": _HUBS, "v2t?": _HUBS}
_THIRD = {"count?": float, "mAP": float, "chance?": float}

EVALUATION: dict[str, Any] = {
    "step?": float,
    "rsum?": float,
    "videos?": float,
    "captions?": float,
    "protocol?": {
        "name?": str,
        "source?": str,
        "lines?": [str],
        "official?": bool,
        "duplicate_captions?": str,
        "selection?": str,
        "features?": str,
    },
    "directions": {"fused": _BOTH_WAYS, ANY: _BOTH_WAYS},
    "intervals?": {"t2v?": {ANY: [float]}, "v2t?": {ANY: [float]}, "rsum?": [float]},
    "level_weights?": {ANY: float},
    "compositional?": {ANY: {ANY: float}},
    "foils?": {ANY: float},
    "attributes?": {ANY: {ANY: _THIRD}},
    "densities?": {"edges": [float], "matched": [float], "others": [float]},
    "hubs?": _HUBS_BOTH_WAYS,
    "worst?": [
        {
            "query": str,
            "text": str,
            "video": str,
            "rank": float,
            "returned": [{"video": str, "score?": float, "text?": str}],
            "parts?": {ANY: {"right": float, "returned": float}},
            "blame?": str,
        }
    ],
    "false_negatives?": {
        "queries": float,
        "share": float,
        "examples": [{"query": str, "text": str, "video": str, "other": str, "rank": float}],
        "rsum_merged?": float,
    },
    "ablation?": [{"name": str, **_BOTH_WAYS}],
    "hubness?": [
        {
            "name": str,
            "transductive": bool,
            "temperature?": float,
            **_BOTH_WAYS,
            "hubs?": _HUBS_BOTH_WAYS,
        }
    ],
    "ties?": str,
    "data_fingerprint?": str,
    "config?": {},
    "versions?": {ANY: str},
}
"""The shape of an evaluation's JSON. A type is that of a value, which may be null; a question mark ends the name of a
key that may be absent; keys that are not named are ignored."""


def find_faults(value: Any, shape: Any, where: str = "") -> Iterator[str]:
    """Sentences about what does not have its shape: where it is, what was expected, what was found."""
    if isinstance(shape, Mapping):
        yield from _faults_of_object(value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield _fault(value, list, where)
            return
        for index, item in enumerate(value):
            yield from find_faults(item, shape[0], f"{where}[{index}]")
    elif value is not None:
        # To Python, true is a number.
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not (fits if shape is float else isinstance(value, shape)):
            yield _fault(value, shape, where)


def _faults_of_object(value: Any, shape: Mapping[str, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _fault(value, dict, where)
        return
    named = {key.removesuffix("?"): inner for key, inner in shape.items() if key != ANY}
    inside = f"{where}." if where else ""
    for key in shape:
        if key != ANY and not key.endswith("?") and key not in value:
            yield f"key {inside}{key} is missing"
    for key, item in value.items():
        inner = named.get(key, shape.get(ANY))
        # An object or list that is null is as good as absent.
        if inner is not None and not (item is None and f"{key}?" in shape):
            yield from find_faults(item, inner, f"{inside}{key}")


def _fault(value: Any, expected: type, where: str) -> str:
    found = "null" if value is None else f"{value!r:.60}"
    return f"{where or 'the whole'} is {found}; expected {_NAMES[expected]}"
