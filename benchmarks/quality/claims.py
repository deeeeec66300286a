"""The paper's claims, tested by leaving parts of the model out: trains all variants, prints tables and paired tests.

`python -m benchmarks claims msrvtt-small --data=DIR` trains the configs of `configs/ablations.py` with every seed, each
in a process of its own, and compares them with the whole model on split `val`, paired over videos
(`--parts=ablations`); trains the focal loss with γ in 0, 1, 2 and α in 0.25, 0.5, 0.75, and prints how well it
recognises frequent and rare attributes (`focal`); and scores the whole model with parts left out after training
(`fusion`). Where the split has captions made false, it says how often each model prefers the true ones. Flags of the
config after `--` are handed to every training (`-- --config.train.epochs=20`). Finished runs are only read.
"""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from benchmarks.options import (
    ConfigFlags,
    Experiment,
    Jobs,
    PreparedData,
    ReportedSplit,
    RunsFolder,
    Seeds,
    whole_numbers,
)
from benchmarks.quality.run_tables import (
    attribute_table,
    command_lines,
    compared,
    head_lines,
    mean_and_deviation,
    of_all,
    tail_lines,
    write_results,
)
from benchmarks.quality.trained_runs import (
    CONFIGS,
    Model,
    ModelRuns,
    check_flags,
    run_program,
    train_all,
)
from data_pipeline.errors import InputError
from mcsan_jax.config import defaults
from mcsan_jax.config_files import config_of_flags
from mcsan_jax.configs.ablations import ablations_of
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.report.results import read_runs

FULL = "full"
ABLATIONS = tuple(name for name in ablations_of(defaults()) if name != FULL)
GAMMAS, ALPHAS = (0.0, 1.0, 2.0), (0.25, 0.5, 0.75)
PARTS = ("ablations", "focal", "fusion")


def ablation_models(base: str, shared: Sequence[str], names: Sequence[str] = ABLATIONS) -> list[Model]:
    """The whole model and its ablations of these names."""
    return [Model(name, (_config(name, base), *shared)) for name in (FULL, *names)]


def focal_models(base: str, shared: Sequence[str]) -> list[Model]:
    """The whole model with every γ and α; where they are its own it is the whole model itself."""
    flags = (_config(FULL, base), *shared)
    own = config_of_flags(flags).loss
    models = []
    for gamma, alpha in itertools.product(GAMMAS, ALPHAS):
        chosen = (f"--config.loss.focal_gamma={gamma}", f"--config.loss.focal_alpha={alpha}")
        same = (gamma, alpha) == (own.focal_gamma, own.focal_alpha)
        models.append(Model(FULL, flags) if same else Model(focal_name(gamma, alpha), (*flags, *chosen)))
    return models


def focal_name(gamma: float, alpha: float) -> str:
    """Name of a cell of the grid, and of its folder."""
    return f"focal_gamma_{gamma:g}_alpha_{alpha:g}"


def ablated(model: ModelRuns, split: str, data: pathlib.Path | None) -> list[dict[str, Any]]:
    """Every run of a model scored in other ways: a row for each, with Rsum and its change by seed.

    Raises:
        InputError: an evaluation failed.
    """
    by_seed = []
    for run in model.runs:
        if not run.record.ablation:
            place = () if data is None else (f"--data={data}",)
            run_program("mcsan_jax.cli", ["eval", str(run.folder), f"--split={split}", "--ablate", *place])
        [found] = read_runs([run.folder], split)
        by_seed.append(found.record.ablation)
    as_trained = [rows[0].rsum for rows in by_seed]
    scored = []
    for rows in zip(*by_seed, strict=True):
        rsums = [row.rsum for row in rows]
        changes = [rsum - first for rsum, first in zip(rsums, as_trained, strict=True)]
        scored.append({"name": rows[0].name, "rsums": rsums, "changes": changes})
    return scored


def run(
    base: Experiment,
    data: PreparedData = None,
    parts: Annotated[str, typer.Option(help="What to test, with commas between.")] = ",".join(PARTS),
    ablations: Annotated[
        str, typer.Option(help="Which of them, with commas between; all by default.")
    ] = ",".join(ABLATIONS),
    seeds: Seeds = "0,1,2",
    split: ReportedSplit = "val",
    jobs: Jobs = 1,
    out: RunsFolder = pathlib.Path("runs/claims"),
    overrides: ConfigFlags = None,
) -> dict[str, Any]:
    """Trains, compares, prints and writes.

    Raises:
        InputError: base, data or folders do not fit together, or a training failed.
    """
    tested = _some_of(PARTS, parts, "parts")
    left_out = _some_of(ABLATIONS, ablations, "ablations")
    numbers = whole_numbers("--seeds", seeds, smallest=0)
    place = () if data is None else (f"--config.data.dir={data}",)
    shared = (*place, *check_flags(overrides))
    whole, *others = ablation_models(base, shared, left_out)
    wanted = {"ablations": [whole, *others], "focal": focal_models(base, shared), "fusion": [whole]}
    # The whole model is in all parts, and trained once.
    models = {model.name: model for part in tested for model in (whole, *wanted[part])}
    folder = out / base
    trained, manifest = train_all(list(models.values()), numbers, split, folder, jobs)
    runs = {model.name: model for model in trained}
    full = runs[FULL]
    arguments = {
        "base": base,
        "data": data,
        "parts": parts,
        "ablations": ablations,
        "seeds": seeds,
        "split": split,
        "overrides": overrides,
    }
    content: dict[str, Any] = of_all(trained)
    lines = [*head_lines(full.runs[0], manifest, split), ""]
    for part, title in (("ablations", "Parts left out in training"), ("focal", "Focal loss")):
        if part in tested:
            others = {model.name: runs[model.name] for model in wanted[part] if model.name != FULL}
            content[part], text = compared(title, [full, *others.values()])
            lines += [*text, ""]
    loss = config_of_flags((_config(FULL, base), *shared)).loss
    lines += [f"{FULL} has γ {loss.focal_gamma:g} and α {loss.focal_alpha:g}.", ""]
    lines += ["## Attributes of videos", "", *attribute_table(trained), ""]
    if "fusion" in tested:
        content["fusion"] = ablated(full, split, data)
        lines += [f"## Parts of {FULL} left out after training", "", *_fusion_table(content["fusion"]), ""]
    lines += [
        *tail_lines(split, full.runs[0].record.config["data.validation_split"]),
        "± is the standard deviation over the seeds.",
        "",
        *command_lines(trained),
    ]
    write_results(folder, "claims", arguments, content, "\n".join(lines))
    print("\n".join(lines))
    return content


def _config(name: str, base: str) -> str:
    return f"--config={CONFIGS / 'ablations.py'}:{name}:{base}"


def _some_of(known: Sequence[str], given: str, option: str) -> list[str]:
    names = given.split(",")
    if not set(names) <= set(known):
        raise InputError(f"--{option}={given}: expected some of {', '.join(known)}")
    return names


def _fusion_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    body = [
        [row["name"], mean_and_deviation(row["rsums"]), mean_and_deviation(row["changes"], "+")]
        for row in rows
    ]
    return aligned([["score", "Rsum", "change"], *body])
