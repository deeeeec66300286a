"""How fast features of clips are extracted: decoding alone, the network alone in three forms, and both together.

`python -m benchmarks extraction` renders clips (H.264, 320 x 240, 25 frames/s), takes 2 frames of each second, and
prints frames/s. `--clips=FOLDER` takes clips of your own. The network runs as features are made (sums of shifted
pictures), with XLA's own depthwise convolution, and in TensorFlow; all three must agree. Shown is the fastest of some
rounds, because other programs on the machine make a round slower and never faster.
"""

import dataclasses
import functools
import pathlib
import resource
import tempfile
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Any

import av
import numpy as np
import typer

from benchmarks.machine import alternate, describe_machine
from benchmarks.options import Rounds, checked_numbers, whole_numbers
from benchmarks.speed.encoder_forms import Form, with_tensorflow, with_xla_convolutions
from data_pipeline.clips.collect_clips import collect_clips
from data_pipeline.clips.picture_view import PictureView
from data_pipeline.clips.render_clips import add_pictures
from data_pipeline.clips.sampled_frames import Sampling, sampled_frames
from mcsan_jax.extraction.extract_features import ExtractionOptions, extract_features
from mcsan_jax.extraction.extraction_report import ExtractionReport
from mcsan_jax.frame_encoders.efficientnet import EfficientNetEncoder, open_efficientnet
from mcsan_jax.frame_encoders.efficientnet_shape import SHAPES

ROWS, COLUMNS, RATE = 240, 320, 25
TOLERANCE = 1e-4
"""The forms of the network may differ by so much in a number."""
TENSORFLOW_BATCH = 16
"""Pictures that TensorFlow computes together; it is fastest with some more than the other forms."""


def render(folder: pathlib.Path, clips: int, seconds: int) -> None:
    """Writes clips of a cloudy picture that drifts, as H.264 with a key frame now and then."""
    draw = np.random.default_rng(0)
    for number in range(clips):
        coarse = draw.integers(0, 256, (16, 16, 3)).astype(np.float32)
        places = [np.linspace(0, 15, 2 * size) for size in (ROWS, COLUMNS)]
        large = _stretched(_stretched(coarse, places[0], 0), places[1], 1)
        large = (large + draw.normal(0, 6, large.shape)).clip(0, 255).astype(np.uint8)
        with av.open(folder / f"clip_{number}.mp4", "w") as out:
            stream: Any = None
            for moment in range(seconds * RATE):
                down, right = (moment * 2) % ROWS, (moment * 3) % COLUMNS
                frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(large[down : down + ROWS, right : right + COLUMNS])
                )
                stream = stream or add_pictures(
                    out, frame, Fraction(RATE), {"preset": "veryfast", "threads": "1"}
                )
                frame.pts, frame.time_base = moment, Fraction(1, RATE)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))


