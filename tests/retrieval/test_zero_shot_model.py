"""A model of an image-text encoder alone."""

import dataclasses
import gc
import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.levels import LEVELS
from mcsan_jax.config import ModelConfig
from mcsan_jax.data_sizes import data_shape, example_batch
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.ranking.encode_split import make_encoders
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.retrieval.model_folder import is_model_folder
from mcsan_jax.sharding import make_mesh
from tests.support.image_text_folder import WIDTHS_OUT, save_encoder_with_tokenizer

QUERIES = ["a man rides a brown horse", "two women talk in the kitchen", "guitar"]
DEVICE = jax.devices()[:1]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_encoder_with_tokenizer(tmp_path_factory.mktemp("clip"), places=40)


@pytest.fixture(scope="module")
def model(encoder: pathlib.Path) -> Mcsan:
    return Mcsan.from_pretrained(encoder, DEVICE)


def features(dim: int = WIDTHS_OUT["clip"]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {f"video{row}": draw.standard_normal((3 + row, dim)).astype(np.float16) for row in range(3)}


def scores(model: Mcsan) -> Any:
    return model.similarity(model.encode_query(QUERIES), model.encode_document(features()))


def test_it_needs_no_training_and_no_data(model: Mcsan, encoder: pathlib.Path) -> None:
    found = scores(model)
    assert np.asarray(found).shape == (3, 3) and np.ptp(np.asarray(found)) > 0.05
    assert set(found.explain(0, 1).scores) == {"fused", *LEVELS}
    (stream,) = model.manifest.streams
    assert (stream.name, stream.dim) == ("frames", WIDTHS_OUT["clip"])
    assert stream.provenance is not None and stream.provenance.opened_as == str(encoder)
    # Nothing but the tower, the weights of the levels and the temperature has parameters.
    sizes = {
        name: sum(leaf.size for leaf in jax.tree.leaves(tree))
        for name, tree in model.variables["params"].items()
    }
    assert sizes.pop("zero_shot_branch") > 1000 and sum(sizes.values()) == len(LEVELS) + 1


def test_a_network_that_will_learn_begins_with_the_same_scores(model: Mcsan) -> None:
    """All of them, on every level; its own parameters are drawn, and its last maps are zero."""
    learning = ModelConfig(
        pretrained_video=model.config.model.pretrained_video, context="pretrained", width=16
    )
    config = dataclasses.replace(model.config, model=learning)
    network = MCSAN(config, data_shape(model.manifest), zero_shot=model.encoders.network.zero_shot)
    variables = jax.jit(network.init)(jax.random.key(3), example_batch(config, model.manifest))
    branch = model.variables["params"]["zero_shot_branch"]
    variables["params"]["zero_shot_branch"]["tower"] = branch["tower"]
    begun = Mcsan(
        config,
        model.manifest,
        variables,
        model._texts_from,
        encoders=make_encoders(network, make_mesh(DEVICE)),
    )
    ours, theirs = scores(begun), scores(model)
    # Two programs may round the last digit differently.
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=3e-7)
    for level in LEVELS:
        np.testing.assert_allclose(ours.levels[level], theirs.levels[level], rtol=0, atol=3e-7)


def test_a_model_folder_of_it_works_on_its_own(
    model: Mcsan, encoder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Also where the encoder is gone: its text tower and its tokenizer are carried along."""
    copy = pathlib.Path(shutil.copytree(encoder, tmp_path / "encoder"))
    opened = Mcsan.from_pretrained(copy, DEVICE)
    opened.save_pretrained(tmp_path / "model")
    shutil.rmtree(copy)
    assert is_model_folder(tmp_path / "model")
    again = Mcsan.from_pretrained(tmp_path / "model", DEVICE)
    np.testing.assert_array_equal(np.asarray(scores(again)), np.asarray(scores(model)))
    assert "zero-shot" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_its_files_go_with_it(encoder: pathlib.Path) -> None:
    opened = Mcsan.from_pretrained(encoder, DEVICE)
    texts = opened._texts_from
    assert (texts / "attributes.json").is_file()
    del opened
    gc.collect()
    assert not texts.exists()


def test_a_folder_of_another_kind_of_encoder_is_no_model(tmp_path: pathlib.Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(InputError, match=r"holds neither a model .*clip, siglip or siglip2"):
        Mcsan.from_pretrained(tmp_path)
