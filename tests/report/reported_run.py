"""Runs whose names, texts and fields a page must escape or break."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from mcsan_jax.config import Config, DataConfig, LossConfig, TrainConfig
from tests.support.fake_evaluation import Clips
from tests.support.fake_run import write_run

HOSTILE = "<script>alert(1)</script> & a man's “$x$” dog"
WORDS = np.random.default_rng(5).integers(3, 25, 240)
CLIPS = dataclasses.replace(
    Clips.numbered(60, 4), texts=[HOSTILE, *(" ".join(["word"] * int(count)) for count in WORDS[1:])]
)


def reported_run(folder: Path, split: str = "test", seed: int = 0, focal_gamma: float = 2.0) -> Path:
    """A complete run named like its folder."""
    config = Config(
        name=folder.name,
        data=DataConfig(test_split="test", prepare_hint="https://example.org/" + "x" * 200),
        loss=LossConfig(focal_gamma=focal_gamma),
        train=TrainConfig(seed=seed),
    )
    return write_run(folder, CLIPS, split, config)


def change_evaluation(folder: Path, **values: Any) -> None:
    """Sets keys of the evaluation of the test split; a key whose value is None is taken away."""
    path = folder / "eval" / "test.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")
