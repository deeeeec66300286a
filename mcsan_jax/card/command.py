"""The command that trains a run again: the experiment's file, and every field in which the run differs from it."""

import contextlib
import importlib
import shlex
from collections.abc import Iterator
from typing import Any

import ml_collections

from data_pipeline.errors import InputError
from mcsan_jax.card.facts import Facts
from mcsan_jax.config import flatten, from_config_dict
from mcsan_jax.config_files import config_names
from mcsan_jax.configs.sizes import SIZES

_TABLES = ("ablations", "peers")
"""Configs that are derived from those of experiments."""
_SAYS_NOTHING = ("name", "data.prepare_hint")
"""Fields that change nothing of a run."""


def training_command(facts: Facts) -> str | None:
    """The command, or None where no experiment of this version has the run's name."""
    for path, values in _experiments(facts.config.name):
        if values.name == facts.config.name:
            before = flatten(from_config_dict(values))
            changes = [
                f"--config.{key}={_written(value)}"
                for key, value in facts.fields.items()
                if key not in _SAYS_NOTHING and before[key] != value
            ]
            words = [f"--config={path}", *changes, f"--workdir={facts.folder}"]
            return f"python -m mcsan_jax.main {shlex.join(words)}"
    return None


def _experiments(name: str) -> Iterator[tuple[str, ml_collections.ConfigDict]]:
    """Files with their sizes, or with the experiment they are derived from, whose config may have this name."""
    parts = name.split("/")
    if len(parts) == 3 and parts[0] in _TABLES:
        table, base, entry = parts
        with contextlib.suppress(InputError):
            yield f"configs/{table}.py:{entry}:{base}", _module(table).get_config(f"{entry}:{base}")
        return
    for stem in config_names():
        for size in SIZES if stem not in _TABLES and name.startswith(stem) else ():
            yield f"configs/{stem}.py:{size}", _module(stem).get_config(size)


def _module(name: str) -> Any:
    return importlib.import_module(f"mcsan_jax.configs.{name}")


def _written(value: Any) -> str:
    """A value as the command line takes it."""
    return str(tuple(value)) if isinstance(value, list | tuple) else str(value)
