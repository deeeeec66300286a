"""`mcsan index`: build an index of one's own videos, add to it, remove from it, and look at what it holds."""

import contextlib
import enum
import pathlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mcsan_jax.verbs.index_flags import (
    BatchSize,
    Clips,
    Count,
    Encoders,
    Features,
    FeaturesOrNone,
    FrameRate,
    FramesPerSecond,
    Metadata,
    RenderClips,
    SkipUnknown,
    Split,
    WholeVideos,
)

BUILD = "build"
USUAL_INDEX = "search.index"
"""The index that clips and an image-text encoder make, and that `mcsan serve` shows, where none is named."""


class IndexGroup(TyperGroup):
    """These are the verbs of `mcsan index`; a first word that is none of them begins the arguments of the build."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the words after `mcsan index`."""
        return super().parse_args(ctx, self.with_verb(args))

    def with_verb(self, words: list[str]) -> list[str]:
        """Returns the words with the verb of the build in front where it is left out."""
        return [BUILD, *words] if words and words[0] not in (*self.commands, "--help") else words


index_app = typer.Typer(name="index", cls=IndexGroup, help=__doc__)


class StoredNumbers(enum.StrEnum):
    """They are the numbers in which directions of frames are kept."""

    FLOAT16 = "float16"
    INT8 = "int8"


Index = Annotated[pathlib.Path, typer.Argument(help="Folder of an index.")]
Where = Annotated[
    str, typer.Option(help="Filter of the metadata, such as 'camera = \"north\" and year > 2020'.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there already at --out.")]


@index_app.command(BUILD)
def build(
    model: Annotated[
        str,
        typer.Argument(
            help="A run, the folder of a model, demo, a name in the local cache of the hub, or the folder of an "
            "image-text encoder; left out where --encoder names that."
        ),
    ],
    features: FeaturesOrNone = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help=f"Folder of the index; needed with a model, otherwise {USUAL_INDEX}."),
    ] = None,
    metadata: Metadata = None,
    clips: Clips = None,
    encoder: Encoders = None,
    fps: FramesPerSecond = None,
    whole_videos: WholeVideos = False,
    dtype: Annotated[
        StoredNumbers,
        typer.Option(help="Numbers of the frames' directions; int8 halves the index, and rounds."),
    ] = StoredNumbers.FLOAT16,
    skip_unknown: SkipUnknown = False,
    frame_rate: FrameRate = None,
    batch_size: BatchSize = 16,
    split: Split = "test",
    count: Count = None,
    render_clips: RenderClips = False,
    overwrite: Overwrite = False,
) -> None:
    """Build an index; the verb itself may be left out: mcsan index MODEL FEATURES… --out IDX."""
    from data_pipeline.errors import InputError, nearest_name
    from mcsan_jax.compiled_programs import keep_compiled_programs
    from mcsan_jax.index.build_index import build_index
    from mcsan_jax.index.clip_features import are_clips_without_model
    from mcsan_jax.index.new_videos import VideoOptions

    given = features or []
    if encoder and are_clips_without_model(model, encoder):
        given, model, encoder = [model, *given], encoder[0], None
        out = out or pathlib.Path(USUAL_INDEX)
    if not given:
        raise InputError(
            f"to build an index of {model}, give features or clips; clips alone are searched untrained with "
            "--encoder=FOLDER of an image-text encoder"
        )
    if out is None:
        verbs = [command.name or "" for command in index_app.registered_commands]
        raise InputError(f"{nearest_name(model, verbs)}to build an index, give --out with its folder")
    options = VideoOptions(
        metadata=metadata,
        clips=clips,
        encoders=encoder or (),
        frames_per_second=fps,
        whole_videos=whole_videos,
        skip_unknown=skip_unknown,
        frame_rate=frame_rate,
        batch_size=batch_size,
        split=split,
        count=count,
        render_clips=render_clips,
    )
    keep_compiled_programs()
    with _continues(out):
        _say(build_index(model, given, out, dtype.value, options, overwrite))


