"""Makes the folder of a run whose figures come from a random score matrix, ranked as real ones are."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mcsan_jax.evaluation.metrics import recall_sum, retrieval_metrics
from mcsan_jax.evaluation.query_table import write_query_table
from mcsan_jax.evaluation.ranking import Ranks, text_to_video_ranks, video_to_text_ranks
from mcsan_jax.evaluation.significance import bootstrap_intervals, query_values

VIDEOS, CAPTIONS_EACH, HUB_K = 60, 4, 10
LEVELS = ("global", "entity", "action", "relationship")
HOSTILE = "<script>alert(1)</script> & a man's “$x$” dog"
OWNERS = np.repeat(np.arange(VIDEOS), CAPTIONS_EACH)
VIDEO_IDS = np.array([f"video{index}" for index in range(VIDEOS)], object)
CAPTION_IDS = np.array([f"video{owner}#{row % CAPTIONS_EACH}" for row, owner in enumerate(OWNERS)], object)
WORDS = np.random.default_rng(5).integers(3, 25, len(OWNERS))
TEXTS = [HOSTILE, *(" ".join(["word"] * int(count)) for count in WORDS[1:])]


def write_run(
    folder: Path, split: str = "test", seed: int = 0, changes: dict[str, Any] | None = None
) -> Path:
    """A complete run; `changes` are made to its configuration."""
    scores = level_scores(seed)
    (folder / "eval").mkdir(parents=True, exist_ok=True)
    config = {
        "name": folder.name,
        "data.test_split": "test",
        "data.validation_split": "val",
        "data.prepare_hint": "https://example.org/" + "x" * 200,
        "model.levels": list(LEVELS),
        "loss.focal_gamma": 2.0,
        "train.seed": seed,
        **(changes or {}),
    }
    versions = {"mcsan-jax": "0.1.0", "jax": "0.10.2", "numpy": "2.4.6"}
    _write(folder / "config.json", {**config, "data_fingerprint": "ab" * 32, "versions": versions})
    evaluation = evaluate(scores, split, seed)
    _write(folder / "eval" / f"{split}.json", {**evaluation, "config": config, "versions": versions})
    write_query_table(folder / "eval" / f"{split}_queries.parquet", query_columns(scores))
    write_history(folder / "metrics.jsonl", evaluation)
    return folder


def level_scores(seed: int) -> dict[str, np.ndarray]:
    """Random scores [v, t] of each level, higher for matched pairs, and the fused ones."""
    random = np.random.default_rng(seed)
    matched = OWNERS[None] == np.arange(VIDEOS)[:, None]
    scores = {
        level: (0.2 * random.standard_normal(matched.shape) + (0.1 + 0.1 * place) * matched).clip(-1, 1)
        for place, level in enumerate(LEVELS)
    }
    return {"fused": np.mean(list(scores.values()), axis=0, dtype=np.float32), **scores}


def evaluate(scores: dict[str, np.ndarray], split: str, seed: int) -> dict[str, Any]:
    """The content of ``eval/<split>.json`` but for configuration and versions."""
    directions: dict[str, Any] = {}
    for part, matrix in scores.items():
        t2v = retrieval_metrics(text_to_video_ranks(matrix, OWNERS))
        v2t = retrieval_metrics(video_to_text_ranks(matrix, OWNERS))
        directions[part] = {"t2v": t2v, "v2t": v2t, "rsum": recall_sum(t2v, v2t)}
    fused = scores["fused"]
    sides = {
        "t2v": (text_to_video_ranks(fused, OWNERS), OWNERS),
        "v2t": (video_to_text_ranks(fused, OWNERS), None),
    }
    for direction, precisions in average_precisions(fused).items():
        directions["fused"][direction] |= {"mAP": 100 * precisions.mean(), "nDCG@10": 100 * precisions.mean()}
    random = np.random.default_rng(seed)
    thirds = ("frequent", "medium", "rare")
    everything = directions["fused"]
    return {
        "split": split,
        "step": 60,
        "rsum": everything["rsum"],
        "videos": VIDEOS,
        "captions": len(OWNERS),
        "protocol": {
            "name": "a set of one's own",
            "source": "made by a test",
            "lines": [
                "Protocol: a set of one's own, split test.",
                "Queries: every caption is its own query.",
            ],
            "official": None,
            "duplicate_captions": "every caption is its own query",
            "selection": "step 60 has the best Rsum on split val",
            "expected": {"videos": None, "captions": None},
            "features": "grid [128]",
        },
        "directions": directions,
        "intervals": bootstrap_intervals(
            {
                direction: query_values(ranks, np.arange(VIDEOS) if owners is None else owners)
                for direction, (ranks, owners) in sides.items()
            },
            resamples=100,
        ),
        "level_weights": dict.fromkeys(LEVELS, 0.25),
        "compositional": {part: {"action": 91.5, "entity": 73.25} for part in scores},
        "foils": {"action": 200, "entity": 240},
        "attributes": {
            level: {
                third: {
                    "count": 33,
                    "mAP": float(50 / (1 + place) + random.uniform(0, 5)),
                    "chance": 6.0 / (1 + place),
                }
                for place, third in enumerate(thirds)
            }
            for level in LEVELS[1:]
        },
        "densities": densities(fused),
        "hubs": {"t2v": hubs(fused, VIDEO_IDS), "v2t": hubs(fused.T, CAPTION_IDS)},
        "worst": worst(scores),
        "false_negatives": {
            "queries": 3,
            "share": 1.25,
            "examples": [
                {"query": CAPTION_IDS[0], "text": HOSTILE, "video": "video0", "other": "video7", "rank": 5.5}
            ],
            "rsum_merged": everything["rsum"] + 1,
        },
        "ablation": [
            {"name": "as trained", **everything},
            *({"name": f"only {level}", **directions[level]} for level in LEVELS),
        ],
        "hubness": [
            {
                "name": name,
                "transductive": name == "DSL",
                "temperature": temperature,
                **directions["relationship"],
                "hubs": {"t2v": hubs(fused, VIDEO_IDS), "v2t": hubs(fused.T, CAPTION_IDS)},
            }
            for name, temperature in (
                ("no correction", None),
                ("inverted softmax", 0.05),
                ("CSLS", None),
                ("DSL", 0.01),
            )
        ],
        "ties": "counted by expectation",
        "data_fingerprint": "ab" * 32,
    }


def densities(fused: np.ndarray) -> dict[str, list]:
    matched = OWNERS[None] == np.arange(VIDEOS)[:, None]
    edges = np.linspace(-1, 1, 201)
    return {
        "edges": edges.tolist(),
        "matched": np.histogram(fused[matched], edges)[0].tolist(),
        "others": np.histogram(fused[~matched], edges)[0].tolist(),
    }


def hubs(scores: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
    """Occurrences of the rows among the best of each column [item, query]."""
    best = np.argsort(-scores, axis=0)[:HUB_K]
    times = np.bincount(best.ravel(), minlength=len(ids))
    top = np.argsort(-times, kind="stable")[:10]
    return {
        "k": HUB_K,
        "skewness": float(np.mean((times - times.mean()) ** 3) / times.std() ** 3),
        "top": [{"id": ids[item], "occurrences": int(times[item])} for item in top],
        "histogram": np.bincount(times).tolist(),
    }


def worst(scores: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    fused = scores["fused"]
    ranks = text_to_video_ranks(fused, OWNERS).expected_rank()
    found = []
    for caption in np.argsort(-ranks, kind="stable")[:20]:
        right = OWNERS[caption]
        returned = [video for video in np.argsort(-fused[:, caption]) if video != right][:3]
        parts = {
            part: {"right": float(matrix[right, caption]), "returned": float(matrix[returned[0], caption])}
            for part, matrix in scores.items()
        }
        lead = {level: parts[level]["returned"] - parts[level]["right"] for level in LEVELS}
        found.append(
            {
                "query": CAPTION_IDS[caption],
                "text": TEXTS[caption],
                "video": VIDEO_IDS[right],
                "rank": float(ranks[caption]),
                "returned": [
                    {
                        "video": VIDEO_IDS[v],
                        "score": float(fused[v, caption]),
                        "text": TEXTS[v * CAPTIONS_EACH],
                    }
                    for v in returned
                ],
                "parts": parts,
                "blame": max(LEVELS, key=lead.__getitem__),
            }
        )
    return found


def average_precisions(fused: np.ndarray) -> dict[str, np.ndarray]:
    """Of every query; the random scores have no ties."""
    right = OWNERS[None] == np.arange(VIDEOS)[:, None]
    return {
        "t2v": np.array([_precision(s, r) for s, r in zip(fused.T, right.T, strict=True)]),
        "v2t": np.array([_precision(s, r) for s, r in zip(fused, right, strict=True)]),
    }


def query_columns(scores: dict[str, np.ndarray]) -> dict[str, list]:
    """The columns of ``eval/<split>_queries.parquet``."""
    captions, none = len(OWNERS), [None] * VIDEOS
    nodes = np.random.default_rng(6).integers(0, 5, (3, captions))
    fused = scores["fused"]
    ranks = {
        part: (text_to_video_ranks(m, OWNERS), video_to_text_ranks(m, OWNERS)) for part, m in scores.items()
    }
    precisions = np.concatenate(list(average_precisions(fused).values()))
    both: Ranks = Ranks(
        *(
            np.concatenate([getattr(r, name) for r in ranks["fused"]])
            for name in ("greater", "tied", "relevant")
        )
    )
    own = [CAPTION_IDS[video == OWNERS].tolist() for video in range(VIDEOS)]
    best = [VIDEO_IDS[np.argsort(-column)[:5]].tolist() for column in fused.T]
    best += [CAPTION_IDS[np.argsort(-row)[:5]].tolist() for row in fused]
    return {
        "direction": ["t2v"] * captions + ["v2t"] * VIDEOS,
        "query": [*CAPTION_IDS, *VIDEO_IDS],
        "text": [*TEXTS, *none],
        "video": [*VIDEO_IDS[OWNERS], *VIDEO_IDS],
        "words": [*WORDS.tolist(), *none],
        **{
            f"nodes_{level}": [*counts.tolist(), *none]
            for level, counts in zip(LEVELS[1:], nodes, strict=True)
        },
        "right_score": [float(fused[owner, row]) for row, owner in enumerate(OWNERS)]
        + [float(row[video == OWNERS].max()) for video, row in enumerate(fused)],
        "greater": both.greater.tolist(),
        "tied": both.tied.tolist(),
        "relevant": both.relevant.tolist(),
        "rank": both.expected_rank().tolist(),
        **{
            f"rank_{part}": np.concatenate([r.expected_rank() for r in of_part]).tolist()
            for part, of_part in ranks.items()
        },
        "ap": precisions.tolist(),
        "ndcg10": precisions.tolist(),
        "relevant_items": [*([VIDEO_IDS[owner]] for owner in OWNERS), *own],
        "answers": best,
        "answer_scores": [
            *(np.sort(c)[::-1][:5].tolist() for c in fused.T),
            *(np.sort(r)[::-1][:5].tolist() for r in fused),
        ],
    }


def write_history(path: Path, evaluation: dict[str, Any]) -> None:
    """Curves that fall and rise as those of a training do."""
    lines = []
    for step in range(5, 65, 5):
        terms = {f"{term}/{level}": 30.0 / step for term in ("fbce", "kl") for level in LEVELS[1:]}
        lines.append({"step": step, "kind": "train", "loss": 100.0 / step, "ranking": 5.0 / step, **terms})
        if step % 20 == 0:
            sums = {
                f"rsum/{part}": both["rsum"] * step / 60 for part, both in evaluation["directions"].items()
            }
            lines.append({"step": step, "kind": "val", **sums})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def change_evaluation(folder: Path, **values: Any) -> None:
    """Sets keys of the evaluation of the test split; a key whose value is None is taken away."""
    path = folder / "eval" / "test.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    _write(path, {key: value for key, value in content.items() if value is not None})


def _precision(scores: np.ndarray, right: np.ndarray) -> float:
    ordered = right[np.argsort(-scores)]
    places = np.nonzero(ordered)[0]
    return float(np.mean(np.arange(1, len(places) + 1) / (places + 1)))


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
