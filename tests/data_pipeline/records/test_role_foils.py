"""False captions with exchanged roles, from `--role_foils` to the records."""

import re
from pathlib import Path

import pytest

from data_pipeline.manifest import Manifest
from data_pipeline.text.vocabulary import load_tokenizer
from tests.support.command_line import run_inspect, run_prepare
from tests.support.corpus import Corpus, read_records, write_corpus


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, graph_cache: Path) -> Corpus:
    corpus = write_corpus(tmp_path_factory.mktemp("role_foils"), graph_cache)
    assert run_prepare(corpus.arguments("--protocol=full", "--role_foils")) == 0
    return corpus


def test_only_videos_that_are_not_trained_on_have_them(made: Corpus) -> None:
    splits = Manifest.load(made.out).splits
    assert {name: split.foils for name, split in splits.items()} == {"train": 0, "val": 3, "test": 3}


def test_foils_to_train_with_are_those_of_training_captions(
    tmp_path: Path, graph_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path, graph_cache)
    assert run_prepare(corpus.arguments("--protocol=full", "--foils=1")) == 0
    splits = Manifest.load(corpus.out).splits
    assert [split.foils > 0 for split in splits.values()] == [True, False, False]
    foils, captions = splits["train"].foils, splits["train"].captions
    # A kind without any foil is told as well; each caption has one foil at most.
    printed = capsys.readouterr().out
    assert f"foils of train {foils} (role " in printed and ", order 0);" in printed
    assert f"{captions - foils} of {captions} captions have none" in printed
    assert run_inspect(str(corpus.out)) == 0
    assert re.search(r"order +0 +0 +0\b", capsys.readouterr().out)
    for record in read_records(corpus.out, "train").values():
        made_from = record["foils"]["caption_indices"]
        assert len(set(made_from)) == len(made_from)
        for index, text in zip(made_from, record["foils"]["texts"], strict=True):
            assert text not in record["captions"]["texts"]
            # Words are replaced or change places.
            assert len(text.split()) == len(record["captions"]["texts"][index].split())


def test_a_foil_belongs_to_its_caption_and_has_its_words(made: Corpus) -> None:
    described = Manifest.load(made.out).tokenizer
    tokenizer = load_tokenizer(made.out / described.file, described.kind)
    [record] = read_records(made.out, "test").values()
    foils = record["foils"]
    assert [kind.decode() for kind in foils["kinds"]] == ["role"] * 3
    assert foils["caption_indices"].tolist() == [0, 1, 2]
    texts = [text.decode() for text in foils["texts"]]
    assert texts == [
        "a ball is chasing a man in the park",
        "a ball is holding a woman in the park",
        "a ball kicks the dog in the park",
    ]
    for text, caption in zip(texts, record["captions"]["texts"], strict=True):
        words = [sorted(tokenizer.encode(one).ids) for one in (text, caption.decode())]
        assert words[0] == words[1]


def test_moving_shapes_have_foils_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run_prepare(["--dataset=moving_shapes", f"--out={tmp_path / 'out'}", "--role_foils"])
    assert status == 2
    assert "--role_foils has no use with --dataset=moving_shapes" in capsys.readouterr().err
