"""`mcsan eval`: figures of a run, or of an image-text encoder that was never trained on the data."""

import pathlib
from typing import Annotated

import typer

from data_pipeline.errors import InputError


def evaluate(
    run: Annotated[
        pathlib.Path,
        typer.Argument(
            metavar="RUN|DATA",
            help="Folder of a run (--workdir of the training), or, with --zero_shot, of prepared data.",
        ),
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
    save_scores: Annotated[
        bool, typer.Option(help="Write the fused score of every video and caption (.npy).")
    ] = False,
    zero_shot: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--zero_shot",
            "--zero-shot",
            help="Folder of the image-text encoder (CLIP, SigLIP) that made the frames of prepared data: it is "
            "evaluated on them as it is, untrained.",
        ),
    ] = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help="With --zero_shot: folder of what is written, runs/zero_shot_DATA by default."),
    ] = None,
) -> None:
    """Evaluate the best checkpoint of a run and write figures, ranks of every query and a report."""
    from mcsan_jax.evaluate_run import EvaluationOptions, evaluate_run
    from mcsan_jax.runs.open import open_run
    from mcsan_jax.runs.zero_shot_run import zero_shot_run

    options = EvaluationOptions(split or (), save_scores, ablate, hubness)
    if zero_shot is None:
        if out is not None:
            raise InputError(f"--out={out} is for --zero_shot; a run keeps its evaluations in its own folder")
        evaluate_run(open_run(run, data, merge_duplicates), options)
        return
    if data is not None:
        raise InputError(f"--data={data}: with --zero_shot the prepared data are the first argument")
    folder = out or pathlib.Path("runs") / f"zero_shot_{run.absolute().name}"
    evaluate_run(zero_shot_run(zero_shot, run, folder, merge_duplicates), options)
