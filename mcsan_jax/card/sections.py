"""This module writes the sections of a model card, as lines of Markdown."""

import shlex
from collections.abc import Mapping, Sequence

from mcsan_jax.card.facts import Facts
from mcsan_jax.card.licences import licence_facts
from mcsan_jax.card.limits import limits
from mcsan_jax.evaluation.tables import aligned
from mcsan_jax.report.contents import NOTHING, Table, in_order, number
from mcsan_jax.report.foil_sections import foil_section
from mcsan_jax.report.results import EvaluatedRun
from mcsan_jax.report.score_tables import level_section, results_section


def about(facts: Facts) -> list[str]:
    """Says what the model is and does."""
    levels = ", ".join(facts.config.model.levels)
    agreement = facts.config.similarity.attribute_share
    joined = f", and the agreement of attributes has a share of {agreement:g} in it" if agreement else ""
    return [
        f"# Model card: {_inline(facts.config.name)}",
        "",
        "Ranks videos for a sentence and sentences for a video. Captions and features of frames are taken apart into "
        f"aligned levels ({levels}); a pair's score is the weighted mean of its levels' similarities{joined}.",
        "",
        *_facts_table(
            {
                "run": facts.folder,
                "parameters": facts.prepared.parameters if facts.prepared else None,
                "checkpoint": facts.evaluations[0].record.protocol.selection,
                "splits with results": ", ".join(run.evaluated for run in facts.evaluations),
                "trained with": _listed(facts.versions),
            }
        ),
        "Everything here was read from the files of the run and of its prepared data.",
        "",
    ]


def data(facts: Facts) -> list[str]:
    """Names data set, protocol and splits."""
    lines = ["## Data", ""]
    if facts.prepared is None:
        return [
            *lines,
            f"The prepared data (fingerprint {facts.fingerprint}) was not found in {_inline(facts.config.data.dir)}: "
            "its splits, features, tokenizer and parser are not in this card; `mcsan card RUN --data=DIR` names its "
            "folder.",
            "",
        ]
    manifest = facts.prepared.manifest
    lines += _facts_table(
        {
            "data set": manifest.dataset,
            "protocol": manifest.protocol,
            "fingerprint of the prepared data": manifest.fingerprint,
            "prepared with": _listed(manifest.versions),
        }
    )
    roles = _roles(facts)
    rows = tuple(
        (
            name,
            number(one.videos, 0),
            number(one.captions, 0),
            number(one.foils, 0),
            roles.get(name, "not used"),
        )
        for name, one in manifest.splits.items()
    )
    return [*lines, *_table_lines(Table("", ("split", "videos", "captions", "foils", "used for"), rows))]


def features(facts: Facts) -> list[str]:
    """Says what the network sees of a video."""
    if facts.prepared is None:
        return []
    manifest, config = facts.prepared.manifest, facts.config.data
    rows = tuple(
        (one.name, one.kind, str(one.dim), str(one.regions or "–"), one.source_and_encoder)
        for one in manifest.streams
    )
    stored = f"{manifest.frames.count} frames at most" if manifest.frames.count else "all frames"
    return [
        "## Features",
        "",
        *_table_lines(Table("", ("stream", "kind", "dimension", "regions a frame", "source"), rows)),
        f"Stored: {stored}, streams joined by {manifest.frames.alignment}. Read: {config.max_frames} frames at most, "
        "evenly spread, standardised with the training split's mean and deviation.",
        "",
    ]


def text(facts: Facts) -> list[str]:
    """Says what the network sees of a caption."""
    rows_shown: dict[str, object] = {
        "context of a token": facts.config.model.context,
        "pretrained encoder": _encoder(facts),
        "tokens of a caption": f"{facts.config.data.max_tokens} at most",
    }
    if facts.prepared is not None:
        manifest = facts.prepared.manifest
        vectors = manifest.word_vectors
        rows_shown |= {
            "tokenizer": f"{manifest.tokenizer.kind}, {manifest.tokenizer.size:,} tokens",
            "word vectors": f"{vectors.source} ({vectors.known:,} tokens known)" if vectors else "none",
            "parser": _listed(manifest.parser),
            "attributes": _listed(manifest.attribute_sizes),
        }
    return ["## Text", "", *_facts_table(rows_shown)]


