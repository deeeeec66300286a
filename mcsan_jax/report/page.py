"""This module writes the report of one run, or of several side by side, as one HTML file that needs nothing else."""

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, write_text
from mcsan_jax.report.contents import Section
from mcsan_jax.report.foil_sections import foil_section
from mcsan_jax.report.provenance_sections import config_section, describe_runs
from mcsan_jax.report.query_sections import failure_section, false_negative_section
from mcsan_jax.report.rank_charts import rank_section, recall_section, slice_section
from mcsan_jax.report.results import EvaluatedRun, read_runs
from mcsan_jax.report.score_charts import (
    attribute_section,
    calibration_section,
    density_section,
    hub_section,
)
from mcsan_jax.report.score_tables import (
    ablation_section,
    hubness_section,
    level_section,
    results_section,
)
from mcsan_jax.report.training_charts import training_section
from mcsan_jax.runs.folder import RunFolder, choose_split

_SECTIONS = (
    results_section,
    recall_section,
    rank_section,
    level_section,
    ablation_section,
    hubness_section,
    attribute_section,
    density_section,
    calibration_section,
    hub_section,
    slice_section,
    foil_section,
    failure_section,
    false_negative_section,
    training_section,
    config_section,
)


def write_report(
    runs: Sequence[Path], split: str | None = None, out: Path | None = None, merged: bool = False
) -> Path:
    """Writes the report, in one step; it is a function of the files in the folders of the runs alone.

    Args:
        runs: folders of runs; several have their columns side by side and their curves in one chart.
        split: the split, which was evaluated in all of them; by default the test split, else the validation split.
        out: the HTML file; by default ``eval/<split>_report.html`` in the folder of the run, and for several
            ``eval/<split>_report_with_<names of the others>.html`` in that of the first.
        merged: whether it shows the evaluations with captions of the same text as one query.

    Returns:
        The path of the file.

    Raises:
        InputError: a folder is no run, the split was never evaluated, a file is damaged, or the report cannot be
            written there; the message names the command that helps.
    """
    chosen = choose_split(runs, merged) if split is None and runs else split or ""
    found = read_runs(runs, chosen, merged)
    others = [run.resolve().name for run in runs[1:]]
    path = out or RunFolder(runs[0]).report_file(chosen, merged, others)
    _check_path(path)
    write_text(path, render_report(found))
    return path


def render_report(runs: Sequence[EvaluatedRun]) -> str:
    """Renders the report as HTML; all text that comes from the runs is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["drawing"] = Markup
    template = importlib.resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    sections: list[Section] = [make(runs) for make in _SECTIONS]
    return environment.from_string(template).render(
        runs=runs, split=runs[0].evaluated, about=describe_runs(runs), sections=sections
    )


def _check_path(path: Path) -> None:
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(f"{path}: the folder {folder} does not exist; make it first, or give another --out")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to be written with --out")
    check_writable(folder, "name another file with --out")
