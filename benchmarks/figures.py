"""Figures of a benchmark as JSON: what it prints, for programs."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from data_pipeline.host.files import write_text


def write_figures(file: pathlib.Path | None, figures: Mapping[str, Any]) -> None:
    """Writes the figures to the file that `--json` names, if any; it appears under its name when it is complete."""
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(figures, indent=1) + "\n")
