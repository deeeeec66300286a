"""Folders of evaluated runs, made from ranks, for tests."""

import json
import pathlib
from typing import Any

import numpy as np

from mcsan_jax.evaluation.query_table import read_query_table, write_query_table
from mcsan_jax.evaluation.significance import RSUM, metrics_of, query_values

VIDEOS, CAPTIONS = 12, 3


def query_columns(seed: int, better: int = 0) -> dict[str, Any]:
    """Columns of a table of queries: 12 videos of 3 captions each; `better` places are taken off every rank."""
    rng = np.random.default_rng(seed)
    videos = [f"clip{i:02}" for i in range(VIDEOS)]
    owners = np.repeat(videos, CAPTIONS).tolist()
    captions = [f"{owner}#{i % CAPTIONS}" for i, owner in enumerate(owners)]
    count = len(captions) + VIDEOS
    greater = np.maximum(rng.integers(0, 12, count) - better, 0)
    unknown = [None] * VIDEOS
    return {
        "direction": ["t2v"] * len(captions) + ["v2t"] * VIDEOS,
        "query": captions + videos,
        "text": [f"what happens in {caption}" for caption in captions] + unknown,
        "video": owners + videos,
        **{
            name: [4] * len(captions) + unknown
            for name in ("words", "nodes_entity", "nodes_action", "nodes_relationship")
        },
        "right_score": rng.normal(size=count),
        "greater": greater,
        "tied": np.ones(count, int),
        "relevant": np.ones(count, int),
        "rank": greater + 1.0,
        "rank_fused": greater + 1.0,
        "rank_global": greater + 2.0,
        "ap": 1 / (greater + 1.0),
        "ndcg10": 1 / np.log2(greater + 2.0),
        "relevant_items": [[owner] for owner in owners]
        + [[f"{video}#{i}" for i in range(CAPTIONS)] for video in videos],
        "answers": [videos[:2]] * len(captions) + [captions[:2]] * VIDEOS,
        "answer_scores": [[0.5, 0.25]] * count,
    }


def rsum_of(path: pathlib.Path) -> float:
    table = read_query_table(path)
    values = {}
    for direction in ("t2v", "v2t"):
        some = table.of_direction(direction)
        values[direction] = query_values(some.ranks(), np.unique(some["video"], return_inverse=True)[1])
    return metrics_of(values)[RSUM]


def write_run(folder: pathlib.Path, columns: dict[str, Any], **record: Any) -> pathlib.Path:
    """A run evaluated on split test; entries of `record` replace those of its JSON file."""
    queries = folder / "eval" / "test_queries.parquet"
    write_query_table(queries, columns)
    content = {
        "split": "test",
        "step": 1200,
        "rsum": rsum_of(queries),
        "videos": VIDEOS,
        "captions": VIDEOS * CAPTIONS,
        "protocol": {
            "name": "demo",
            "source": "the user's own",
            "lines": ["Protocol: demo, split test.", "Features: moments."],
            "official": None,
            "duplicate_captions": "every caption is its own query",
            "selection": "step 1,200 has the best Rsum on split val",
            "expected": {"videos": None, "captions": None},
            "features": "moments",
        },
        "data_fingerprint": "f1",
        **record,
    }
    (folder / "eval" / "test.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
