"""Frames per second of the image towers of CLIP, next to those of transformers in PyTorch.

`python -m benchmarks image_text_towers` gives both the same random weights and pictures, in turn, in the same run, and
prints frames per second of each and how far the embeddings differ. Decoding and resizing are not part of it.
"""

import functools
import statistics
import tempfile
from collections.abc import Callable
from typing import Annotated, Any

import jax
import numpy as np
import torch
import transformers
import typer

from benchmarks.machine import alternate, describe_machine, median_ratio
from benchmarks.options import Rounds, Seed, checked_numbers, whole_numbers
from mcsan_jax.image_text.tower_files import read_towers_config, read_vision_params
from mcsan_jax.image_text.vision_tower import VisionTower

TOWERS = {"ViT-B/32": 32, "ViT-B/16": 16}
"""Rows and columns of a patch, by the name of the tower."""

Encoder = Callable[[np.ndarray], np.ndarray]


def encoders(patch: int, layers: int) -> dict[str, Encoder]:
    """Ours and that of transformers, with the same weights; both take normalised pictures [n, row, column, 3]."""
    text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 9}
    vision = {"patch_size": patch, "num_hidden_layers": layers}
    model = transformers.CLIPModel(transformers.CLIPConfig(vision_config=vision, text_config=text)).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = read_towers_config(folder)
        params = jax.device_put(read_vision_params(config))
    tower = jax.jit(VisionTower(config.vision).apply)

    def ours(pictures: np.ndarray) -> np.ndarray:
        return np.asarray(tower({"params": params}, pictures)[0])

    def theirs(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = model.get_image_features(pixel_values=torch.from_numpy(pictures).permute(0, 3, 1, 2))
        # Until version 5 of transformers it was the embedding alone.
        return getattr(found, "pooler_output", found).numpy()

    return {"JAX": ours, "PyTorch": theirs}


def run(
    batches: Annotated[
        str, typer.Option(callback=checked_numbers(), help="Pictures at once, with commas between.")
    ] = "8,16",
    layers: Annotated[int, typer.Option(min=1, help="Blocks of a tower.")] = 12,
    rounds: Rounds = 7,
    seed: Seed = 0,
) -> dict[str, Any]:
    """Compares and prints the table.

    Raises:
        InputError: the batches are no numbers.
    """
    sizes = whole_numbers("--batches", batches)
    print(describe_machine())
    print(
        f"float32, 224 x 224, seed {seed}, {torch.get_num_threads()} threads of PyTorch; medians of "
        f"{rounds} rounds"
    )
    print(f"{'tower':10}{'batch':>6}{'JAX':>14}{'PyTorch':>14}{'ratio':>7}{'difference':>12}")
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    figures = []
    for name, patch in TOWERS.items():
        both = encoders(patch, layers)
        for batch in sizes:
            pictures = draw.standard_normal((batch, 224, 224, 3), np.float32)
            difference = float(np.abs(both["JAX"](pictures) - both["PyTorch"](pictures)).max())
            seconds = alternate(
                {side: functools.partial(encode, pictures) for side, encode in both.items()}, rounds
            )
            rates = {side: batch / statistics.median(times) for side, times in seconds.items()}
            ratio = median_ratio(seconds["PyTorch"], seconds["JAX"])
            print(
                f"{name:10}{batch:6}{rates['JAX']:8.1f} fr/s{rates['PyTorch']:9.1f} fr/s{ratio:7.2f}{difference:12.0e}",
                flush=True,
            )
            figures.append(
                {
                    "tower": name,
                    "batch": batch,
                    "frames_per_second": rates,
                    "ratio": ratio,
                    "difference": difference,
                }
            )
    return {"towers": figures}
