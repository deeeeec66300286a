"""Frames per second of the image towers of CLIP, next to those of transformers in PyTorch.

`python -m benchmarks.image_text_towers` gives both the same random weights and pictures, in turn, in the same run, and
prints frames per second of each and how far the embeddings differ. Decoding and resizing are not part of it.
"""

from data_pipeline.host.command_line import ends_with_a_message

import argparse
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Sequence

import jax
import numpy as np
import torch
import transformers

from benchmarks.figures import write_figures
from benchmarks.machine import alternate, describe_machine, median_ratio
from benchmarks.options import at_least_one, sizes_of
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


def make_parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=sizes_of, default=(8, 16), help="pictures at once (8,16)")
    parser.add_argument("--layers", type=at_least_one, default=12, help="blocks of a tower (12)")
    parser.add_argument("--rounds", type=at_least_one, default=7, help="measurements of each (7)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and pictures (0)")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    return parser


@ends_with_a_message()
def main(words: Sequence[str] | None = None) -> None:
    """Prints the table."""
    arguments = make_parser().parse_args(words)
    print(describe_machine())
    print(
        f"float32, 224 x 224, seed {arguments.seed}, {torch.get_num_threads()} threads of PyTorch; medians of "
        f"{arguments.rounds} rounds"
    )
    print(f"{'tower':10}{'batch':>6}{'JAX':>14}{'PyTorch':>14}{'ratio':>7}{'difference':>12}")
    torch.manual_seed(arguments.seed)
    draw = np.random.default_rng(arguments.seed)
    figures = []
    for name, patch in TOWERS.items():
        both = encoders(patch, arguments.layers)
        for batch in arguments.batches:
            pictures = draw.standard_normal((batch, 224, 224, 3), np.float32)
            difference = float(np.abs(both["JAX"](pictures) - both["PyTorch"](pictures)).max())
            seconds = alternate(
                {side: lambda run=run, given=pictures: run(given) for side, run in both.items()},
                arguments.rounds,
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
    write_figures(arguments.json, {"towers": figures})


if __name__ == "__main__":
    main()
