"""How many records a second the input pipeline delivers, and how many the training step takes, on this machine.

`python -m benchmarks.input_pipeline` prepares made-up data of the usual shape (noise for features, true captions of
moving shapes) in a temporary folder, through `python -m data_pipeline.prepare`. `--data_dir` takes prepared data
instead, `--config` another experiment than MSR-VTT's. Every figure is the best of several measurements.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks.figures import write_figures
from benchmarks.options import at_least_one
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

ROOT = pathlib.Path(__file__).parents[1]
WANTED_RATIO = 5
WARM_UP = 2
MOST_CAPTIONS = 40
"""That a scene has for sure, once it has two shapes."""


@contextlib.contextmanager
def made_up_data(encoder: str, arguments: argparse.Namespace) -> Iterator[pathlib.Path]:
    """A folder of data that are prepared with the tokenizer of a text encoder, if any; deleted in the end."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="input_pipeline_") as name:
        folder = pathlib.Path(name)
        (folder / "features").mkdir()
        with (folder / "captions.jsonl").open("w", encoding="utf-8") as file:
            for number in range(arguments.videos):
                video_id = f"video{number}"
                for caption in draw_captions(arguments.captions, random):
                    line = {"video_id": video_id, "caption": caption, "split": "train"}
                    file.write(json.dumps(line) + "\n")
                features = random.standard_normal((arguments.frames, arguments.dim), np.float32)
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


def report(folder: pathlib.Path, config: Config, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures and prints.

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
        rate, content = pipeline_rate(batches, arguments.batches, arguments.repeats)
        pipelines[source] = {"records_per_second": rate, "bytes_per_second": content}
        print(
            f"pipeline from {source}: {rate:.0f} records/s, {content / 1e6:.0f} MB/s of features", flush=True
        )
    host_batch = next(batches.from_step(0))
    experiment = build_experiment(config, manifest)
    seconds, held_up, compiling = step_seconds(experiment, host_batch, arguments.steps)
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


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line, but for the flags of the config."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config",
        default=str(ROOT / "configs/msrvtt.py"),
        help="file of the experiment, with a size if wanted",
    )
    parser.add_argument("--data_dir", type=pathlib.Path, help="prepared data to use instead of made-up data")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    for name, value, what in (
        ("videos", 512, "made-up videos"),
        ("frames", 50, "frames of a made-up video"),
        ("dim", 2048, "size of a frame's made-up vector"),
        ("captions", 20, "captions of a made-up video, 40 at most"),
        ("batches", 40, "batches of each measurement of the pipeline"),
        ("steps", 3, "training steps measured"),
        ("repeats", 3, "measurements of the pipeline"),
    ):
        parser.add_argument(f"--{name}", type=at_least_one, default=value, help=f"{what} ({value})")
    return parser


def parse(words: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the flags of the config."""
    parser = make_parser()
    arguments, flags = parser.parse_known_args(words)
    wrong = [flag for flag in flags if not flag.startswith("--config.")]
    if wrong:
        parser.error(f"unexpected arguments: {' '.join(wrong)}")
    if arguments.captions > MOST_CAPTIONS:
        parser.error(f"--captions={arguments.captions}: expected {MOST_CAPTIONS} or fewer")
    return arguments, flags


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Entry point; bad input ends with a message and status 2."""
    arguments, flags = parse(words)
    config = config_of_flags([f"--config={arguments.config}", *flags])
    with contextlib.ExitStack() as stack:
        folder = arguments.data_dir or stack.enter_context(made_up_data(config.model.pretrained, arguments))
        figures = report(folder, config, arguments)
    write_figures(arguments.json, figures)


if __name__ == "__main__":
    main()
