"""Folders of runs that look trained to their end and evaluated, with random scores instead of a model."""

import dataclasses
import json
import pathlib
from typing import Any

from data_pipeline.levels import NODE_LEVELS
from mcsan_jax.config import Config
from mcsan_jax.evaluation.foil_table import write_foil_table
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.ranking.rank_split import Evaluation
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord
from tests.support.fake_evaluation import SMALL, Clips, answers_to_foils, evaluation_of, query_columns

SECONDS = 90.0
"""Time that each run is to have spent in training steps."""


def write_run(
    folder: pathlib.Path,
    clips: Clips = SMALL,
    split: str = "test",
    config: Config | None = None,
    fingerprint: str = "ab" * 32,
    steps: int = 60,
    better: int = 0,
    **details: Any,
) -> pathlib.Path:
    """Makes a run, or evaluates it on one more split.

    Args:
        folder: of the run.
        clips: the videos and captions of the split.
        split: its name.
        config: of the experiment, whose `train.seed` is that of the scores.
        fingerprint: of the data.
        steps: of the training.
        better: how much better it is than others of the seed.
        details: further entries of the JSON file, or others instead of its own.
    """
    config = config or Config()
    run = RunFolder(folder)
    run.claim(config, fingerprint)
    evaluation, found = evaluation_of(clips, config.train.seed, better)
    entries = {**found, "protocol": _protocol(split, steps), **details}
    record = EvaluationRecord.make(dataclasses.asdict(evaluation), split, steps, config, fingerprint, entries)
    run.write_record(record)
    merged = config.evaluation.merge_duplicates
    write_query_table(run.queries_file(split, merged), query_columns(clips, config.train.seed, better))
    asked = answers_to_foils(clips, record.foils, config.train.seed, better)
    write_foil_table(run.foils_file(split, merged), [asked], clips.videos)
    _write_history(run.history_file, evaluation, steps, steps * config.train.batch_size / SECONDS)
    return folder


def _protocol(split: str, steps: int) -> dict[str, Any]:
    return {
        "name": "demo",
        "source": "made by a test",
        "lines": [f"Protocol: demo, split {split}.", "Features: moments."],
        "official": None,
        "duplicate_captions": "every caption is its own query",
        "selection": f"step {steps} has the best Rsum on split val",
        "expected": {"videos": None, "captions": None},
        "features": "moments",
    }


def _write_history(path: pathlib.Path, evaluation: Evaluation, steps: int, rate: float) -> None:
    """Curves that fall and rise as those of a training do: twelve entries, and three validations."""
    lines: list[dict[str, Any]] = []
    for twelfth in range(1, 13):
        step = max(steps * twelfth // 12, 1)
        terms = {f"loss/{term}/{level}": 30.0 / step for term in ("fbce", "kl") for level in NODE_LEVELS}
        losses = {"loss": 100.0 / step, "loss/ranking": 5.0 / step, **terms}
        lines.append({"step": step, "kind": "train", "pairs_per_second": rate, **losses})
        if twelfth % 4 == 0:
            sums = {
                f"rsum/{component}": both["rsum"] * step / steps
                for component, both in evaluation.directions.items()
            }
            lines.append({"step": step, "kind": "val", **sums})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
