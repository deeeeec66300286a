"""How many records a second the input pipeline delivers, and how many the training step takes, on this machine.

`python -m benchmarks input_pipeline` prepares made-up data of the usual shape (noise for features, true captions of
moving shapes) in a temporary folder, through `python -m data_pipeline.prepare`. `--data_dir` takes prepared data
instead, `--config` another experiment than MSR-VTT's. Every figure is the best of several measurements.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Annotated, Any

import jax
import numpy as np
import typer

from benchmarks.options import ConfigFlags
from data_pipeline.batches.batch import PairBatch
from data_pipeline.batches.pipeline import TrainBatches
from data_pipeline.errors import InputError
from data_pipeline.manifest import Manifest
from data_pipeline.moving_shapes.captions import draw_sentences
from data_pipeline.moving_shapes.scene import draw_scene
from data_pipeline.records.record_files import find_record_files
from data_pipeline.text.wordpiece import JSON_NAME, find_pretrained
from mcsan_jax.config import Config
from mcsan_jax.config_files import config_of_flags
from mcsan_jax.data_sizes import batch_limits
from mcsan_jax.recipes.caption_limits import with_derived_limits
from mcsan_jax.sharding import put_batch
from mcsan_jax.training.experiment import Experiment, build_experiment

ROOT = pathlib.Path(__file__).parents[2]
WANTED_RATIO = 5
WARM_UP = 2
MOST_CAPTIONS = 40
"""That a scene has for sure, once it has two shapes."""


@contextlib.contextmanager
def made_up_data(encoder: str, videos: int, captions: int, frames: int, dim: int) -> Iterator[pathlib.Path]:
    """A folder of data that are prepared with the tokenizer of a text encoder, if any; deleted in the end.

    Args:
        encoder: name of the text encoder, or empty.
        videos: how many.
        captions: of a video, `MOST_CAPTIONS` at most.
        frames: of a video.
        dim: size of a frame's vector.
    """
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="input_pipeline_") as name:
        folder = pathlib.Path(name)
        (folder / "features").mkdir()
        with (folder / "captions.jsonl").open("w", encoding="utf-8") as file:
            for number in range(videos):
                video_id = f"video{number}"
                for caption in draw_captions(captions, random):
                    line = {"video_id": video_id, "caption": caption, "split": "train"}
                    file.write(json.dumps(line) + "\n")
                features = random.standard_normal((frames, dim), np.float32)
                np.save(folder / "features" / f"{video_id}.npy", features.astype(np.float16))
        prepare(folder, folder / "prepared", encoder)
        yield folder / "prepared"


def draw_captions(count: int, random: np.random.Generator) -> list[str]:
    """True captions of one scene, pairwise different."""
    scene = draw_scene(random)
    while len(scene.looks) < 2:
        # A scene of one shape has too few captions.
        scene = draw_scene(random)
    return [str(sentence) for sentence in draw_sentences(scene, count, random)]


def prepare(source: pathlib.Path, out: pathlib.Path, encoder: str) -> None:
    """Runs the preparation command.

    Raises:
        InputError: it failed; with what it said.
    """
    arguments = {
        "dataset": "jsonl",
        "annotations": source / "captions.jsonl",
        "features": source / "features",
        "out": out,
        "attribute_minimum_videos": 1,
        "tokenizer": "unigram",
    }
    if encoder:
        arguments |= {"tokenizer": "wordpiece", "tokenizer_file": find_pretrained(encoder) / JSON_NAME}
    command = [sys.executable, "-m", "data_pipeline.prepare"]
    command += [f"--{key}={value}" for key, value in arguments.items()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"the made-up data could not be prepared:\n{done.stdout}{done.stderr}")


def pipeline_rate(batches: TrainBatches, count: int, repeats: int) -> tuple[float, float]:
    """Records a second, and bytes of features a second, of so many batches; the best of some measurements."""
    best = (0.0, 0.0)
    for _ in range(repeats):
        stream = batches.from_step(0)
        for _ in range(WARM_UP):
            next(stream)
        records = content = 0
        start = time.perf_counter()
        for _ in range(count):
            batch = next(stream)
            records += int(np.sum(batch.example_mask))
            content += feature_bytes(batch)
        seconds = time.perf_counter() - start
        best = max(best, (records / seconds, content / seconds))
    return best


def feature_bytes(batch: PairBatch) -> int:
    """Bytes of the features of a batch, with their padding."""
    videos = batch.videos
    return videos.frames.nbytes + (0 if videos.regions is None else videos.regions.nbytes)


def step_seconds(experiment: Experiment, host_batch: PairBatch, steps: int) -> tuple[float, float, float]:
    """Seconds of one step, those of them for which it holds up its caller, and those of compiling it."""
    start = time.perf_counter()
    batch = put_batch(host_batch, experiment.mesh)
    state = experiment.initial_state()
    state, metrics = experiment.train_step(state, batch)
    jax.block_until_ready((state, metrics))
    compiling = time.perf_counter() - start
    whole, held_up = [], []
    for _ in range(steps):
        start = time.perf_counter()
        state, metrics = experiment.train_step(state, batch)
        held_up.append(time.perf_counter() - start)
        jax.block_until_ready((state, metrics))
        whole.append(time.perf_counter() - start)
    return min(whole), min(held_up), compiling


def report(folder: pathlib.Path, config: Config, count: int, steps: int, repeats: int) -> dict[str, Any]:
    """Measures and prints.

    Args:
        folder: of prepared data.
        config: the experiment.
        count: batches of each measurement of the pipeline.
        steps: training steps measured.
        repeats: measurements of the pipeline.

    Raises:
        InputError: data and configuration do not fit together.
    """
    manifest = Manifest.load(folder)
    config = with_derived_limits(config, manifest)
    split = config.data.train_split
    files = find_record_files(folder, manifest, split)
    summary, size = manifest.splits[split], sum(file.path.stat().st_size for file in files)
    print(
        f"data: {summary.videos} videos, {summary.captions} captions, frames of {manifest.frame_dim}, "
        f"{size / 1e6:.1f} MB of records"
    )
    pipelines = {}
    for source, cache in (("files", False), ("memory", True)):
        batches = TrainBatches(
            folder,
            manifest,
            split,
            config.train.batch_size,
            batch_limits(config.data),
            config.train.seed,
            config.data.shuffle_buffer,
            cache=cache,
            captions_per_video=config.train.captions_per_video,
        )
        rate, content = pipeline_rate(batches, count, repeats)
        pipelines[source] = {"records_per_second": rate, "bytes_per_second": content}
        print(
            f"pipeline from {source}: {rate:.0f} records/s, {content / 1e6:.0f} MB/s of features", flush=True
        )
    host_batch = next(batches.from_step(0))
    experiment = build_experiment(config, manifest)
    seconds, held_up, compiling = step_seconds(experiment, host_batch, steps)
    step_rate = config.train.batch_size / seconds
    print(
        f"step of {config.name}: {step_rate:.1f} records/s, {1e3 * seconds:.0f} ms of which its caller waits "
        f"{1e3 * held_up:.1f} ms, on {experiment.mesh.size} {jax.devices()[0].platform} device(s); "
        f"{compiling:.0f} s to compile"
    )
    for source, found in pipelines.items():
        found["ratio"] = found["records_per_second"] / step_rate
        print(f"ratio pipeline/step from {source}: {found['ratio']:.1f} (wanted: {WANTED_RATIO} or more)")
    return {
        "config": config.name,
        "videos": summary.videos,
        "captions": summary.captions,
        "frame_dim": manifest.frame_dim,
        "bytes": size,
        "pipelines": pipelines,
        "step": {"records_per_second": step_rate, "seconds": seconds, "caller_waits_seconds": held_up},
    }


def run(
    config: Annotated[str, typer.Option(help="File of the experiment, with a size if wanted.")] = str(
        ROOT / "configs/msrvtt.py"
    ),
    data_dir: Annotated[
        pathlib.Path | None,
        typer.Option("--data_dir", help="Prepared data to use instead of made-up data."),
    ] = None,
    videos: Annotated[int, typer.Option(min=1, help="Made-up videos.")] = 512,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a made-up video.")] = 50,
    dim: Annotated[int, typer.Option(min=1, help="Size of a frame's made-up vector.")] = 2048,
    captions: Annotated[
        int, typer.Option(min=1, max=MOST_CAPTIONS, help="Captions of a made-up video.")
    ] = 20,
    batches: Annotated[int, typer.Option(min=1, help="Batches of each measurement of the pipeline.")] = 40,
    steps: Annotated[int, typer.Option(min=1, help="Training steps measured.")] = 3,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of the pipeline.")] = 3,
    overrides: ConfigFlags = None,
) -> dict[str, Any]:
    """Measures and prints.

    Raises:
        InputError: the experiment cannot be read, or the data do not fit it.
    """
    flags = overrides or []
    wrong = [flag for flag in flags if not flag.startswith("--config.")]
    if wrong:
        raise InputError(f"unexpected arguments: {' '.join(wrong)}")
    experiment = config_of_flags([f"--config={config}", *flags])
    with contextlib.ExitStack() as stack:
        made_up = made_up_data(experiment.model.pretrained, videos, captions, frames, dim)
        return report(data_dir or stack.enter_context(made_up), experiment, batches, steps, repeats)
