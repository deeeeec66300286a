"""What is written takes the place of an older file in one step: whoever reads meanwhile has one of the two, whole."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from data_pipeline.manifest import AttributeFile, FrameSampling, Manifest, SplitSummary, TokenizerFile
from data_pipeline.text.sentencepiece_model import train_tokenizer
from mcsan_jax.config import Config
from mcsan_jax.evaluation.protocols import describe_protocol
from mcsan_jax.evaluation.query_table import read_query_table, write_query_table
from mcsan_jax.evaluation.trec import write_trec
from mcsan_jax.ranking.rank_split import Evaluation
from mcsan_jax.runs.folder import RunFolder
from mcsan_jax.runs.record import EvaluationRecord
from tests.support.fake_evaluation import query_columns

PROTOCOL = describe_protocol("made up", "none", "test", 4, 8, False, None, 0, "none")


def write_figures(folder: Path, number: int) -> Path:
    directions = {"fused": {"t2v": {"R@1": float(number)}, "v2t": {"R@1": 0.0}, "rsum": float(number)}}
    evaluation = Evaluation(videos=4, captions=8, directions=directions, compositional={}, foils={})
    record = EvaluationRecord.make(
        dataclasses.asdict(evaluation), "test", number, Config(), "f1", {"protocol": PROTOCOL}
    )
    return RunFolder(folder).write_record(record)


def write_queries(folder: Path, number: int) -> Path:
    path = folder / "eval" / "test_queries.parquet"
    write_query_table(path, query_columns(seed=number))
    return path


def write_ranking(folder: Path, number: int) -> Path:
    columns = query_columns()
    columns["answer_scores"] = [[float(number), *scores[1:]] for scores in columns["answer_scores"]]
    path = folder / "eval" / "test_queries.parquet"
    write_query_table(path, columns)
    return write_trec(read_query_table(path), "test", folder / "trec")[1]


def write_manifest(folder: Path, number: int) -> Path:
    manifest = Manifest(
        dataset="made up",
        protocol="none",
        splits={"train": SplitSummary(number, number, 0)},
        streams=(),
        frames=FrameSampling("index", 0),
        tokenizer=TokenizerFile("word", 8, "tokenizer.model", "ab" * 32),
        word_vectors=None,
        roles=("none",),
        modifier_kinds=("colour",),
        attributes=AttributeFile("attributes.json", "cd" * 32, {"entity": 1}),
        parser={},
        records="records",
        checksums={},
        versions={},
    )
    manifest.save(folder)
    return folder / "manifest.json"


def write_tokenizer(folder: Path, number: int) -> Path:
    path = folder / "tokenizer.model"
    train_tokenizer(["a dog runs", f"a cat sleeps {number} hours"], path, "word", 20)
    return path


@pytest.mark.parametrize(
    "write", [write_figures, write_queries, write_ranking, write_manifest, write_tokenizer]
)
def test_a_new_file_takes_the_place_of_the_old_one(
    write: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    path = write(tmp_path, 1)
    # A second name of the same file sees what whoever opened it before sees.
    opened_before = tmp_path / "opened before"
    opened_before.hardlink_to(path)
    old = path.read_bytes()
    assert write(tmp_path, 2) == path
    assert path.read_bytes() != old
    assert opened_before.read_bytes() == old
