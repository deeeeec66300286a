"""What a compiled program sends between devices.

It is read from the program's text: HLO after all of XLA's passes, as they are for processors.
"""

import re
from collections.abc import Callable, Mapping

_SENT: Mapping[str, Callable[[float, int], float]] = {
    "all-reduce": lambda size, devices: 2 * (devices - 1) / devices * size,
    "all-gather": lambda size, devices: (devices - 1) / devices * size,
    "reduce-scatter": lambda size, devices: (devices - 1) * size,
    "all-to-all": lambda size, devices: (devices - 1) / devices * size,
    "collective-permute": lambda size, devices: size,
}
"""Bytes that each device sends, from those of the result, when the devices pass them round in a ring."""

_BYTES = {"pred": 1, "bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8}
_HEADER = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\) -> .* \{$")
_COLLECTIVE = re.compile(rf" = (.*?) ({'|'.join(_SENT)})\(")
_SHAPE = re.compile(r"([a-z]+\d*)\[([\d,]*)\]")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


def bytes_sent(program: str, devices: int) -> dict[str, float]:
    """Bytes that each device sends when the program runs once, by kind of collective.

    The body of a loop counts as often as it runs; of alternatives, the one that sends most.

    Args:
        program: text of a compiled program.
        devices: all of which take part in every collective.

    Raises:
        ValueError: a loop whose number of turns is not known sends something.
    """
    bodies, entry = _computations(program)
    return _of_computation(bodies, entry, devices)


def _computations(program: str) -> tuple[dict[str, list[str]], str]:
    """Lines of each computation, and the name of the one that is run."""
    bodies: dict[str, list[str]] = {}
    name = entry = ""
    for line in program.splitlines():
        header = _HEADER.match(line)
        if header:
            name = header[2]
            bodies[name] = []
            entry = name if header[1] else entry
        elif name:
            bodies[name].append(line)
    return bodies, entry


def _of_computation(bodies: Mapping[str, list[str]], name: str, devices: int) -> dict[str, float]:
    total: dict[str, float] = {}

    def add(sent: Mapping[str, float], times: int = 1) -> None:
        for kind, number in sent.items():
            total[kind] = total.get(kind, 0.0) + times * number

    for line in bodies[name]:
        collective = _COLLECTIVE.search(line)
        if collective:
            kind = collective[2]
            add({kind: _SENT[kind](_size(collective[1]), devices)})
        elif " while(" in line:
            sent = _of_computation(bodies, _named(line, "body")[0], devices)
            trips = _TRIPS.search(line)
            if sent and trips is None:
                raise ValueError(f"a loop without a known number of turns sends {sent}: {line.strip()[:200]}")
            add(sent, int(trips[1]) if trips else 0)
        elif " conditional(" in line:
            branches = [
                _of_computation(bodies, branch, devices)
                for key in ("branch_computations", "true_computation", "false_computation")
                for branch in _named(line, key)
            ]
            add(max(branches, key=lambda sent: sum(sent.values())))
        else:
            for key in ("calls", "to_apply"):
                for called in _named(line, key):
                    add(_of_computation(bodies, called, devices))
    return total


def _named(line: str, key: str) -> list[str]:
    """The computations that an instruction names under a key."""
    found = re.search(rf"\b{key}=(\{{[^}}]*\}}|%?[\w.-]+)", line)
    return [] if found is None else [name.strip(" %") for name in found[1].strip("{}").split(",")]


def _size(result: str) -> int:
    """Bytes of a result: one array, or several."""
    total = 0
    for kind, axes in _SHAPE.findall(result):
        size = _BYTES[kind]
        for axis in filter(None, axes.split(",")):
            size *= int(axis)
        total += size
    return total
