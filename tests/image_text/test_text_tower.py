"""The text towers against the library with which the encoders were published, from the text to the embedding."""

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers

from data_pipeline.text.tokenizer import token_span
from data_pipeline.text.vocabulary import published_tokenizers
from mcsan_jax.image_text.text_tower import embed_phrases
from mcsan_jax.pretrained.text_tower_files import read_text_tower
from tests.image_text.text_parity import TEXTS, applied, arrays_of, check_parity
from tests.support.image_text_folder import save_encoder_with_tokenizer

KINDS = ("clip", "siglip", "siglip2")


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An encoder of each kind with its tokenizer; the third of the texts is too long for it."""
    return save_encoder_with_tokenizer(tmp_path_factory.mktemp(request.param), request.param)


def test_a_text_has_the_embedding_and_the_states_of_the_reference(folder: pathlib.Path) -> None:
    """Among the texts are an empty one and one that is cut, and keeps its last token."""
    encoder = read_text_tower(str(folder))
    counts = np.asarray(arrays_of(folder, TEXTS)[1].sum(axis=1))
    assert counts[3] == 0 < counts[0] < counts[1] <= encoder.longest_text < counts[2]
    check_parity(folder, TEXTS, 2e-5)


def test_a_text_is_read_alike_beside_longer_ones(folder: pathlib.Path) -> None:
    encoder = read_text_tower(str(folder))
    tower = applied(encoder)
    alone, beside, wide = (
        jax.device_get(tower(*arrays_of(folder, texts, width)))
        for texts, width in ((TEXTS[:1], None), (TEXTS[:3], None), (TEXTS[:1], 40))
    )
    for other in (beside, wide):
        np.testing.assert_allclose(other[1][:1], alone[1], rtol=0, atol=2e-5)
        np.testing.assert_allclose(other[0][:1, : alone[0].shape[1]], alone[0], rtol=0, atol=2e-5)


def test_a_text_as_long_as_can_be_is_read_to_its_end(folder: pathlib.Path) -> None:
    """One more token has no state and changes nothing."""
    encoder = read_text_tower(str(folder))
    longest = encoder.longest_text
    ids = jnp.asarray(np.random.default_rng(0).integers(10, 40, (1, longest + 1)), jnp.int32)
    tower, whole = applied(encoder), jnp.ones_like(ids, bool)
    states, embedding = tower(ids, whole)
    expected = tower(ids[:, :longest], whole[:, :longest])
    np.testing.assert_allclose(embedding, expected[1], rtol=0, atol=2e-5)
    np.testing.assert_allclose(states[:, :longest], expected[0], rtol=0, atol=2e-5)
    assert not states[:, longest:].any() and states[:, longest - 1].any()
    assert np.abs(embedding - tower(ids[:, : longest - 1], whole[:, : longest - 1])[1]).max() > 0.01


def test_options_change_no_result(folder: pathlib.Path) -> None:
    encoder = read_text_tower(str(folder))
    arrays = arrays_of(folder, TEXTS)
    expected = applied(encoder)(*arrays)
    for found, same in zip(applied(encoder, remat=True)(*arrays), expected, strict=True):
        np.testing.assert_allclose(found, same, rtol=0, atol=1e-6)
    for found, near in zip(applied(encoder, compute_dtype="bfloat16")(*arrays), expected, strict=True):
        assert 1e-4 < np.abs(found - near).max() < 0.5


@pytest.mark.parametrize("eos_token_id", [2, None])
def test_both_rules_of_the_last_token_of_clip(tmp_path: pathlib.Path, eos_token_id: int | None) -> None:
    """A vocabulary with a token after the last one tells them apart: early folders of CLIP take the highest."""
    folder = save_encoder_with_tokenizer(tmp_path, "clip")
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    text = config["text_config"]
    if eos_token_id is not None:
        text |= {"bos_token_id": 0, "eos_token_id": eos_token_id}
    path.write_text(json.dumps(config), encoding="utf-8")
    encoder = read_text_tower(str(folder))
    assert encoder.shape.tower.ends_at_highest == (eos_token_id == 2)
    check_parity(folder, TEXTS, 2e-5)
    # As if the highest id were an own token, which only the rule of the early folders takes for the last one.
    ids, mask = arrays_of(folder, TEXTS[:2])
    ids = ids.at[0, 0].set(encoder.shape.last_token + encoder.shape.first_id)
    shape = dataclasses.replace(encoder.shape, last_token=encoder.shape.last_token - 5)
    found = applied(dataclasses.replace(encoder, shape=shape))(ids, mask)[1]
    rows = np.concatenate(
        [np.full((2, 1), shape.first_token), np.where(mask, ids - 1, shape.padding_token)], axis=1
    )
    rows = np.concatenate([rows, np.full((2, 1), shape.padding_token)], axis=1)
    rows[np.arange(2), np.asarray(mask).sum(axis=1) + 1] = shape.last_token
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if eos_token_id is None:
        model.text_model.eos_token_id = shape.last_token
    with torch.no_grad():
        expected = model.get_text_features(input_ids=torch.tensor(rows))
    expected = getattr(expected, "pooler_output", expected).numpy()
    assert np.abs(applied(encoder)(ids, mask)[1] - expected).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


PHRASES = {
    "A brown horse and two women in Zürich": ("A brown horse", "two women", "horse and two", "Zürich"),
    "the dog chases 2 cats 😀 in the kitchen": ("the dog", "2 cats", "😀", "kitchen"),
}


def phrase_arrays(folder: pathlib.Path) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Token ids of texts, their mask, and which tokens the phrases in them have."""
    tokenizer = published_tokenizers(folder)[0]
    spans = np.zeros((len(PHRASES), 5, 2), np.int32)
    for row, (text, phrases) in enumerate(PHRASES.items()):
        offsets = tokenizer.encode(text).offsets
        for column, phrase in enumerate(phrases):
            begin = text.index(phrase)
            spans[row, column] = token_span(offsets, (begin, begin + len(phrase)))
    ids, mask = arrays_of(folder, list(PHRASES))
    places = np.arange(ids.shape[1])
    return ids, mask, jnp.asarray((spans[..., :1] <= places) & (places < spans[..., 1:]))