@index_app.command()
def add(
    index: Index,
    features: Features,
    metadata: Metadata = None,
    clips: Clips = None,
    encoder: Encoders = None,
    fps: FramesPerSecond = None,
    whole_videos: WholeVideos = False,
    skip_unknown: SkipUnknown = False,
    frame_rate: FrameRate = None,
    batch_size: BatchSize = 16,
    split: Split = "test",
    count: Count = None,
    render_clips: RenderClips = False,
) -> None:
    """Add videos, encoded by the model of the index."""
    from mcsan_jax.compiled_programs import keep_compiled_programs
    from mcsan_jax.index.build_index import add_videos
    from mcsan_jax.index.new_videos import VideoOptions

    options = VideoOptions(
        metadata=metadata,
        clips=clips,
        encoders=encoder or (),
        frames_per_second=fps,
        whole_videos=whole_videos,
        skip_unknown=skip_unknown,
        frame_rate=frame_rate,
        batch_size=batch_size,
        split=split,
        count=count,
        render_clips=render_clips,
    )
    keep_compiled_programs()
    with _continues(index):
        _say(add_videos(index, features, options))


@index_app.command()
def remove(
    index: Index,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of the videos to be removed.")] = None,
    where: Where = "",
) -> None:
    """Remove videos, by id or by a filter."""
    from mcsan_jax.index.build_index import remove_videos

    with _continues(index):
        _say(remove_videos(index, ids or [], where))


@index_app.command("list")
def list_videos(
    index: Index,
    where: Where = "",
    json: Annotated[bool, typer.Option("--json", help="One object a video, as a JSON array.")] = False,
) -> None:
    """List the videos with their metadata, a tab between the columns."""
    from mcsan_jax.index.show_index import as_json, listed, render_list

    rows = listed(index, where)
    _say([as_json(rows)] if json else render_list(rows))


@index_app.command()
def verify(index: Index) -> None:
    """Read every byte of an index, and name each file that is not as it was written."""
    from data_pipeline.errors import InputError
    from mcsan_jax.index.on_disk.video_ids import counted_videos
    from mcsan_jax.index.verification import index_problems
    from mcsan_jax.index.video_index import VideoIndex

    if problems := index_problems(index):
        faults = "1 fault" if len(problems) == 1 else f"{len(problems):,} faults"
        raise InputError("\n  ".join([f"{index}: {faults}:", *problems]))
    typer.echo(f"{index}: whole, {counted_videos(len(VideoIndex.open(index)))}")


@index_app.command()
def stats(
    index: Index,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    recall: Annotated[
        bool,
        typer.Option("--recall", help="Also how much of the exact answers a search in two stages finds."),
    ] = False,
) -> None:
    """Show how large an index is, and what it holds."""
    import dataclasses

    from mcsan_jax.index.show_index import as_json, render_statistics, statistics_of

    found = statistics_of(index)
    lines, values = render_statistics(found), dataclasses.asdict(found)
    if recall:
        from mcsan_jax.search.index_recall import recall_of_index, render_recall

        measured = recall_of_index(index)
        lines, values = [*lines, *render_recall(measured)], {**values, "recall": dataclasses.asdict(measured)}
    _say([as_json(values)] if json else lines)


@index_app.command()
def export(
    index: Index,
    out: Annotated[
        pathlib.Path,
        typer.Option(
            help="Table of ids, clips and metadata: .parquet (also stage-1 vectors), .csv or .jsonl."
        ),
    ],
    overwrite: Overwrite = False,
) -> None:
    """Write what is known of the videos as a table for other programs."""
    from data_pipeline.host.files import check_not_there
    from mcsan_jax.index.show_index import export_index

    if not overwrite:
        check_not_there([out], "--out")
    _say([export_index(index, out)])


@contextlib.contextmanager
def _continues(index: pathlib.Path) -> Iterator[None]:
    """Says what helps after Ctrl-C: what was finished is kept, and taken up."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\n{index}: give the same command again, which continues", err=True)
        raise


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
