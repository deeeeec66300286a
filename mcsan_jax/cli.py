"""`mcsan`: prepare data, train on them, evaluate runs, and look at what came of it. Every verb calls one function."""

from data_pipeline.host.command_line import run_commands

import pathlib
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mcsan_jax.export_run import ExportForm, StoredDtype, check_unused, export_model, export_rankings
from mcsan_jax.verbs.eval_verb import evaluate
from mcsan_jax.verbs.extract_verb import extract
from mcsan_jax.verbs.index_verbs import index_app
from mcsan_jax.verbs.search_verb import QueryCommand, search
from mcsan_jax.verbs.serve_verb import serve

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(index_app)

app.command("eval")(evaluate)
app.command()(extract)
app.command(cls=QueryCommand)(search)
app.command()(serve)

Run = Annotated[pathlib.Path, typer.Argument(help="Folder of a run (--workdir of the training).")]
Split = Annotated[
    str | None,
    typer.Option(help="Evaluated split; by default test if all runs have it, else validation."),
]

Merged = Annotated[
    bool,
    typer.Option(
        "--merge-duplicates", help="Read the evaluation in which captions of the same text are one query."
    ),
]

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already at --out.")]

_ALL_TO_THE_PROGRAM = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Settings of the verbs that are programs of their own, with flags that they define themselves."""


@app.command(context_settings=_ALL_TO_THE_PROGRAM, add_help_option=False)
def prepare(context: typer.Context) -> None:
    """Prepare annotations and features: the same as `python -m data_pipeline.prepare`."""
    from data_pipeline import prepare

    _hand_over(context)
    prepare.main()


@app.command(context_settings=_ALL_TO_THE_PROGRAM, add_help_option=False)
def inspect(context: typer.Context) -> None:
    """Check prepared data and show what is in them: the same as `python -m data_pipeline.inspect`."""
    from data_pipeline import inspect

    _hand_over(context)
    inspect.main()


@app.command(context_settings=_ALL_TO_THE_PROGRAM, add_help_option=False)
def train(context: typer.Context) -> None:
    """Train a model and evaluate it: the same as `python -m mcsan_jax.main`."""
    from mcsan_jax import main

    _hand_over(context)
    main.main()


def _hand_over(context: typer.Context) -> None:
    # The flag of a config file looks for its overrides there.
    sys.argv = [context.command_path, *context.args]


@app.command()
def compare(run_a: Run, run_b: Run, split: Split = None, merge_duplicates: Merged = False) -> None:
    """Compare two runs on the same queries: differences with intervals and tests."""
    from mcsan_jax.runs.comparison import compare_runs, render_comparison

    chosen = split or _usual_split([run_a, run_b], merge_duplicates)
    typer.echo(render_comparison(compare_runs(run_a, run_b, chosen, merged=merge_duplicates)))


@app.command()
def report(
    runs: Annotated[
        list[pathlib.Path], typer.Argument(help="Folders of one run, or of several side by side.")
    ],
    split: Split = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="HTML file; beside the first run by default.")
    ] = None,
    merge_duplicates: Merged = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the report of one run, or of several side by side, as one HTML file."""
    from mcsan_jax.report.page import write_report

    _check_out([out] if out else [], overwrite)
    chosen = split or _usual_split(runs, merge_duplicates)
    typer.echo(f"written to {write_report(runs, chosen, out, merge_duplicates)}")


