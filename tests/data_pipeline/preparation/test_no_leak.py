"""Nothing of the validation and test videos reaches what is learned before training: prepared twice with other ones."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from data_pipeline.manifest import Manifest
from data_pipeline.text.vocabulary import load_tokenizer
from tests.support.command_line import run_prepare
from tests.support.corpus import write_hdf5

DIM = 5
TRAINING = {
    "clip0": ["a man kicks a ball", "a man is kicking a red ball"],
    "clip1": ["a woman holds a cat", "a woman is holding the cat"],
    "clip2": ["the dog chases a cat in the park", "a dog is chasing a cat"],
    "clip3": ["a man chases the dog", "a man kicks a ball in the park"],
}
HELD_OUT = (
    {
        "val0": ["a zebra juggles a zither", "a zebra is juggling zithers"],
        "test0": ["a wizard vexes a zeppelin"],
    },
    {
        **{f"val{i}": ["an oxpecker squeezes a xylophone", "a quokka yodels"] for i in range(3)},
        "test0": ["a man kicks a ball"],
    },
)
"""Other words, and often enough for every attribute to be frequent if they were counted."""
NEW_WORDS = ("zebra", "juggle", "zither", "wizard", "vex", "zeppelin", "xylophone", "oxpecker", "quokka")
LEARNED = ("attributes.json", "tokenizer.model")


class Variant(NamedTuple):
    out: Path
    manifest: Manifest


def prepare(folder: Path, held_out: dict[str, list[str]], kind: str, graph_cache: Path, seed: int) -> Variant:
    """The same training videos, other ones held out, with features of another mean."""
    folder.mkdir()
    captions = {**held_out, **TRAINING}
    rows = [
        {"video_id": name, "caption": text, "split": name[:-1] if name in held_out else "train"}
        for name, texts in captions.items()
        for text in texts
    ]
    annotations = folder / "captions.jsonl"
    annotations.write_text("".join(json.dumps(row) + "\n" for row in rows))
    of_training, of_others = np.random.default_rng(0), np.random.default_rng(seed)
    features = {name: of_training.normal(size=(4, DIM)) for name in TRAINING}
    features |= {name: 100.0 * seed + of_others.normal(size=(3, DIM)) for name in held_out}
    out = folder / "data"
    arguments = {
        "dataset": "jsonl",
        "annotations": annotations,
        "features": write_hdf5(folder / "features.h5", features),
        "out": out,
        "graph_cache": graph_cache,
        "attribute_minimum_videos": 1,
        "tokenizer": kind,
        "vocabulary_size": 60,
    }
    assert run_prepare([f"--{key}={value}" for key, value in arguments.items()]) == 0
    return Variant(out, Manifest.load(out))


@pytest.fixture(scope="module", params=["unigram", "bpe", "word"])
def variants(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, graph_cache: Path
) -> tuple[Variant, Variant]:
    folder = tmp_path_factory.mktemp("leak")
    first, second = (
        prepare(folder / str(seed), held_out, request.param, graph_cache, seed)
        for seed, held_out in enumerate(HELD_OUT, 1)
    )
    return first, second


def test_what_is_learned_does_not_know_what_is_held_out(variants: tuple[Variant, Variant]) -> None:
    first, second = variants
    for name in LEARNED:
        assert (first.out / name).read_bytes() == (second.out / name).read_bytes()
    assert first.manifest.streams == second.manifest.streams
    assert first.manifest.tokenizer == second.manifest.tokenizer
    assert first.manifest.attributes == second.manifest.attributes
    assert first.manifest.splits["val"] != second.manifest.splits["val"]


def test_training_records_are_the_same(variants: tuple[Variant, Variant]) -> None:
    checksums = [
        {name: sha for name, sha in variant.manifest.checksums.items() if "-train." in name}
        for variant in variants
    ]
    assert checksums[0] and checksums[0] == checksums[1]
    assert variants[0].manifest.checksums != variants[1].manifest.checksums


def test_feature_statistics_are_of_training_videos(variants: tuple[Variant, Variant]) -> None:
    """Held-out features are around 100 and 200."""
    for variant in variants:
        [stream] = variant.manifest.streams
        assert np.abs(stream.mean).max() < 2 and np.max(stream.std) < 3


def test_words_of_held_out_captions_are_no_attributes_and_no_tokens(
    variants: tuple[Variant, Variant],
) -> None:
    for variant in variants:
        attributes = json.loads((variant.out / "attributes.json").read_text())
        names = [name for level in variant.manifest.attribute_sizes for name, _ in attributes[level]]
        assert {"kick", "ball"} <= set(names)
        assert not [name for name in names if any(word in name for word in NEW_WORDS)]
        tokenizer = load_tokenizer(
            variant.out / variant.manifest.tokenizer.file, variant.manifest.tokenizer.kind
        )
        assert tokenizer.unknown_id not in tokenizer.encode("a man kicks a ball").ids
        for word in NEW_WORDS:
            ids = tokenizer.encode(word).ids
            assert len(ids) > 1 or ids == [tokenizer.unknown_id], word
