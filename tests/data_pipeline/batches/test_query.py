import dataclasses
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import BatchLimits, TextBatch
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.batches.query import QueryParser
from data_pipeline.errors import InputError
from data_pipeline.graphs.graph import MODIFIER_KINDS
from data_pipeline.manifest import Manifest
from data_pipeline.text.sentencepiece_model import train_tokenizer
from data_pipeline.text.vocabulary import open_tokenizer
from tests.support import ROOT

AMPLE = BatchLimits(
    max_frames=12, max_tokens=40, max_actions=3, max_entities=6, max_relationships=8, max_modifiers=4
)
SCARCE = BatchLimits(
    max_frames=12, max_tokens=8, max_actions=1, max_entities=2, max_relationships=1, max_modifiers=1
)
FIELDS = [field.name for field in dataclasses.fields(TextBatch) if field.name != "caption_group"]


def make_parser(folder: pathlib.Path, limits: BatchLimits = AMPLE) -> QueryParser:
    return QueryParser(folder, Manifest.load(folder), limits)


@pytest.mark.parametrize("limits", [AMPLE, SCARCE], ids=["ample", "scarce"])
def test_arrays_are_those_of_the_stored_captions(shapes: pathlib.Path, limits: BatchLimits) -> None:
    parser = make_parser(shapes, limits)
    captions = cut = 0
    for info, stored in SplitReader(shapes, Manifest.load(shapes), "train", limits).caption_batches(64):
        made = parser.batch(parser.parse(info.texts), 64)
        for name in FIELDS:
            expected, found = getattr(stored, name), getattr(made, name)
            jax.tree.map(np.testing.assert_array_equal, found, expected)
            assert jax.tree.map(lambda array: array.dtype, found) == jax.tree.map(
                lambda array: array.dtype, expected
            )
        groups = made.caption_group[: len(info.texts)]
        same = np.asarray(info.texts)[:, None] == np.asarray(info.texts)
        np.testing.assert_array_equal(groups[:, None] == groups, same)
        captions += len(info.texts)
        cut += int(made.token_mask.all(axis=1).sum())
    assert captions == 300
    assert (cut > 0) == (limits is SCARCE)


def test_tokens_belong_to_words(shapes: pathlib.Path) -> None:
    """Every token to the word that it is cut from, with the marks that touch it; cut like the tokens of the batch."""
    text = "two  xylophones, and a red-blue ball…"
    (query,) = make_parser(shapes).parse([f" {text}\n"])
    assert query.words == ["two", "xylophones,", "and", "a", "red-blue", "ball…"]
    tokens = open_tokenizer(shapes, Manifest.load(shapes).tokenizer).encode(text)
    assert len(query.word_of_token) == len(tokens.ids) > len(query.words)
    # White space before a word comes with its first token.
    pieces = [text[first:end].strip() for first, end in tokens.offsets]
    for number, word in enumerate(query.words):
        own = [piece for piece, owner in zip(pieces, query.word_of_token, strict=True) if owner == number]
        assert "".join(own) == word
    (scarce,) = make_parser(shapes, SCARCE).parse([text])
    np.testing.assert_array_equal(scarce.word_of_token, query.word_of_token[:8])


def test_phrases_stand_in_the_order_of_the_slots(shapes: pathlib.Path) -> None:
    parser = make_parser(shapes)
    (query,) = parser.parse(["a red ball pushes the small blue box"])
    assert query.phrases == {
        "entity": ["red ball", "small blue box"],
        "action": ["pushes"],
        "relationship": ["pushes –agent→ red ball", "pushes –patient→ small blue box"],
    }
    batch = parser.batch([query], 1)
    assert batch.node_mask[0].tolist() == [True, False, False, True, True, False, False, False, False]


@pytest.mark.parametrize("noun", ["ball", "dogs", "kitchen", "block", "xylophone"])
def test_a_single_noun_is_a_query(shapes: pathlib.Path, noun: str) -> None:
    parser = make_parser(shapes)
    (query,) = parser.parse([noun])
    assert query.phrases == {"entity": [noun], "action": [], "relationship": []} and not query.is_foreign
    assert parser.batch([query], 1).node_mask.sum() == 1


