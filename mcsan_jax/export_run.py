"""This module writes what leaves a run: its model as a folder, also as StableHLO programs, or its rankings."""

import enum
import pathlib
from collections.abc import Mapping

from data_pipeline.errors import InputError
from data_pipeline.host.files import check_not_there


class ExportForm(enum.StrEnum):
    """What `mcsan export` writes."""

    MODEL = "model"
    STABLEHLO = "stablehlo"
    TREC = "trec"


class StoredDtype(enum.StrEnum):
    """In which numbers a model folder keeps parameters."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


def check_unused(form: ExportForm, options: Mapping[str, object]) -> None:
    """Refuses options of another form.

    Args:
        form: what is written.
        options: the values of options that it has no use for, by name.

    Raises:
        InputError: one of them was given.
    """
    if given := [name for name, value in options.items() if value]:
        raise InputError(
            f"{', '.join(given)}: not an option of --to={form}; leave it out, or choose another --to"
        )


def export_model(
    source: pathlib.Path,
    out: pathlib.Path,
    form: ExportForm,
    data: pathlib.Path | None,
    include_encoder: bool,
    dtype: str,
    overwrite: bool,
) -> list[str]:
    """Writes the model of a run, or of another model folder, and returns lines that say so.

    Args:
        source: whatever `Mcsan.from_pretrained` opens.
        out: the folder to be written.
        form: whether programs are written beside the model.
        data: prepared data of a run without a model folder; None is the one that its configuration names.
        include_encoder: whether a frozen text encoder is carried along.
        dtype: in which numbers parameters are kept.
        overwrite: whether an earlier model there is replaced.

    Raises:
        InputError: there is no such model, or something is there already.
    """
    from mcsan_jax.card.model_card import open_with_card
    from mcsan_jax.retrieval.model_folder import CONFIG_NAME, check_place

    check_place(out, "name another folder with --out")
    if not overwrite:
        check_not_there([out / CONFIG_NAME], "--out")
    open_with_card(source, data).save_pretrained(out, include_encoder=include_encoder, dtype=dtype)
    lines = [f"written to {out}; Mcsan.from_pretrained({str(out)!r}) opens it"]
    if form is ExportForm.STABLEHLO:
        from mcsan_jax.retrieval.stablehlo import export_stablehlo

        export_stablehlo(out)
        lines.append(f"with programs; mcsan_jax.retrieval.stablehlo.load_stablehlo({str(out)!r}) opens them")
    return lines


def export_rankings(
    run: pathlib.Path, out: pathlib.Path, split: str, merge_duplicates: bool, overwrite: bool
) -> list[str]:
    """Writes qrels and run files of both directions, as trec_eval reads them, and returns lines that name them.

    Args:
        run: folder of an evaluated run.
        out: the folder of the files.
        split: the evaluated split.
        merge_duplicates: whether it is the evaluation with captions of the same text as one query.
        overwrite: whether files that are there are replaced.

    Raises:
        InputError: there is no such run or evaluation, or a file is there already.
    """
    from mcsan_jax.evaluation.query_table import read_query_table
    from mcsan_jax.evaluation.trec import trec_files, write_trec
    from mcsan_jax.runs.folder import RunFolder, evaluation_name

    folder = RunFolder(run)
    # Says which splits there are, where this one was not evaluated.
    folder.read_record(split, merge_duplicates)
    table = read_query_table(folder.queries_file(split, merge_duplicates))
    name = evaluation_name(split, merge_duplicates)
    if not overwrite:
        check_not_there(trec_files(name, out), "--out")
    return [f"written to {path}" for path in write_trec(table, name, out)]
