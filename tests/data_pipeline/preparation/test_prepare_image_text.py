"""Captions that are prepared for the text tower of an image–text encoder, and queries that it reads."""

from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.batches.batch import BatchLimits
from data_pipeline.batches.pipeline import SplitReader
from data_pipeline.batches.query import QueryParser
from data_pipeline.manifest import Manifest
from data_pipeline.text.vocabulary import open_tokenizer, published_tokenizers
from tests.support.command_line import run_prepare
from tests.support.corpus import Corpus
from tests.support.image_text_folder import save_encoder_with_tokenizer

LIMITS = BatchLimits(
    max_frames=4, max_tokens=30, max_actions=2, max_entities=4, max_relationships=4, max_modifiers=4
)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2"])
def test_the_folder_of_an_encoder_says_how_captions_and_queries_are_cut(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = save_encoder_with_tokenizer(tmp_path / "encoder", kind)
    (folder / "tokenizer.json").unlink() if kind == "clip" else None
    assert run_prepare(corpus.arguments(f"--tokenizer_file={folder}", tokenizer=None)) == 0
    manifest, (published,) = Manifest.load(corpus.out), published_tokenizers(folder)
    assert f"\ntokens {published.size} ({kind}); " in capsys.readouterr().out
    described = manifest.tokenizer
    assert (described.kind, described.sha256) == (kind, published.sha256)
    # CLIP's two files became one.
    assert described.file == ("spiece.model" if kind == "siglip" else "tokenizer.json")
    tokenizer = open_tokenizer(corpus.out, described)
    parser = QueryParser(corpus.out, manifest, LIMITS)
    for info, stored in SplitReader(corpus.out, manifest, "train", LIMITS).caption_batches(16):
        made = parser.batch(parser.parse(info.texts), 16)
        for name in ("token_ids", "token_mask", "node_spans", "node_mask", "edge_source", "edge_mask"):
            jax.tree.map(np.testing.assert_array_equal, getattr(made, name), getattr(stored, name))
        for row, text in enumerate(info.texts):
            own = np.asarray(stored.token_ids)[row][np.asarray(stored.token_mask)[row]]
            assert tokenizer.decode(own).split() == text.lower().split()