def test_a_span_has_the_embedding_of_its_words_alone(folder: pathlib.Path) -> None:
    encoder = read_text_tower(str(folder))
    tower = applied(encoder)
    ids, _, tokens = phrase_arrays(folder)
    found = embed_phrases(tower, ids, tokens, 12)
    assert found.shape == (2, 5, encoder.shape.tower.width_out)
    assert not found[:, 4].any()
    for row, phrases in enumerate(PHRASES.values()):
        expected = tower(*arrays_of(folder, list(phrases)))[1]
        distance = np.abs(found[row, :4] - expected).max(axis=1)
        if encoder.config.model_type != "siglip2":
            assert distance.max() < 2e-5
        else:
            # Words inside a text have the white space before them in their first token, if there is such a token.
            marked = tower(*arrays_of(folder, [f" {phrase}" for phrase in phrases]))[1]
            from_marked = np.abs(found[row, :4] - marked).max(axis=1)
            assert distance[0] < 2e-5 and distance.max() > 0.01
            assert np.minimum(distance, from_marked).max() < 2e-5


def test_a_long_phrase_loses_its_last_tokens(folder: pathlib.Path) -> None:
    tower = applied(read_text_tower(str(folder)))
    ids, _, tokens = phrase_arrays(folder)
    cut = tokens & (jnp.cumsum(tokens, axis=2) <= 2)
    np.testing.assert_allclose(
        embed_phrases(tower, ids, tokens, 2), embed_phrases(tower, ids, cut, 12), rtol=0, atol=2e-5
    )


def test_words_of_a_phrase_need_not_be_neighbours(folder: pathlib.Path) -> None:
    """As of "the car that stands there is red", whose car is red."""
    tower = applied(read_text_tower(str(folder)))
    ids, _, tokens = phrase_arrays(folder)
    found = embed_phrases(tower, ids, tokens[:, :1] | tokens[:, 3:4], ids.shape[1])
    for row in range(len(PHRASES)):
        own = np.asarray(ids)[row][np.asarray(tokens[row, 0] | tokens[row, 3])]
        expected = tower(jnp.asarray(own[None]), jnp.ones((1, len(own)), bool))[1]
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=2e-5)
