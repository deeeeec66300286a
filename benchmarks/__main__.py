"""Measures this project: how fast it is, how good it is, and what it would need at full scale.

Every benchmark prints what it finds; `--json=FILE` writes its figures, too, with the arguments, the machine and the
versions of packages.
"""

from data_pipeline.host.command_line import run_commands

import functools
import importlib
import inspect
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

Benchmark = Callable[..., Mapping[str, Any]]
"""It takes the options of its command and returns its figures."""

SPEED, QUALITY, SCALE = "speed", "quality", "scale"

STORIES: Mapping[str, Mapping[str, str]] = {
    SPEED: {
        "extraction": "features of clips: decoding, the network in three forms, both together",
        "film_memory": "memory of the features of a long film",
        "full_test_set": "scores and ranks of a whole test set, beside its bare matrix products",
        "image_text_towers": "CLIP's towers in JAX and in PyTorch",
        "input_pipeline": "records from files to batches, and what training waits for",
        "measured_run": "seconds and memory of a step or an evaluation, in a process of its own",
        "parse_captions": "graphs of all captions of a data set, and what is in them",
        "preparation": "preparation in one process, in several, and by Beam",
        "recurrent": "the recurrent layer beside a plain scan",
        "scaling": "time and memory by the size of the batch and of the evaluation",
        "search": "searches in made-up indexes, exact and in two stages, beside NumPy and FAISS",
        "search_commands": "what people wait for: a search from cold, a change of an index, an explanation",
        "search_memory": "memory of a process that searches, for `search`",
        "service": "the search service under load",
        "similarity": "scores of a node level beside the direct form in PyTorch",
        "train_step": "a training step beside that of a three-level model in PyTorch",
    },
    QUALITY: {
        "absent_queries": "queries for what a collection does not hold",
        "baselines": "ridge regression on prepared data",
        "caption_pairs": "which differences of captions their graphs see",
        "claims": "the paper's claims, by leaving parts of the model out",
        "collections": "small and large collections beside the closed form",
        "controls": "trainings that must fail: shuffled pairs, noise for features",
        "losses": "losses on attributes, each at its own best weight",
        "mteb_adapter": "a run, evaluated by mteb",
        "parser_ablation": "what each rule and list of the parser is worth",
        "quality": "our model beside ridge regression and peers, on the same features",
        "text_only_control": "how often texts alone tell foils",
        "typed_queries": "queries as people type them",
        "zero_shot": "a little data on top of an image-text encoder",
    },
    SCALE: {
        "epoch_time": "an epoch of a published data set: measured here, estimated for accelerators",
        "network": "bytes that a step sends between devices, by formula and in the compiled program",
        "on_paper": "time and money of ten million clips, by machine",
    },
}
"""The benchmarks of each story, which is the folder that has them, with what each is about."""

PLACES = {name: story for story, names in STORIES.items() for name in names}


class BenchmarkGroup(TyperGroup):
    """It loads a benchmark when it is called, and none for the list of all."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Finds the command that the first word names."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command_of(name) if name in PLACES else command, rest


def _make_app() -> typer.Typer:
    app = typer.Typer(
        name="python -m benchmarks",
        cls=BenchmarkGroup,
        add_completion=False,
        pretty_exceptions_enable=False,
        help=__doc__,
    )
    for story, names in STORIES.items():
        for name, about in names.items():
            app.command(name, help=about, rich_help_panel=story.capitalize())(_listed)
    app.command("tables", rich_help_panel="Documents")(_tables)
    return app


def _listed() -> None:
    """Stands for a benchmark in the list."""


def _tables() -> None:
    """Make the tables of the documents anew from the figures in benchmarks/results/."""
    from benchmarks.document_tables import write_tables

    write_tables()


def command_of(name: str) -> TyperCommand:
    """The command of a benchmark, with the options that its function `run` takes, and `--json`."""
    module = importlib.import_module(f"benchmarks.{PLACES[name]}.{name}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, help=module.__doc__)(_with_file(name, module.run))
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)
    return command


def _with_file(name: str, run: Benchmark) -> Callable[..., None]:
    """The benchmark with one more option, for the file of its figures."""

    @functools.wraps(run)
    def run_and_write(*, json: pathlib.Path | None, **arguments: Any) -> None:
        figures = run(**arguments)
        if json is not None:
            from benchmarks.figures import write_figures

            write_figures(json, name, arguments, figures)

    own = inspect.signature(run, eval_str=True)
    option = inspect.Parameter(
        "json",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[pathlib.Path | None, typer.Option(help="File for the figures.")],
    )
    parameters = [*own.parameters.values(), option]
    run_and_write.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_and_write.__annotations__ = {one.name: one.annotation for one in parameters}
    return run_and_write


def main(words: Sequence[str] | None = None) -> None:
    """Entry point; bad input ends with a message and status 2, Ctrl-C with status 130."""
    run_commands(_make_app(), sys.argv[1:] if words is None else words)


if __name__ == "__main__":
    main()
