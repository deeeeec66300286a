"""`mcsan extract`: features of one's own clips, by an image network, ready for `mcsan prepare` and `mcsan index`."""

import contextlib
import importlib.util
import pathlib
import signal
import threading
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from data_pipeline.errors import InputError

if TYPE_CHECKING:
    from data_pipeline.clips.sampled_frames import Sampling

_LIBRARIES = ("av", "scenedetect")
_USUAL_OUT = pathlib.Path("data/custom.hdf5")
"""What `mcsan prepare` takes by default, for the folder that ``configs/custom.py`` trains on."""
_RESUME_ME = 75
"""Exit status after SIGTERM, as that of a training: ``EX_TEMPFAIL`` of sysexits.h."""


def extract(
    clips: Annotated[
        list[pathlib.Path], typer.Argument(help="Clips, or folders with clips, which are walked.")
    ],
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="efficientnet_lite0, 1 or 2, or the folder of an image-text model (CLIP, SigLIP); may be given again, "
            "with an --out for each. By default efficientnet_lite0."
        ),
    ] = None,
    out: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            help="HDF5 file of the features, one for each encoder; by default data/custom.hdf5 for a single one."
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second that are taken, such as 2; best for long clips.")
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            help="Frames that are taken of each clip, spread evenly. 20, unless this or --fps is given; with captions "
            "of parts of long clips --fps=2."
        ),
    ] = None,
    regions: Annotated[
        str, typer.Option(help="Also vectors of ROWSxCOLUMNS regions of each frame, such as 4x4.")
    ] = "",
    captions: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Captions, as `prepare` reads them: a table (.csv, .tsv) or JSON (.jsonl). The data are then prepared."
        ),
    ] = None,
    prepared: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of the prepared data; by default NAME beside NAME.hdf5."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode; by default one per core, less one.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Posters and film strips for the search page.")
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 2 if any clip is skipped or cut short.")
    ] = False,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow_missing",
            "--allow-missing",
            help="Go on where more than a tenth of a split's captioned videos are missing.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already at --out and --prepared.")
    ] = False,
) -> None:
    """Extract features of clips: decoded, seen by an encoder, and written with all that later steps ask for."""
    if missing := [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]:
        raise InputError(f"mcsan extract: {', '.join(missing)} not installed; pip install 'mcsan-jax[video]'")
    encoders = encoder or ["efficientnet_lite0"]
    outs = out or ([_USUAL_OUT] if len(encoders) == 1 else [])
    if len(set(outs)) != len(encoders):
        raise InputError(
            f"--out: expected a file for each encoder, {len(encoders)} in all, found {len(set(outs))}; such as "
            f"--out={pathlib.Path(encoders[0]).name}.hdf5"
        )
    if prepared is not None and captions is None:
        raise InputError("--prepared: there is nothing to prepare without --captions=FILE")
    # What can be wrong is looked at before the network's libraries are loaded, which takes seconds.
    sampling = _given_sampling(fps, frames)
    from data_pipeline.clips.collect_clips import collect_clips
    from mcsan_jax.extraction.feature_stream_files import parse_grid, regions_file

    grid = parse_grid(regions) if regions else None
    found = collect_clips(clips)
    captioned = None
    if captions is not None:
        folder = prepared or outs[0].with_name(outs[0].stem)
        from data_pipeline.preparation.captioned_clips import CaptionedClips

        files = [path for out in outs for path in ((out, regions_file(out)) if grid else (out,))]
        captioned = CaptionedClips.read(captions, found, files, folder, overwrite, allow_missing, strict)
        _say(captioned.notes)
    from mcsan_jax.extraction.extract_features import extract_features
    from mcsan_jax.extraction.run_extraction import USUAL_RATE, USUAL_SAMPLING, ExtractionOptions

    usual = USUAL_RATE if captioned is not None and captioned.has_parts else USUAL_SAMPLING
    options = ExtractionOptions(sampling or usual, grid, pictures, processes, strict, overwrite)
    with _goes_on():
        report = extract_features(found, dict(zip(outs, encoders, strict=True)), options)
        _say(report.lines())
        if captioned is not None:
            _say(captioned.prepare(list(report.files)))


def _given_sampling(fps: float | None, frames: int | None) -> "Sampling | None":
    if fps is not None and frames is not None:
        raise InputError(f"--fps={fps:g} and --frames={frames}: give one of them")
    if fps is None and frames is None:
        return None
    from data_pipeline.clips.sampled_frames import Sampling

    try:
        return Sampling(frames_per_second=fps, frames=frames)
    except InputError as error:
        raise InputError(f"{'--frames' if fps is None else '--fps'}: {error}") from error


@contextlib.contextmanager
def _goes_on() -> Iterator[None]:
    """Says after Ctrl-C and SIGTERM that the same command goes on, and ends with status 130 or 75."""
    heard: list[int] = []

    def stop(number: int, frame: types.FrameType | None) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    listens = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if listens else None
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("\nstopped: what was done is kept, the same command goes on from there", err=True)
        if heard:
            raise SystemExit(_RESUME_ME) from None
        raise
    finally:
        if listens:
            signal.signal(signal.SIGTERM, before)


def _say(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)
