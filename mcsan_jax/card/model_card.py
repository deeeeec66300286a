"""This module writes the model card of a run: data, features, protocol, command, figures, limits, licences."""

import pathlib

from data_pipeline.errors import InputError
from data_pipeline.host.files import check_writable, write_text
from mcsan_jax.card import sections
from mcsan_jax.card.facts import Facts, gather_facts
from mcsan_jax.runs.folder import RunFolder

CARD_NAME = "model_card.md"


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
