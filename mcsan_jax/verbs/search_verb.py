"""`mcsan search`: type a sentence, see the moment, know why and how sure."""

import pathlib
import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class QueryCommand(TyperCommand):
    """It is a verb whose words may begin with a minus, as those of a query do.

    Such a word is told from an option by its one minus, or by the space in it.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Moves the words of the query behind the options."""
        known = {name for option in self.params for name in option.opts}
        with_value = {
            name for option in self.params if not getattr(option, "is_flag", True) for name in option.opts
        }
        options: list[str] = []
        words: list[str] = []
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word == "--":
                words += rest
                break
            is_long = word.startswith("--") and not re.search(r"\s", word.partition("=")[0])
            if not (is_long or word in known or re.fullmatch(r"-k=?[-+]?\d+", word)):
                words.append(word)
                continue
            options.append(word)
            if word in with_value and rest:
                options.append(rest.pop(0))
        return super().parse_args(ctx, [*options, "--", *words])


def search(
    index: Annotated[pathlib.Path, typer.Argument(help="Folder of an index.")],
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="A sentence; 'A then B', -word and 'without …' have the meaning of docs/search.md."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many answers at most.")] = 10,
    where: Annotated[
        str, typer.Option("--filter", help="Of the metadata, such as 'camera = \"north\" and year > 2020'.")
    ] = "",
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability",
            "--min_probability",
            help="Leave out answers that are less likely right; 0 shows all. By default answers are shown where the "
            "index is likely enough to hold a right one.",
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="score, or time: by video, and by the start of the moment.")
    ] = "score",
    group_by: Annotated[
        str, typer.Option("--group-by", "--group_by", help="Column whose equal values stand together.")
    ] = "",
    json: Annotated[
        bool, typer.Option("--json", help="Print all that is known of the answers as JSON.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a line of CSV for each answer.")] = False,
    edl: Annotated[
        bool, typer.Option("--edl", help="Print the moments as an edit decision list (CMX 3600).")
    ] = False,
    frame_rate: Annotated[
        float, typer.Option("--frame-rate", "--frame_rate", help="--edl: frames per second of the clips.")
    ] = 25.0,
    explain: Annotated[bool, typer.Option("--explain", help="Also which phrase met which frame.")] = False,
    like: Annotated[str | None, typer.Option(help="Id of a video: find similar ones.")] = None,
    captions_for: Annotated[
        str | None,
        typer.Option(
            "--captions-for", "--captions_for", help="Id of a video: find the texts that describe it."
        ),
    ] = None,
    texts: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="--captions-for: file of texts, one a line; by default the columns caption and captions of the index."
        ),
    ] = None,
    milvus: Annotated[
        str,
        typer.Option(
            help="Finds candidates in Milvus: a file that ends with .db, or the address of a cluster, such as "
            "http://host:19530. By default nothing beside the index is needed."
        ),
    ] = "",
    out: Annotated[pathlib.Path | None, typer.Option(help="Write to a file.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already at --out.")
    ] = False,
) -> None:
    """Search the videos of an index: with a sentence, or for what is like a video or describes it."""
    from mcsan_jax.search.answering.search_index import Form, SearchOptions, search_index

    forms = [form for form, is_given in ((Form.JSON, json), (Form.CSV, csv), (Form.EDL, edl)) if is_given]
    options = SearchOptions(
        " ".join(query or ()),
        like=like,
        captions_for=captions_for,
        texts=texts,
        k=k,
        where=where,
        min_probability=min_probability,
        sort=sort,
        group_by=group_by,
        forms=tuple(forms),
        frame_rate=frame_rate,
        explain=explain,
        milvus=milvus,
        out=out,
        overwrite=overwrite,
    )
    said = search_index(index, options)
    for line in said.notes:
        typer.echo(line, err=True)
    typer.echo(said.text, nl=False)
