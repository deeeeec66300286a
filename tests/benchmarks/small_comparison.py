"""Small comparisons of models, whose runs are made up, and what their programs print."""

import functools
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

from benchmarks.quality.baselines import RidgeSplit
from data_pipeline.manifest import Manifest
from mcsan_jax.config_files import config_of_flags
from tests.support.fake_evaluation import Clips
from tests.support.fake_run import write_run

SHORT = ("--config.train.epochs=1", "--config.train.batch_size=16")
PEER = "dual_encoder"


def rows_of(text: str, first: str) -> dict[str, list[str]]:
    """Cells of the Markdown table whose head begins with a word, by the first cell of each row."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} "))
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return {cells[0]: cells[1:] for cells in [table[0], *table[2:]]}


def finish(
    folder: pathlib.Path, flags: Sequence[str], data: pathlib.Path, seed: int, better: int = 0, **details: Any
) -> float:
    """Makes a run with the configuration of these flags, finished on split val of real data. Returns its Rsum."""
    config, manifest = config_of_flags([*flags, f"--config.train.seed={seed}"]), Manifest.load(data)
    steps = config.train.epochs * math.ceil(manifest.splits["train"].videos / config.train.batch_size)
    write_run(folder, _validation(data), "val", config, manifest.fingerprint, steps, better, **details)
    return float(json.loads((folder / "eval" / "val.json").read_text())["rsum"])


@functools.cache
def _validation(data: pathlib.Path) -> Clips:
    split = RidgeSplit.read(data, Manifest.load(data), "val")
    return Clips(split.ids, split.caption_ids, split.texts, split.owners)


def flags_of(config: str, data: pathlib.Path) -> list[str]:
    return [f"--config={config}", f"--config.data.dir={data}", *SHORT]


def words_of(data: pathlib.Path, out: pathlib.Path, *more: str) -> list[str]:
    own = [str(data), "--mcsan=configs/demo.py:tiny", f"--peers={PEER}", "--seeds=0,1", f"--out={out}", *more]
    return [*own, "--", *SHORT]


def make_ours(data: pathlib.Path, out: pathlib.Path, better: int = 4) -> list[float]:
    flags = flags_of("configs/demo.py:tiny", data)
    return [finish(out / "mcsan" / f"seed{seed}", flags, data, seed, better) for seed in (0, 1)]


def make_peer(data: pathlib.Path, out: pathlib.Path, seed: int) -> float:
    flags = flags_of(f"configs/peers.py:{PEER}:demo-tiny", data)
    return finish(out / PEER / f"seed{seed}", flags, data, seed)
