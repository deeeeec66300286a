"""The flags with which videos are put into an index, of `mcsan index` and `mcsan index add`."""

import pathlib
from typing import Annotated

import typer

_FEATURES = typer.Argument(
    help="Features as prepare takes them, PATH or STREAM=PATH for each stream; or clips, files and folders; or "
    "moving_shapes: the clips of the embedded data set."
)
Features = Annotated[list[str], _FEATURES]
FeaturesOrNone = Annotated[list[str] | None, _FEATURES]
Metadata = Annotated[
    pathlib.Path | None,
    typer.Option(help="Table with a column id (or video_id) and any others: .csv or .jsonl."),
]
Clips = Annotated[
    pathlib.Path | None,
    typer.Option(
        help="Folder with the files to play, <id>.mp4, .webm, .mkv and the like; by default those that features name."
    ),
]
Encoders = Annotated[
    list[str] | None,
    typer.Option(
        help="Clips: folder of an encoder of the model's training that has moved; may be given again. Without a model "
        "(mcsan index CLIPS…): folder of an image-text encoder (CLIP, SigLIP), which searches them untrained."
    ),
]
FramesPerSecond = Annotated[
    float | None,
    typer.Option(
        help="Clips: frames per second that are taken, such as 2, where not as in training; long ones get parts."
    ),
]
WholeVideos = Annotated[
    bool,
    typer.Option(
        "--whole_videos",
        "--whole-videos",
        help="Long videos stay whole; else each of their parts is a video of the index.",
    ),
]
SkipUnknown = Annotated[
    bool,
    typer.Option(
        "--skip_unknown", "--skip-unknown", help="Leave out metadata of videos that have no features."
    ),
]
FrameRate = Annotated[
    float | None,
    typer.Option("--frame_rate", "--frame-rate", help="Frames per second, where the features tell no times."),
]
BatchSize = Annotated[
    int, typer.Option("--batch_size", "--batch-size", help="How many videos are encoded at a time.")
]
Split = Annotated[str, typer.Option(help="moving_shapes: the split.")]
RenderClips = Annotated[
    bool,
    typer.Option(
        "--render_clips",
        "--render-clips",
        help="moving_shapes: make files to play, in the folder of the index.",
    ),
]
Count = Annotated[int | None, typer.Option(help="moving_shapes: how many clips; by default all.")]
