"""An image-text encoder on prepared data: evaluated as it is, and trained further."""

import json
import pathlib

import jax
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.prepared_data import (
    Manifest,
    OtherTokens,
    SplitReader,
    open_tokenizer,
    published_tokenizers,
)
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.runs.comparison import compare_runs
from tests.support import ROOT
from tests.support.command_line import run_main, run_mcsan
from tests.support.zero_shot_data import DATA, ENCODER, prepare


@pytest.fixture(scope="module")
def baseline(zero_shot_data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("baseline") / "run"
    ended = run_mcsan(
        "eval", zero_shot_data / DATA, f"--zero_shot={zero_shot_data / ENCODER}", f"--out={folder}"
    )
    assert ended.status == 0, ended.stderr
    assert "split test" in ended.stdout and "entity" in ended.stdout
    return folder


@pytest.fixture(scope="module")
def trained(zero_shot_data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    ended = run_main(
        f"--config={ROOT}/configs/custom.py:tiny",
        f"--config.data.dir={zero_shot_data / DATA}",
        f"--config.model.pretrained_video={zero_shot_data / ENCODER}",
        "--config.similarity.linear_branch=False",
        "--config.train.batch_size=8",
        "--config.train.epochs=1",
        f"--workdir={folder}",
    )
    assert ended.status == 0, ended.stderr
    (folder / "said.txt").write_text(ended.stdout, encoding="utf-8")
    return folder


def test_the_encoder_is_evaluated_as_a_run_is(baseline: pathlib.Path) -> None:
    record = json.loads((baseline / "eval" / "test.json").read_text())
    assert record["step"] == 0 and {"global", "entity", "fused"} <= record["directions"].keys()
    for file in ("test_queries.parquet", "test_report.html"):
        assert (baseline / "eval" / file).is_file()


@pytest.mark.slow
def test_training_begins_as_the_encoder_alone(baseline: pathlib.Path, trained: pathlib.Path) -> None:
    """The validation before the first step has the figures of the baseline, to the last digit."""
    record = json.loads((baseline / "eval" / "val.json").read_text())
    history = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    first = next(entry for entry in history if entry["kind"] == "val")
    assert first["step"] == 0
    for score, figures in record["directions"].items():
        assert first[f"rsum/{score}"] == pytest.approx(figures["rsum"])
    assert compare_runs(baseline, trained, "test")


@pytest.mark.slow
def test_the_trained_model_opens_where_the_encoder_is_not(
    zero_shot_data: pathlib.Path, trained: pathlib.Path
) -> None:
    """Its folder holds the text tower, and queries are read as by the run."""
    model, run = (Mcsan.from_pretrained(folder, jax.devices()[:1]) for folder in (trained / "model", trained))
    query = ["the red ball moves"]
    np.testing.assert_array_equal(
        model.encode_query(query).collection.pooled, run.encode_query(query).collection.pooled
    )
    assert (trained / "model" / "tokenizer.json").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--zero_shot={encoder}", "--data={data}"),
            "with --zero_shot the prepared data are the first argument",
        ),
        (("--out=elsewhere",), "--out=elsewhere is for --zero_shot"),
        (("--zero_shot={data}",), "expected the description of an image-text encoder"),
        (("--zero_shot=minilm",), "expected the description of an image-text encoder"),
        (("--zero_shot={encoder}s",), "did you mean {encoder}? "),
    ],
    ids=[
        "data twice",
        "a folder without an encoder",
        "no encoder",
        "an encoder of texts alone",
        "a misspelled one",
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    words: tuple[str, ...], said: str, zero_shot_data: pathlib.Path
) -> None:
    *named, expected = (
        word.format(encoder=zero_shot_data / ENCODER, data=zero_shot_data / DATA) for word in (*words, said)
    )
    ended = run_mcsan("eval", zero_shot_data / DATA, *named)
    assert ended.status == 2 and expected in ended.stderr and "Traceback" not in ended.stderr, ended.stderr


def test_frames_of_another_encoder_are_refused(
    zero_shot_data: pathlib.Path, shapes: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    encoder = zero_shot_data / ENCODER
    ended = run_mcsan("eval", shapes, f"--zero_shot={encoder}", f"--out={tmp_path / 'one'}")
    assert ended.status == 2 and "no stream of frames has the embeddings" in ended.stderr, ended.stderr
    assert not (tmp_path / "one").exists()


@pytest.mark.slow
def test_captions_of_another_tokenizer_are_read_with_the_encoders_own(
    baseline: pathlib.Path, zero_shot_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """They are the captions of data that were prepared with it, with the same graphs."""
    encoder, data = zero_shot_data / ENCODER, tmp_path / "data"
    prepare(zero_shot_data, data, "--tokenizer=word")
    manifest, limits = Manifest.load(data), BatchLimits(4, 60, 4, 6, 8, 8)
    tokens = OtherTokens(open_tokenizer(data, manifest.tokenizer), published_tokenizers(encoder)[0])
    ((read, texts),) = SplitReader(data, manifest, "test", limits, tokens).caption_batches(40)
    own = Manifest.load(zero_shot_data / DATA)
    ((stored, expected),) = SplitReader(zero_shot_data / DATA, own, "test", limits).caption_batches(40)
    assert read.texts == stored.texts
    jax.tree.map(np.testing.assert_array_equal, texts, expected)

    folder = tmp_path / "run"
    ids = [
        name for names, _ in SplitReader(data, manifest, "test", limits).video_batches(40) for name in names
    ]
    foils = [(row, (row + 7) % len(read.texts)) for row in range(0, len(read.texts), 3)]
    (tmp_path / "foils.tsv").write_text(
        "".join(f"{ids[read.videos[a]]}\t{read.texts[a]}\t{read.texts[b]}\n" for a, b in foils)
    )
    asking = ("--save-scores", f"--foils={tmp_path / 'foils.tsv'}")
    ended = run_mcsan("eval", data, f"--zero_shot={encoder}", f"--out={folder}", "--split=test", *asking)
    assert ended.status == 0, ended.stderr
    (test,) = json.loads((folder / "eval" / "test.json").read_text())["foil_tests"]
    scores = np.load(folder / "eval" / "test_scores.npy", allow_pickle=False)
    right = [scores[read.videos[a], a] > scores[read.videos[a], b] for a, b in foils]
    assert test["kinds"][0]["scores"]["fused"]["accuracy"] == pytest.approx(100 * np.mean(right))
    assert f"read with the tokenizer of {encoder}; the data were prepared with another (word" in ended.stdout
    first, second = (pq.read_table(run / "eval" / "test_queries.parquet") for run in (baseline, folder))
    # Without a count of the encoder's tokens in the data, captions are cut later, so that long ones rank otherwise.
    most = json.loads((baseline / "config.json").read_text())["data.max_tokens"]
    whole = expected.token_mask.sum(axis=1) <= most
    assert 20 < whole.sum() < len(whole)
    by_text = pc.equal(first["direction"], "t2v")
    for score in ("global", "fused"):
        ranks, others = (table.filter(by_text)[f"rank_{score}"].to_numpy() for table in (first, second))
        np.testing.assert_array_equal(ranks[whole], others[whole])
