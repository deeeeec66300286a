"""This module writes the model card of a run: data, features, protocol, command, figures, limits, licences.

A model folder has it with the metadata of the Hugging Face hub before it.
"""

import pathlib
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, write_text
from mcsan_jax.card import sections
from mcsan_jax.card.facts import Facts, gather_facts
from mcsan_jax.report.contents import DIRECTIONS
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.retrieval.hub import front_matter
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.open import open_run

CARD_NAME = "model_card.md"
_METRICS = ("R@1", "R@5", "R@10", "MedR", "mAP")


def write_card(
    run: pathlib.Path, data: pathlib.Path | None = None, out: pathlib.Path | None = None
) -> pathlib.Path:
    """Writes the card, in one step; it is a function of the files of the run and of its prepared data alone.

    Args:
        run: folder of an evaluated run.
        data: folder of the prepared data; None is the one that the configuration of the run names.
        out: the Markdown file; by default ``model_card.md`` in the folder of the run.

    Returns:
        The path of the file.

    Raises:
        InputError: the folder is no run, or was never evaluated, a file is damaged, `data` is not what the run was
            trained on, or the card cannot be written there.
    """
    RunFolder(run).identity()
    path = out or run / CARD_NAME
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise InputError(f"{path}: expected the name of a file in a folder that exists; give another --out")
    check_writable(path.absolute().parent, "name another file with --out")
    write_text(path, render_card(gather_facts(run, data)))
    return path


def render_card(facts: Facts) -> str:
    """Renders the card as Markdown."""
    lines = [
        *sections.about(facts),
        *sections.data(facts),
        *sections.features(facts),
        *sections.text(facts),
        *sections.training(facts),
        *(line for run in facts.evaluations for line in sections.figures(run)),
        *sections.closing(facts),
    ]
    return "\n".join(lines).rstrip() + "\n"


def open_with_card(source: pathlib.Path, data: pathlib.Path | None = None) -> Mcsan:
    """Opens a model, and gives that of an evaluated run the card that the files of the run tell now.

    Args:
        source: what `Mcsan.from_pretrained` opens.
        data: folder of the prepared data of a run that has no model folder; None is the one that its configuration
            names.

    Raises:
        InputError: there is no such model, or a file of it or of the run is damaged.
    """
    model = Mcsan.from_pretrained(source) if data is None else Mcsan.of_run(open_run(source, data))
    run = RunFolder(source)
    evaluated = source.is_dir() and (run.evaluated_splits() or run.evaluated_splits(merged=True))
    if not evaluated:
        return model
    facts = gather_facts(source, data)
    if facts.prepared or not model.card:
        # A card that was written beside the data knows more than one without them.
        model.card = hub_card(model, facts)
    return model


def hub_card(model: Mcsan, facts: Facts) -> str:
    """Renders the card of a model folder: metadata of the hub with the measured results, then the card of the run."""
    results = [_result(run, model.manifest.dataset) for run in facts.evaluations]
    return front_matter(model.config, model.manifest, model.licence, results) + render_card(facts)


def _result(run: EvaluatedRun, dataset: str) -> dict[str, Any]:
    """Returns an entry of the hub's ``model-index``: the figures of the fused score on a split."""
    fused = run.record.fused
    metrics = [
        {"type": name, "name": f"{title}, {name}", "value": round(fused.of(way)[name], 3)}
        for way, title in DIRECTIONS.items()
        for name in _METRICS
    ]
    rsum = {"type": "Rsum", "name": "sum of the six recalls", "value": round(run.record.rsum, 3)}
    return {
        "task": {"type": "video-text-retrieval", "name": "Video-text retrieval"},
        "dataset": {"type": dataset, "name": dataset, "split": run.evaluated},
        "metrics": [*metrics, rsum],
    }
