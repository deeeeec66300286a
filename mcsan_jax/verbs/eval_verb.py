"""`mcsan eval`: a run, or the score of an image-text encoder, on splits of prepared data and on files of foils."""

import pathlib
from typing import Annotated

import typer


def evaluate(
    run: Annotated[
        pathlib.Path, typer.Argument(help="Folder of a run, or, with --zero_shot, of prepared data.")
    ],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to evaluate, may be given again; by default all but the training split."),
    ] = None,
    data: Annotated[
        pathlib.Path | None, typer.Option(help="Prepared data, if no longer where the run was trained on it.")
    ] = None,
    ablate: Annotated[
        bool, typer.Option(help="Also with each level alone, each left out, and other ways to fuse.")
    ] = False,
    hubness: Annotated[
        bool, typer.Option(help="Also with corrections against hubs, with a bank of training captions.")
    ] = False,
    merge_duplicates: Annotated[
        bool, typer.Option(help="Captions of the same text are one query (HGR's rule).")
    ] = False,
    foils: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            help="File of true and false captions, may be given again: VITATECS, multiple choice, or JSON lines."
        ),
    ] = None,
    save_scores: Annotated[bool, typer.Option(help="Write the fused score of every pair (.npy).")] = False,
    zero_shot: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--zero_shot",
            "--zero-shot",
            help="Folder of the image-text encoder that made the frames: it is evaluated.",
        ),
    ] = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help="--zero_shot: folder of the results; runs/zero_shot_DATA by default."),
    ] = None,
) -> None:
    """Evaluate the best checkpoint of a run and write figures, ranks of every query and a report."""
    from mcsan_jax.compiled_programs import compiling_is_told, keep_compiled_programs, keep_program_memory
    from mcsan_jax.evaluate_run import EvaluationOptions, evaluate_run
    from mcsan_jax.runs.zero_shot_run import run_or_baseline

    keep_compiled_programs()
    keep_program_memory()
    options = EvaluationOptions(split or (), save_scores, ablate, hubness, foils or ())
    with compiling_is_told():
        evaluate_run(run_or_baseline(run, data, merge_duplicates, zero_shot, out), options)
