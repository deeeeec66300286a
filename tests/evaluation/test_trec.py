import pathlib
from typing import Any

import ir_measures
import numpy as np
import pytest

from data_pipeline.errors import InputError
from mcsan_jax.evaluation.query_table import QueryTable, read_query_table, write_query_table
from mcsan_jax.evaluation.trec import write_trec
from mcsan_jax.ranking.metrics import retrieval_metrics
from mcsan_jax.ranking.ranks import text_to_video_ranks, video_to_text_ranks


def evaluated(
    folder: pathlib.Path, scores: np.ndarray, owners: np.ndarray, answers: int = 50, video: str = "video{}"
) -> QueryTable:
    """The table of queries with these scores [v, t], read from a file in the folder."""
    videos = [video.format(number) for number in range(len(scores))]
    captions = [f"{videos[owner]}#{number}" for number, owner in enumerate(owners)]
    t2v, v2t = text_to_video_ranks(scores, owners), video_to_text_ranks(scores, owners)
    described = np.unique(owners)
    directions: list[tuple[str, str, np.ndarray, list[str], list[str]]] = [
        ("t2v", captions[t], scores[:, t], videos, [videos[owner]]) for t, owner in enumerate(owners)
    ]
    directions += [
        ("v2t", videos[v], scores[v], captions, [captions[t] for t in np.nonzero(owners == v)[0]])
        for v in described
    ]
    columns: dict[str, Any] = {
        name: [] for name in ("direction", "query", "relevant_items", "answers", "answer_scores")
    }
    for direction, query, own, items, relevant in directions:
        best = np.argsort(-own, kind="stable")[:answers]
        columns["direction"].append(direction)
        columns["query"].append(query)
        columns["relevant_items"].append(relevant)
        columns["answers"].append([items[item] for item in best])
        columns["answer_scores"].append(own[best])
    count = len(directions)
    ranks = np.concatenate([t2v.expected_rank(), v2t.expected_rank()])
    columns |= {
        name: np.concatenate([getattr(t2v, name), getattr(v2t, name)])
        for name in ("greater", "tied", "relevant")
    }
    columns |= {
        "video": [query.split("#")[0] for query in columns["query"]],
        "rank": ranks,
        "rank_fused": ranks,
    }
    columns |= {name: np.zeros(count) for name in ("relevant_score", "ap", "ndcg10")}
    columns |= {
        name: [None] * count
        for name in ("text", "words", "nodes_entity", "nodes_action", "nodes_relationship")
    }
    write_query_table(folder / "test_queries.parquet", columns)
    return read_query_table(folder / "test_queries.parquet")


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    """Scores without ties, some a single float32 step apart, of 30 videos with 90 captions; one video has none."""
    generator = np.random.default_rng(0)
    count = 30 * 90
    steps = np.float32(0.3).view(np.int32) + generator.permutation(count).astype(np.int32)
    scores = steps.view(np.float32).reshape(30, 90)
    assert len(np.unique(scores)) == count
    owners = generator.integers(0, 29, 90)
    right = scores[owners, np.arange(90)]
    # Swapped with the largest of its column in a third of the columns, so that recalls are not all chance.
    for t in range(0, 90, 3):
        top = int(np.argmax(scores[:, t]))
        scores[owners[t], t], scores[top, t] = scores[top, t], right[t]
    return scores, owners


def test_an_independent_program_finds_our_recalls(
    problem: tuple[np.ndarray, np.ndarray], tmp_path: pathlib.Path
) -> None:
    scores, owners = problem
    files = write_trec(evaluated(tmp_path, scores, owners), "test", tmp_path / "trec")
    assert [file.name for file in files] == [
        "test_t2v.qrels",
        "test_t2v.run",
        "test_v2t.qrels",
        "test_v2t.run",
    ]
    assert sorted(files) == sorted((tmp_path / "trec").iterdir())
    for (qrels, run), ranks in (
        (files[:2], text_to_video_ranks(scores, owners)),
        (files[2:], video_to_text_ranks(scores, owners)),
    ):
        ours = retrieval_metrics(ranks)
        assert 5 < ours["R@1"] < ours["R@10"] < 100
        theirs = ir_measures.calc_aggregate(
            [ir_measures.Success @ k for k in (1, 5, 10)],
            ir_measures.read_trec_qrels(str(qrels)),
            ir_measures.read_trec_run(str(run)),
        )
        for k in (1, 5, 10):
            assert 100 * theirs[ir_measures.Success @ k] == pytest.approx(ours[f"R@{k}"], abs=1e-9)


def test_scores_are_read_as_they_were(problem: tuple[np.ndarray, np.ndarray], tmp_path: pathlib.Path) -> None:
    scores, owners = problem
    _, run, qrels, _ = write_trec(evaluated(tmp_path, scores, owners, answers=7), "test", tmp_path)
    answers: dict[str, dict[str, float]] = {}
    for one in ir_measures.read_trec_run(str(run)):
        answers.setdefault(one.query_id, {})[one.doc_id] = one.score
    assert len(answers) == 90
    for t, owner in enumerate(owners):
        found = answers[f"video{owner}#{t}"]
        best = np.argsort(-scores[:, t])[:7]
        assert list(found) == [f"video{v}" for v in best]
        assert np.array_equal(np.array(list(found.values()), np.float32), scores[best, t])
    judged = [
        (one.query_id, one.doc_id) for one in ir_measures.read_trec_qrels(str(qrels)) if one.relevance == 1
    ]
    expected = [(f"video{v}", f"video{v}#{t}") for v in np.unique(owners) for t in np.nonzero(owners == v)[0]]
    assert sorted(judged) == sorted(expected)


def test_among_equal_scores_trec_eval_takes_the_largest_id_first() -> None:
    run = {"q": {"a": 0.5, "b": 0.5, "c": 0.1}}
    hits = {
        item: ir_measures.calc_aggregate([ir_measures.Success @ 1], {"q": {item: 1}}, run)[
            ir_measures.Success @ 1
        ]
        for item in run["q"]
    }
    assert hits == {"a": 0.0, "b": 1.0, "c": 0.0}


def test_ids_with_white_space_are_refused(tmp_path: pathlib.Path) -> None:
    table = evaluated(tmp_path, np.eye(2, dtype=np.float32), np.arange(2), video="my video {}")
    with pytest.raises(InputError, match=r"test_queries.parquet, t2v: 4 ids .* white space.*'my video 0'"):
        write_trec(table, "test", tmp_path / "trec")
    assert not (tmp_path / "trec").exists()
