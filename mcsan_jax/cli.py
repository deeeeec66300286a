"""`mcsan`: what is done with runs after they were trained. Every verb calls one function."""

import pathlib
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from mcsan_jax.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Run = Annotated[pathlib.Path, typer.Argument(help="Folder of a run (--workdir of the training).")]
Split = Annotated[
    str | None, typer.Option(help="Evaluated split; by default one that all runs have, test first.")
]


@app.command("eval")
def evaluate(
    run: Run,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to evaluate, may be given again; validation and test by default."),
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
) -> None:
    """Evaluate the best checkpoint of a run and write figures, ranks of every query and a report."""
    from mcsan_jax.evaluate_run import evaluate_run

    evaluate_run(
        run,
        splits=split or (),
        data=data,
        ablate=ablate,
        hubness=hubness,
        merge_duplicates=merge_duplicates,
        save_scores=save_scores,
    )


@app.command()
def compare(run_a: Run, run_b: Run, split: Split = None) -> None:
    """Compare two runs on the same queries: differences with intervals and tests."""
    from mcsan_jax.evaluation.comparison import compare_runs
    from mcsan_jax.evaluation.tables import render_comparison
    from mcsan_jax.report.results import choose_split

    typer.echo(render_comparison(compare_runs(run_a, run_b, split or choose_split([run_a, run_b]))))


@app.command()
def report(
    runs: Annotated[
        list[pathlib.Path], typer.Argument(help="Folders of one run, or of several side by side.")
    ],
    split: Split = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="HTML file; beside the first run by default.")
    ] = None,
) -> None:
    """Write the report of one run, or of several side by side, as one HTML file."""
    from mcsan_jax.report.page import write_report

    typer.echo(f"written to {write_report(runs, split, out)}")


@app.command()
def card(
    run: Run,
    data: Annotated[
        pathlib.Path | None, typer.Option(help="Prepared data, if no longer where the run was trained on it.")
    ] = None,
    out: Annotated[
        pathlib.Path | None, typer.Option(help="Markdown file; model_card.md in the run by default.")
    ] = None,
) -> None:
    """Write the model card of an evaluated run: data, command, figures, limits, licences."""
    from mcsan_jax.card.model_card import write_card

    typer.echo(f"written to {write_card(run, data, out)}")


@app.command()
def export(
    run: Run,
    out: Annotated[pathlib.Path, typer.Option(help="Folder for the files.")],
    split: Split = None,
) -> None:
    """Write qrels and run files of both directions, as trec_eval reads them."""
    from mcsan_jax.evaluation.trec import write_trec
    from mcsan_jax.report.results import choose_split

    for path in write_trec(run, split or choose_split([run]), out):
        typer.echo(f"written to {path}")


def main() -> None:
    """Entry point; bad input ends with a message and status 2."""
    sys.exit(_run(app))


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    main()
