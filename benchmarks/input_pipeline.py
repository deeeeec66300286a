"""How many records a second the input pipeline delivers, and how many the training step takes, on this machine.

`python -m benchmarks.input_pipeline` prepares made-up data of the usual shape (noise for features, true captions of
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
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from absl import app, flags
from ml_collections import config_flags

from data_pipeline.captions.pretrained_folder import find_pretrained
from data_pipeline.captions.tokenizers.wordpiece import JSON_NAME
from data_pipeline.input_pipeline import TrainBatches
from data_pipeline.manifest import Manifest
from data_pipeline.moving_shapes.captions import draw_sentences
from data_pipeline.moving_shapes.scene import draw_scene
from data_pipeline.record_files import find_record_files
from mcsan_jax.batch import PairBatch
from mcsan_jax.config import Config, from_config_dict
from mcsan_jax.errors import InputError
from mcsan_jax.training.experiment import Experiment, batch_limits, build_experiment
from mcsan_jax.training.sharding import put_batch

ROOT = pathlib.Path(__file__).parents[1]
WANTED_RATIO = 5
WARM_UP = 2

_CONFIG = config_flags.DEFINE_config_file(
    "config", str(ROOT / "configs/msrvtt.py"), "File of the experiment."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Prepared data to use instead of made-up data.")
_VIDEOS = flags.DEFINE_integer("videos", 512, "Made-up videos.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 50, "Frames of a made-up video.", lower_bound=1)
_DIM = flags.DEFINE_integer("dim", 2048, "Size of a frame's made-up vector.", lower_bound=1)
_CAPTIONS = flags.DEFINE_integer(
    "captions", 20, "Captions of a made-up video.", lower_bound=1, upper_bound=40
)
_BATCHES = flags.DEFINE_integer("batches", 40, "Batches of each measurement of the pipeline.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 3, "Training steps measured.", lower_bound=1)
_REPEATS = flags.DEFINE_integer("repeats", 3, "Measurements of the pipeline.", lower_bound=1)


@contextlib.contextmanager
def made_up_data(encoder: str) -> Iterator[pathlib.Path]:
    """A folder of data that are prepared with the tokenizer of a text encoder, if any; deleted in the end."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="input_pipeline_") as name:
        folder = pathlib.Path(name)
        (folder / "features").mkdir()
        with (folder / "captions.jsonl").open("w", encoding="utf-8") as file:
            for number in range(_VIDEOS.value):
                video_id = f"video{number}"
                for caption in draw_captions(_CAPTIONS.value, random):
                    line = {"video_id": video_id, "caption": caption, "split": "train"}
                    file.write(json.dumps(line) + "\n")
                features = random.standard_normal((_FRAMES.value, _DIM.value), np.float32)
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
    }
    if encoder:
        arguments |= {"tokenizer": "wordpiece", "tokenizer_file": find_pretrained(encoder) / JSON_NAME}
    command = [sys.executable, "-m", "data_pipeline.prepare"]
    command += [f"--{key}={value}" for key, value in arguments.items()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"the made-up data could not be prepared:\n{done.stdout}{done.stderr}")


def pipeline_rate(batches: TrainBatches) -> tuple[float, float]:
    """Records a second, and megabytes of features a second."""
    best = (0.0, 0.0)
    for _ in range(_REPEATS.value):
        stream = batches.from_step(0)
        for _ in range(WARM_UP):
            next(stream)
        records = content = 0
        start = time.perf_counter()
        for _ in range(_BATCHES.value):
            batch = next(stream)
            records += int(np.sum(batch.example_mask))
            content += feature_bytes(batch)
        seconds = time.perf_counter() - start
        best = max(best, (records / seconds, content / seconds / 1e6))
    return best


def feature_bytes(batch: PairBatch) -> int:
    """Bytes of the features of a batch, with their padding."""
    videos = batch.videos
    return videos.frames.nbytes + (0 if videos.regions is None else videos.regions.nbytes)


def step_seconds(experiment: Experiment, host_batch: PairBatch) -> tuple[float, float, float]:
    """Seconds of one step, those of them for which it holds up its caller, and those of compiling it."""
    start = time.perf_counter()
    batch = put_batch(host_batch, experiment.mesh)
    state = experiment.initial_state()
    state, metrics = experiment.train_step(state, batch)
    jax.block_until_ready((state, metrics))
    compiling = time.perf_counter() - start
    whole, held_up = [], []
    for _ in range(_STEPS.value):
        start = time.perf_counter()
        state, metrics = experiment.train_step(state, batch)
        held_up.append(time.perf_counter() - start)
        jax.block_until_ready((state, metrics))
        whole.append(time.perf_counter() - start)
    return min(whole), min(held_up), compiling


def report(folder: pathlib.Path, config: Config) -> None:
    """Measures and prints.

    Raises:
        InputError: data and configuration do not fit together.
    """
    manifest = Manifest.load(folder)
    split = config.data.train_split
    files = find_record_files(folder, manifest, split)
    summary, size = manifest.splits[split], sum(file.path.stat().st_size for file in files)
    print(
        f"data: {summary.videos} videos, {summary.captions} captions, frames of {manifest.frame_dim}, "
        f"{size / 1e6:.1f} MB of records"
    )
    rates = {}
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
        rates[source], megabytes = pipeline_rate(batches)
        print(
            f"pipeline from {source}: {rates[source]:.0f} records/s, {megabytes:.0f} MB/s of features",
            flush=True,
        )
    host_batch = next(batches.from_step(0))
    experiment = build_experiment(config, manifest)
    seconds, held_up, compiling = step_seconds(experiment, host_batch)
    step_rate = config.train.batch_size / seconds
    print(
        f"step of {config.name}: {step_rate:.1f} records/s, {1e3 * seconds:.0f} ms of which its caller waits "
        f"{1e3 * held_up:.1f} ms, on {experiment.mesh.size} {jax.devices()[0].platform} device(s); "
        f"{compiling:.0f} s to compile"
    )
    for source, rate in rates.items():
        print(f"ratio pipeline/step from {source}: {rate / step_rate:.1f} (wanted: {WANTED_RATIO} or more)")


def main(arguments: Sequence[str]) -> None:
    """Entry point; bad input ends with a message and status 2."""
    if len(arguments) > 1:
        app.usage(detailed_error=f"unexpected arguments: {' '.join(arguments[1:])}", exitcode=2)
    try:
        config = from_config_dict(_CONFIG.value)
        with contextlib.ExitStack() as stack:
            given = pathlib.Path(_DATA_DIR.value) if _DATA_DIR.value else None
            report(given or stack.enter_context(made_up_data(config.model.pretrained)), config)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main)