def training(facts: Facts) -> list[str]:
    """Says how the run was trained, and by which command."""
    config = facts.config
    steps = max((entry["step"] for entry in facts.entries("train")), default=None)
    loss, optim = config.loss, config.optim
    most = "at most " if config.train.patience else ""
    rows_shown = {
        "seed": config.train.seed,
        "epochs": f"{most}{config.train.epochs} passes over the videos, with other captions of each in every pass",
        "steps": None if steps is None else f"{steps:,}",
        "batch": f"{config.train.batch_size} videos with {config.train.captions_per_video} caption(s) each",
        "loss": f"{loss.ranking}, attributes {loss.focal_weight:g}, divergence {loss.divergence_weight:g}",
        "optimiser": f"AdamW, learning rate {optim.learning_rate:g}, weight decay {optim.weight_decay:g}",
        "width": config.model.width,
        "products in": config.model.compute_dtype,
    }
    shown = (
        ["```text", shlex.join(facts.command), "```"]
        if facts.command
        else [
            "The run does not say by which command it was trained, because an earlier version of the program trained "
            "it; `config.json` in the run has every field that it was trained with."
        ]
    )
    return ["## Training", "", *_facts_table(rows_shown), *shown, ""]


def figures(run: EvaluatedRun) -> list[str]:
    """Shows the results on a split: protocol, figures with intervals, by level, foils, attributes."""
    results, levels = results_section([run]), level_section([run])
    foils = foil_section([run])
    lines = [f"## Results on split {_inline(run.evaluated)}", "", *_bullets(results.notes)]
    lines += _table_lines(_side_by_side(results.tables))
    lines += ["Each score alone, and the fused score:", "", *_table_lines(*levels.tables)]
    if foils.tables:
        lines += ["True captions against false ones (foils):", "", *_bullets(foils.notes[1:])]
        lines += [line for table in foils.tables for line in _table_lines(table)]
    return [*lines, *_attributes(run)]


def closing(facts: Facts) -> list[str]:
    """Lists limits and licences."""
    return [
        "## Limits",
        "",
        *_bullets(limits(facts)),
        "## Licences of the inputs",
        "",
        *_facts_table(licence_facts(facts)),
    ]


def _side_by_side(tables: Sequence[Table]) -> Table:
    """Joins tables of one column each: both directions become columns, and Rsum a row above them."""
    sums, *ways = tables
    columns = [{row[0]: row[1] for row in way.rows} for way in ways]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, *(column.get(name, NOTHING) for column in columns)) for name in names]
    empty = (NOTHING,) * (len(ways) - 1)
    both = [(f"{row[0]}, both directions", *row[1:], *empty) for row in sums.rows]
    return Table("", ("", *(way.title for way in ways)), (*both, *rows))


def _attributes(run: EvaluatedRun) -> list[str]:
    judged = run.record.attributes
    rows = tuple(
        (level, third, number(found.count, 0), number(found.mAP), number(found.chance))
        for level in in_order(list(judged))
        for third, found in judged[level].items()
    )
    if not rows:
        return []
    header = ("level", "third", "attributes", "mAP", "chance")
    return [
        "Mean average precision of a video's attributes, in %, by thirds of the vocabulary:",
        "",
        *_table_lines(Table("", header, rows)),
    ]


def _encoder(facts: Facts) -> str:
    model, optim = facts.config.model, facts.config.optim
    name = model.pretrained or model.pretrained_video
    if not name:
        return "none"
    if facts.config.encoder_is_frozen or not model.pretrained:
        return f"{name}, as it was published"
    return f"{name}, learning at {optim.pretrained_learning_rate:g} after {optim.pretrained_start:.0%} of the training"


def _roles(facts: Facts) -> dict[str, str]:
    config = facts.config.data
    reported = {run.record.split for run in facts.evaluations}
    roles = {config.train_split: ["training"], config.validation_split: ["choosing the checkpoint"]}
    for split in reported:
        roles.setdefault(split, []).append("results")
    return {split: ", ".join(uses) for split, uses in roles.items()}


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _inline(text: object) -> str:
    """Writes a text within a line or a cell: nothing in it ends the cell or starts an element."""
    words = " ".join(str(text).split())
    return words.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _bullets(sentences: Sequence[str]) -> list[str]:
    """Writes a list, with an empty line after it."""
    return [*(f"- {_inline(sentence)}" for sentence in sentences), ""] if sentences else []


def _facts_table(facts: Mapping[str, object]) -> list[str]:
    """Writes a table of two columns, with an empty line after it; it leaves out facts that are None or empty."""
    rows = [[_inline(name), _inline(value)] for name, value in facts.items() if value not in (None, "")]
    return [*aligned([["", ""], *rows]), ""]


def _table_lines(table: Table) -> list[str]:
    """Writes a table of a report under its title, with an empty line after it."""
    title = [f"**{_inline(table.title)}**", ""] if table.title else []
    rows = [[_inline(cell) for cell in row] for row in (table.header, *table.rows)]
    return [*title, *aligned(rows), ""]
