"""Folders of runs that look trained to the end and evaluated on split val, made from drawn ranks, for tests."""

import functools
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.baselines import RidgeSplit
from benchmarks.trained_runs import load_config
from data_pipeline.manifest import Manifest
from mcsan_jax.config import flatten
from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.evaluation.ranking import Ranks
from mcsan_jax.workdir import Workdir, package_versions

SECONDS = 90.0
"""Time that each of them is to have spent in training steps."""


def finish(
    folder: pathlib.Path, flags: Sequence[str], data: pathlib.Path, seed: int, better: int = 0, **record: Any
) -> float:
    """Makes a run; `better` places are taken off every drawn rank. Returns its Rsum.

    `record` are further entries of its JSON file.
    """
    arguments = [*flags, f"--config.train.seed={seed}"]
    config, manifest = load_config(arguments), Manifest.load(data)
    workdir = Workdir(folder)
    workdir.claim(config, manifest.fingerprint)
    steps = config.train.epochs * math.ceil(manifest.splits["train"].videos / config.train.batch_size)
    rate = steps * config.train.batch_size / SECONDS
    line = {"step": steps, "kind": "train", "loss": 1.0, "pairs_per_second": rate}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")

    split = _validation(data)
    columns, figures = _evaluation(split, np.random.default_rng([seed, better]), better)
    write_query_table(workdir.queries_file("val"), columns)
    content = {
        "split": "val",
        "step": steps,
        "rsum": figures["rsum"],
        "videos": len(split.ids),
        "captions": len(split.texts),
        "directions": {"fused": figures},
        "protocol": {
            "name": "moving shapes",
            "lines": ["Protocol: moving shapes.", f"Selection: step {steps} is the best."],
            "duplicate_captions": "every caption is its own query",
        },
        "data_fingerprint": manifest.fingerprint,
        "config": flatten(config),
        "versions": package_versions(),
        **record,
    }
    (folder / "eval" / "val.json").write_text(json.dumps(content), encoding="utf-8")
    return figures["rsum"]


@functools.cache
def _validation(data: pathlib.Path) -> RidgeSplit:
    return RidgeSplit.read(data, Manifest.load(data), "val")


def _evaluation(
    split: RidgeSplit, rng: np.random.Generator, better: int
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    owners = [split.ids[video] for video in split.owners]
    count = len(owners) + len(split.ids)
    greater = np.maximum(rng.integers(0, 12, count) - better, 0)
    ones, empty = np.ones(count, int), [[] for _ in range(count)]
    unknown = [None] * count
    sides = {"t2v": slice(0, len(owners)), "v2t": slice(len(owners), count)}
    figures: dict[str, Any] = {
        way: retrieval_metrics(Ranks(greater[rows], ones[rows], ones[rows])) for way, rows in sides.items()
    }
    figures["rsum"] = recall_sum(figures["t2v"], figures["v2t"])
    columns = {
        "direction": ["t2v"] * len(owners) + ["v2t"] * len(split.ids),
        "query": split.caption_ids + split.ids,
        "text": unknown,
        "video": owners + split.ids,
        **{name: unknown for name in ("words", "nodes_entity", "nodes_action", "nodes_relationship")},
        "right_score": np.zeros(count, np.float32),
        "greater": greater,
        "tied": ones,
        "relevant": ones,
        "rank": greater + 1.0,
        "rank_fused": greater + 1.0,
        "ap": 1 / (greater + 1.0),
        "ndcg10": 1 / np.log2(greater + 2.0),
        "relevant_items": empty,
        "answers": empty,
        "answer_scores": empty,
    }
    return columns, figures
