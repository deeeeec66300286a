"""Configs that differ from an experiment's in some fields: what `configs/ablations.py` and `configs/peers.py` share."""

from collections.abc import Callable, Mapping
from typing import Any

import ml_collections

from data_pipeline.errors import InputError, nearest_name
from mcsan_jax.configs import custom, demo, msrvtt, msrvtt_1ka, msvd, vatex

BASES = {
    "demo": demo,
    "msrvtt": msrvtt,
    "msrvtt_1ka": msrvtt_1ka,
    "vatex": vatex,
    "msvd": msvd,
    "custom": custom,
}
"""The experiments, by the names of their files."""

Changes = Mapping[str, Mapping[str, Any]]
"""For each name of a table, the fields that it changes, by their dotted names."""


def derived_config(
    table: str, which: str, usual_base: str, changes_of: Callable[[ml_collections.ConfigDict], Changes]
) -> ml_collections.ConfigDict:
    """The config of an experiment with the changes of one entry of a table.

    Its name is ``<table>/<base>/<entry>``, so that by default the runs of a sweep lie side by side.

    Args:
        table: name of the table's file, such as ``ablations``.
        which: what follows the colon on the command line: ``ENTRY`` or ``ENTRY:BASE``. The base is the name of an
            experiment, with a dash and a size if it is not to have its usual one: ``demo-tiny``.
        usual_base: the base where none is given.
        changes_of: the table, for the config of the base.

    Raises:
        InputError: there is no such entry, experiment or size.
    """
    entry, _, base = which.partition(":")
    base = base or usual_base
    config = _config_of(base, table)
    changes = changes_of(config)
    if entry not in changes:
        raise InputError(
            f"configs/{table}.py: {_unknown(entry, changes)}, after a colon, with an experiment if wanted: "
            f"configs/{table}.py:{next(iter(changes))}:{usual_base}"
        )
    config.update_from_flattened_dict(changes[entry])
    config.name = f"{table}/{base}/{entry}"
    return config


def _config_of(base: str, table: str) -> ml_collections.ConfigDict:
    experiment, dash, size = base.partition("-")
    if experiment not in BASES:
        raise InputError(
            f"configs/{table}.py: experiment {_unknown(experiment, BASES)}, with a size if wanted: demo-tiny"
        )
    return BASES[experiment].get_config(size) if dash else BASES[experiment].get_config()


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    return f"{name!r} is unknown; {nearest_name(name, known)}expected one of {', '.join(known)}"
