"""Does a little data only help? A small image-text encoder on clips that it did not see, as it is and trained further.

`python -m benchmarks zero_shot` trains a small CLIP (transformers' PyTorch) on single frames and captions of the first
clips of the embedded data set's training split, so that it knows colours and shapes but has seen nothing move. It is
written as a Hugging Face folder, encodes the frames of other clips, and data of 50, 200 and 800 of these are prepared
to train on. One table shows, on the test split, chance, the encoder as it is (each level and all), ridge regression on
its frames, the network that begins with its score, and the same network without that. What is finished in `--out` is
not computed again.
"""

import json
import pathlib
import time
from collections.abc import Sequence
from typing import Annotated

import h5py
import numpy as np
import typer

from benchmarks.options import checked_numbers, whole_numbers
from benchmarks.quality.baselines import evaluate_ridge
from benchmarks.quality.small_clip import train_small_clip
from benchmarks.quality.trained_runs import run_program
from data_pipeline.features.write_hdf5 import PROVENANCE
from data_pipeline.prepared_data import embedded_clips
from mcsan_jax.evaluation.query_table import read_query_table
from mcsan_jax.frame_encoders.encoder_provenance import provenance_of
from mcsan_jax.frame_encoders.registry import open_frame_encoder
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.scoring.multi_level import FUSED

_HELD_OUT = {"val": 100, "test": 300}
_TRAIN, _FRAMES = "train", "frames.hdf5"


def encoder_of(folder: pathlib.Path, clips: int, steps: int) -> pathlib.Path:
    """Trains the small CLIP on the first clips, unless it is there, and returns its folder."""
    if not (folder / "model.safetensors").is_file():
        given = embedded_clips(clips, _TRAIN)
        start = time.monotonic()
        train_small_clip(folder, list(given.images.values()), list(given.captions.values()), steps)
        print(f"small CLIP: {time.monotonic() - start:.0f} s", flush=True)
    return folder


def prepared(folder: pathlib.Path, encoder: pathlib.Path, seen: int, videos: int) -> pathlib.Path:
    """Returns the folder of data with so many videos to train on, clips that the encoder did not see."""
    data, captions = folder / f"data_{videos}", folder / f"captions_{videos}.jsonl"
    if (data / "manifest.json").is_file():
        return data
    lines = []
    with h5py.File(folder / _FRAMES, "a") as file:
        opened = open_frame_encoder(str(encoder))
        file.attrs[PROVENANCE] = provenance_of(opened, str(encoder), frames=12).to_text()
        for split, count in {_TRAIN: seen + videos, **_HELD_OUT}.items():
            given = embedded_clips(count, split)
            for name in list(given.images)[seen if split == _TRAIN else 0 :]:
                if name not in file:
                    file[name] = opened.encode(given.images[name]).frames.astype(np.float16)
                lines += [
                    json.dumps({"video_id": name, "caption": caption, "split": split})
                    for caption in given.captions[name]
                ]
    captions.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run_program(
        "data_pipeline.prepare",
        [
            "--dataset=jsonl",
            f"--annotations={captions}",
            f"--features={folder / _FRAMES}",
            f"--tokenizer_file={encoder}",
            "--allow_missing",
            f"--out={data}",
        ],
    )
    return data


def rsums_of(run: pathlib.Path) -> dict[str, float]:
    """Rsum on the test split of each score of a run."""
    record = RunFolder(run).read_record("test")
    return {score: figures.rsum for score, figures in record.directions.items()}


def trained(folder: pathlib.Path, data: pathlib.Path, name: str, flags: Sequence[str]) -> float:
    """Trains with `configs/custom.py` and returns Rsum of the fused score on the test split."""
    run = folder / f"{data.name}_{name}"
    if not RunFolder(run).record_file("test").is_file():
        log = folder / f"{run.name}.log"
        words = ["--config=configs/custom.py", f"--config.data.dir={data}", f"--workdir={run}", *flags]
        run_program("mcsan_jax.main", words, log)
    return rsums_of(run)[FUSED]


def chance(run: pathlib.Path) -> float:
    """Rsum of a random order of the test split, expected exactly from how many items are relevant to each query."""
    record, queries = (
        RunFolder(run).read_record("test"),
        read_query_table(RunFolder(run).queries_file("test")),
    )
    total = 0.0
    for direction, items in (("t2v", record.videos), ("v2t", record.captions)):
        relevant = queries.of_direction(direction)["relevant_items"]
        counts = np.array([len(of_query) for of_query in relevant])
        for most in (1, 5, 10):
            missed = np.prod([(items - counts - place) / (items - place) for place in range(most)], axis=0)
            total += 100.0 * float(np.mean(1.0 - np.clip(missed, 0.0, 1.0)))
    return total


def run(
    out: Annotated[pathlib.Path, typer.Option(help="Folder of all.")] = pathlib.Path("runs/zero_shot"),
    seen: Annotated[int, typer.Option(min=1, help="Clips that the small CLIP is trained on.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="Of the training of the small CLIP.")] = 700,
    videos: Annotated[
        str,
        typer.Option(callback=checked_numbers(), help="Numbers of videos to train on, with commas between."),
    ] = "50,200,800",
) -> dict[str, float]:
    """Computes what is not there yet, and prints the table.

    Raises:
        InputError: the numbers of videos are none, or a program that this one runs failed.
    """
    numbers = whole_numbers("--videos", videos)
    out.mkdir(parents=True, exist_ok=True)
    encoder = encoder_of(out / "small_clip", seen, steps)
    first = prepared(out, encoder, seen, numbers[0])
    baseline = out / "zero_shot"
    if not RunFolder(baseline).record_file("test").is_file():
        run_program("mcsan_jax.cli", ["eval", str(first), f"--zero_shot={encoder}", f"--out={baseline}"])
    figures = {"chance": chance(baseline)}
    figures |= {f"zero-shot, {score}": rsum for score, rsum in rsums_of(baseline).items()}
    for number in numbers:
        data = prepared(out, encoder, seen, number)
        _, ridge = evaluate_ridge(data, "test", same_text="relevant")
        figures[f"{number} videos, ridge regression"] = ridge.rsum
        start = [f"--config.model.pretrained_video={encoder}"]
        figures[f"{number} videos, from zero-shot"] = trained(out, data, "zero_shot", start)
        figures[f"{number} videos, from scratch"] = trained(out, data, "scratch", ())
    width = max(map(len, figures))
    print("\n".join(f"{name:{width}}  Rsum {rsum:6.1f}" for name, rsum in figures.items()))
    return figures
