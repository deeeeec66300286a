"""TensorFlow and spaCy take seconds to load: they are, when records are read and when captions are parsed."""

import subprocess
import sys

from tests.support import ROOT

LIGHT = (
    "mcsan_jax",
    "data_pipeline.manifest",
    "data_pipeline.batches.pipeline",
    "data_pipeline.records.schema",
)


def test_neither_imports_nor_the_parsers_identity_load_what_is_heavy() -> None:
    """In a process of its own, for tests have loaded everything here."""
    lines = ["import importlib, sys"]
    for module in LIGHT:
        lines += [f"importlib.import_module({module!r})", _heavy_after(module)]
    lines += ["from data_pipeline.graphs.parser import parser_identity", "parser_identity()"]
    lines += [_heavy_after("parser_identity()")]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == [f"{name}: []" for name in (*LIGHT, "parser_identity()")]


def _heavy_after(name: str) -> str:
    return f"print('{name}:', [one for one in sys.modules if one.startswith(('tensorflow', 'spacy'))])"
