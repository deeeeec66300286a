"""Every field of a network's modules is explained in the docstring of its class."""

import dataclasses
import importlib
import inspect
import re

import flax.linen as nn

from tests.support import ROOT


def test_every_field_of_every_module_is_documented() -> None:
    found = 0
    for path in sorted((ROOT / "mcsan_jax" / "models").glob("*.py")):
        room = importlib.import_module(f"mcsan_jax.models.{path.stem}")
        for name, kind in inspect.getmembers(room, inspect.isclass):
            if not issubclass(kind, nn.Module) or kind.__module__ != room.__name__:
                continue
            found += 1
            fields = {field.name for field in dataclasses.fields(kind)} - {"parent", "name"}
            section = (kind.__doc__ or "").partition("Attributes:")[2]
            assert set(re.findall(r"^ {8}(\w+): \w", section, re.MULTILINE)) == fields, name
    assert found > 10