def test_phrases_say_what_is_denied_and_what_stands_elsewhere(shapes: pathlib.Path) -> None:
    parser = make_parser(shapes)
    (query,) = parser.parse(["the ball is red and a box moves slowly without a star"])
    assert query.phrases["entity"] == ["ball (red)", "box", "not star"]
    assert "moves (slowly)" in query.phrases["action"]
    batch = parser.batch([query], 1)
    assert batch.node_negated[0].tolist() == [False] * 5 + [True] + [False] * 3
    kinds = [MODIFIER_KINDS[kind] for kind in batch.modifier_kinds[0][batch.modifier_mask[0]]]
    assert kinds == ["colour", "manner"]
    denied = [edge for edge in query.edges if edge[2] == "not star"]
    assert denied and not any(role.startswith("not") for _, role, _ in denied)
    assert batch.edge_negated[0].sum() == len(denied)


def test_phrases_without_a_place_are_left_out(shapes: pathlib.Path) -> None:
    narrow = dataclasses.replace(AMPLE, max_actions=1, max_entities=2, max_relationships=1)
    (query,) = make_parser(shapes, narrow).parse(["a red ball pushes the small blue box behind a star"])
    assert [len(query.phrases[level]) for level in ("entity", "action", "relationship")] == [2, 1, 1]


def test_a_text_in_another_language_has_no_nodes(shapes: pathlib.Path) -> None:
    """The parser would find some, which mean nothing; its words are read all the same."""
    foreign, english = make_parser(shapes).parse(["un perro corre en la playa", "a dog runs on the beach"])
    assert foreign.is_foreign and not english.is_foreign
    assert not any(foreign.phrases.values()) and foreign.edges == []
    assert all(english.phrases.values())
    assert len(foreign.word_of_token) > 5


@pytest.mark.parametrize("text", ["", "  \n", "🐶 🎾", "?!…"])
def test_an_empty_text_is_refused(shapes: pathlib.Path, text: str) -> None:
    with pytest.raises(InputError, match=r"text 2 of 2 is .*there is nothing to search for"):
        make_parser(shapes).parse(["a ball", text])


def test_a_damaged_or_changed_tokenizer_is_refused(shapes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shapes, copy, ignore=shutil.ignore_patterns("records"))
    tokenizer = copy / Manifest.load(copy).tokenizer.file
    tokenizer.write_bytes(tokenizer.read_bytes()[:50])
    with pytest.raises(InputError, match=f"{tokenizer.name}.*prepare the data again"):
        make_parser(copy)
    train_tokenizer(["a red ball moves", "a blue box"], tokenizer, "bpe", 20)
    with pytest.raises(InputError, match=f"{tokenizer.name}: was changed .*prepare the data again"):
        make_parser(copy)


@pytest.mark.parametrize("changed", [{"model_version": "0.1"}, {"model": "en_core_web_absent"}])
def test_data_parsed_with_another_model_are_refused(shapes: pathlib.Path, changed: dict[str, str]) -> None:
    manifest = Manifest.load(shapes)
    other = dataclasses.replace(manifest, parser={**manifest.parser, **changed})
    with pytest.raises(
        InputError, match=r"manifest\.json: .* parsed with the spaCy model .* prepare the data again"
    ):
        QueryParser(shapes, other, AMPLE)


def test_parsing_texts_does_not_load_tensorflow(shapes: pathlib.Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from data_pipeline.manifest import Manifest\n"
        "from data_pipeline.batches.batch import BatchLimits\n"
        "from mcsan_jax.retrieval import explain, searcher\n"
        "from data_pipeline.batches.query import QueryParser\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "parser = QueryParser(folder, Manifest.load(folder), BatchLimits(12, 20, 2, 3, 4, 4))\n"
        "print(parser.batch(parser.parse(['a red ball moves']), 1).token_mask.sum() > 0, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(shapes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout.split() == ["True", "False"], done.stderr
