"""All annotation sources by name."""

import pathlib
from collections.abc import Callable, Sequence

from data_pipeline.annotations import hgr, msrvtt, msvd, own, vatex
from data_pipeline.annotations.caption import Annotations
from data_pipeline.errors import InputError

READERS: dict[str, Callable[[Sequence[pathlib.Path], str], Annotations]] = {
    "msrvtt": msrvtt.read,
    "vatex": vatex.read,
    "msvd": msvd.read,
    "hgr": hgr.read,
    "jsonl": own.read_json_lines,
    "csv": own.read_table,
}

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "msrvtt": msrvtt.PROTOCOLS,
    "vatex": vatex.PROTOCOLS,
    "msvd": msvd.PROTOCOLS,
    "hgr": hgr.PROTOCOLS,
    "jsonl": own.PROTOCOLS,
    "csv": own.PROTOCOLS,
}
"""Protocols of each source; the first one is the usual choice."""


def read_annotations(source: str, paths: Sequence[pathlib.Path], protocol: str | None = None) -> Annotations:
    """Reads the annotation files of a source.

    Args:
        source: a key of `READERS`.
        paths: the files, or the folder that holds them.
        protocol: one of the source's `PROTOCOLS`; by default the first.

    Raises:
        InputError: the source or the protocol is unknown, or a file cannot be used.
    """
    if source not in READERS:
        raise InputError(f"no annotation source {source!r}; expected one of {', '.join(READERS)}")
    return READERS[source](paths, PROTOCOLS[source][0] if protocol is None else protocol)