def _stretched(picture: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """A picture with linear steps along an axis, at places between its rows or columns."""
    low = np.minimum(places.astype(int), picture.shape[axis] - 2)
    share = np.expand_dims(places - low, [one for one in range(picture.ndim) if one != axis])
    return (1 - share) * picture.take(low, axis) + share * picture.take(low + 1, axis)


@dataclasses.dataclass(frozen=True)
class Rate:
    """How fast some frames were done.

    Attributes:
        frames_per_second: of the fastest round.
        processor_milliseconds: for a frame, in the round that took least, on all cores and in all processes together.
            Other programs on the machine change it far less than the rate.
    """

    frames_per_second: float
    processor_milliseconds: float


def rates(
    functions: Mapping[str, Callable[[], object]], frames: int, rounds: int
) -> tuple[dict[str, Rate], dict[str, Any]]:
    """Runs functions in turn, each once before, so that nothing is compiled in a measured round.

    Returns:
        The rate of each, and what it returned at last.
    """
    spent: dict[str, list[float]] = {name: [] for name in functions}
    results: dict[str, Any] = {}

    def counted(name: str) -> None:
        start = _processor_seconds()
        results[name] = functions[name]()
        spent[name].append(_processor_seconds() - start)

    seconds = alternate({name: functools.partial(counted, name) for name in functions}, rounds)
    return {
        name: Rate(frames / min(seconds[name]), 1000 * min(spent[name]) / frames) for name in functions
    }, results


def _processor_seconds() -> float:
    """What this process has used, and those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def decoding(
    clips: Mapping[str, pathlib.Path], sampling: Sampling, view: PictureView, rounds: int
) -> tuple[Rate, int]:
    """Decodes and resizes all clips in this process; returns the rate and the number of frames."""

    def decode() -> int:
        return sum(
            len(part.pictures) for path in clips.values() for part in sampled_frames(path, sampling, view)
        )

    frames = decode()
    return rates({"": decode}, frames, rounds)[0][""], frames


def network(encoder: EfficientNetEncoder, frames: int, rounds: int) -> tuple[dict[str, Rate], float]:
    """Runs the three forms of the network in turn on the same pictures.

    Returns:
        The rate of each form, and the largest difference of a number from the form with which features are made.

    Raises:
        AssertionError: the forms do not agree.
    """
    side = SHAPES[encoder.name].picture
    frames = -(-frames // TENSORFLOW_BATCH) * TENSORFLOW_BATCH
    pictures = np.random.default_rng(0).integers(0, 256, (frames, side, side, 3), np.uint8)
    xla = with_xla_convolutions(encoder)
    tensorflow = with_tensorflow(encoder, TENSORFLOW_BATCH)
    found, vectors = rates(
        {
            "JAX, sums of shifted pictures": lambda: encoder.encode(pictures).frames,
            "JAX, XLA's depthwise convolution": lambda: _batch_by_batch(xla, pictures, encoder.batch),
            "TensorFlow on the processors": lambda: _batch_by_batch(tensorflow, pictures, TENSORFLOW_BATCH),
        },
        frames,
        rounds,
    )
    ours, *others = vectors.values()
    difference = max(float(np.abs(ours - one).max()) for one in others)
    if difference > TOLERANCE:
        raise AssertionError(f"the forms of the network differ by {difference}")
    return found, difference


def _batch_by_batch(form: Form, pictures: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate([form(pictures[i : i + batch]) for i in range(0, len(pictures), batch)])


def extraction(
    clips: Mapping[str, pathlib.Path], options: ExtractionOptions, encoder: str, frames: int, rounds: int
) -> tuple[Rate, ExtractionReport]:
    """Extracts features of all clips into a file, as ``mcsan extract`` does."""

    def extract() -> ExtractionReport:
        with tempfile.TemporaryDirectory() as name:
            return extract_features(clips, {pathlib.Path(name) / "features.hdf5": encoder}, options)

    found, reports = rates({"": extract}, frames, rounds)
    return found[""], reports[""]


def measured(
    encoder: EfficientNetEncoder,
    clips: Mapping[str, pathlib.Path],
    sampling: Sampling,
    pictures: int,
    processes: Sequence[int],
    rounds: int,
) -> dict[str, Any]:
    """Measures and prints everything for one encoder.

    Args:
        encoder: the network.
        clips: by name.
        sampling: which frames of the clips are taken.
        pictures: of the network alone.
        processes: how many decode, for each measurement from clips to a file; the first of them with pictures, too.
        rounds: of each measurement.
    """
    decoded, frames = decoding(clips, sampling, encoder.view, rounds)
    print(f"\n{encoder.name}: {frames:,} frames of {len(clips)} clips")
    print("| what | frames/s | processor ms/frame | clips/s | x real time |\n|---|---|---|---|---|")
    _print_row("decoding and resizing, 1 process", decoded)
    forms, difference = network(encoder, pictures, rounds)
    for name, rate in forms.items():
        _print_row(f"network alone, {name}", rate)
    extractions = []
    for count, kept in [(count, False) for count in processes] + [(processes[0], True)]:
        options = ExtractionOptions(sampling, processes=count, pictures=kept)
        rate, report = extraction(clips, options, encoder.name, frames, rounds)
        a_second = rate.frames_per_second / report.frames
        speed = {"clips_per_second": report.clips * a_second, "times_real_time": report.length * a_second}
        of_options = {"processes": count, "pictures": kept}
        extractions.append({**of_options, **dataclasses.asdict(rate), **speed})
        and_pictures = ", with posters and film strips" if kept else ""
        _print_row(
            f"from clips to a features file, {count} decoding{and_pictures}",
            rate,
            f"{speed['clips_per_second']:.2f} | {speed['times_real_time']:.1f}",
        )
    return {
        "frames": frames,
        "decoding": dataclasses.asdict(decoded),
        "network": {name: dataclasses.asdict(rate) for name, rate in forms.items()},
        "difference": difference,
        "extraction": extractions,
    }


def _print_row(what: str, rate: Rate, cells: str = "|") -> None:
    print(
        f"| {what} | {rate.frames_per_second:,.1f} | {rate.processor_milliseconds:.2f} | {cells} |",
        flush=True,
    )


def run(
    clips: Annotated[
        pathlib.Path | None, typer.Option(help="A folder of clips in place of rendered ones.")
    ] = None,
    encoders: Annotated[str, typer.Option(help="Names with commas between.")] = "efficientnet_lite0",
    rendered: Annotated[int, typer.Option(min=1, help="Clips to render.")] = 8,
    seconds: Annotated[int, typer.Option(min=1, help="Length of a rendered clip.")] = 30,
    fps: Annotated[float, typer.Option(help="Frames of each second that are taken.")] = 2.0,
    frames: Annotated[int, typer.Option(min=1, help="Pictures of the network alone.")] = 64,
    processes: Annotated[
        str, typer.Option(callback=checked_numbers(), help="How many decode, with commas between.")
    ] = "1,2",
    rounds: Rounds = 3,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: an option, an encoder or a clip cannot be used.
    """
    counts = whole_numbers("--processes", processes)
    sampling = Sampling(frames_per_second=fps)
    networks = [open_efficientnet(name) for name in encoders.split(",")]
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        if clips is None:
            render(pathlib.Path(name), rendered, seconds)
        found = collect_clips([clips or pathlib.Path(name)])
        return {
            "encoders": {one.name: measured(one, found, sampling, frames, counts, rounds) for one in networks}
        }