@app.command()
def card(
    run: Run,
    data: Annotated[
        pathlib.Path | None, typer.Option(help="Prepared data, if no longer where the run was trained on it.")
    ] = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Markdown file; model_card.md in the run by default.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the model card of an evaluated run: data, command, figures, limits, licences."""
    from mcsan_jax.card.model_card import write_card

    _check_out([out] if out else [], overwrite)
    typer.echo(f"written to {write_card(run, data, out)}")


@app.command()
def export(
    run: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder of a run or of a model, or another name that `Mcsan.from_pretrained` opens."
        ),
    ],
    out: Annotated[pathlib.Path, typer.Option(help="Folder for the files.")],
    to: Annotated[
        ExportForm,
        typer.Option(
            help="A model folder, one with StableHLO programs beside, or the evaluation as files for trec_eval."
        ),
    ] = ExportForm.MODEL,
    include_encoder: Annotated[
        bool,
        typer.Option(
            "--include_encoder",
            "--include-encoder",
            help="model, stablehlo: carry a frozen text encoder along.",
        ),
    ] = False,
    dtype: Annotated[
        StoredDtype,
        typer.Option(
            help="model, stablehlo: numbers of the parameters; float16 halves the folder, and rounds."
        ),
    ] = StoredDtype.FLOAT32,
    data: Annotated[
        pathlib.Path | None,
        typer.Option(help="model, stablehlo: prepared data of a run without a model folder, if they moved."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="trec: evaluated split; by default test if it was evaluated, else validation."),
    ] = None,
    merge_duplicates: Annotated[
        bool,
        typer.Option(
            "--merge-duplicates", help="trec: the evaluation with captions of the same text as one query."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a trained model as a folder that needs nothing else, also as StableHLO, or its rankings for trec_eval."""
    of_model = {"--include_encoder": include_encoder, "--dtype": dtype != StoredDtype.FLOAT32, "--data": data}
    of_trec = {"--split": split, "--merge-duplicates": merge_duplicates}
    if to is ExportForm.TREC:
        from mcsan_jax.runs.folder import RunFolder

        check_unused(to, of_model)
        RunFolder(run).identity()
        chosen = split or _usual_split([run], merge_duplicates)
        lines = export_rankings(run, out, chosen, merge_duplicates, overwrite)
    else:
        check_unused(to, of_trec)
        lines = export_model(run, out, to, data, include_encoder, dtype, overwrite)
    for line in lines:
        typer.echo(line)


@app.command()
def explain(
    model: Annotated[
        str,
        typer.Argument(help="A run, the folder of a model, demo, or a name in the local cache of the hub."),
    ],
    text: Annotated[str, typer.Option(help="A sentence; it is read as it stands, and not as a query.")],
    video: Annotated[str, typer.Option(help="Id of the video.")],
    out: Annotated[pathlib.Path, typer.Option(help="Picture: .svg, .png or .pdf.")],
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Features of the video, as prepare takes them: PATH, or STREAM=PATH, which may be given again. "
            "Without, the video is one of the prepared split of a run, or a clip of the embedded data set."
        ),
    ] = None,
    frames: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder with the frames of the video as images, for the film strip."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Prepared split of the run that holds the video; by default test.")
    ] = None,
    data: Annotated[
        pathlib.Path | None, typer.Option(help="Prepared data, if no longer where the run was trained on it.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw why a text and a video have their score: which phrase met which frame, every level, every word."""
    from mcsan_jax.compiled_programs import keep_compiled_programs
    from mcsan_jax.report.explanation_figure import check_picture_format, read_images, write_explanation
    from mcsan_jax.retrieval.given_features import by_stream
    from mcsan_jax.retrieval.searcher import explain_video
    from mcsan_jax.search.query_language import otherwise_read

    check_picture_format(out)
    _check_out([out], overwrite)
    images = read_images(frames) if frames else None
    keep_compiled_programs()
    explanation, embedded = explain_video(model, text, video, by_stream(features or []), split, data)
    for note in (*explanation.notes, *otherwise_read(text)):
        typer.echo(f"note: {note}")
    typer.echo(f"written to {write_explanation(out, explanation, embedded if images is None else images)}")


def _check_out(files: Sequence[pathlib.Path], overwrite: bool) -> None:
    from data_pipeline.host.files import check_not_there

    if not overwrite:
        check_not_there(files, "--out")


def _usual_split(runs: Sequence[pathlib.Path], merge_duplicates: bool) -> str:
    """The split that is read where none is named; says which it is."""
    from mcsan_jax.runs.folder import choose_split

    chosen = choose_split(runs, merge_duplicates)
    typer.echo(f"split {chosen} (--split names another)", err=True)
    return chosen


def main() -> None:
    """Entry point; bad input ends with a message and status 2, Ctrl-C with status 130."""
    run_commands(app, sys.argv[1:])


if __name__ == "__main__":
    main()
