"""Folders of models: published text encoders, writing over an earlier one, interruptions, cards."""

import dataclasses
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy

import mcsan_jax.retrieval.model_folder as written
from data_pipeline.errors import InputError
from data_pipeline.host.files import sha256_of
from data_pipeline.levels import GLOBAL
from data_pipeline.manifest import FRAMES
from mcsan_jax.config import Config, defaults, from_config_dict
from mcsan_jax.data_sizes import data_shape, example_batch
from mcsan_jax.models.mcsan import MCSAN
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.initial_parameters import read_encoder, with_pretrained
from mcsan_jax.ranking.encode_split import make_encoders
from mcsan_jax.retrieval.model import Mcsan
from mcsan_jax.sharding import make_mesh
from tests.support.image_text_folder import save_encoder_with_tokenizer
from tests.support.prepared_data import make_record, make_stream, write_prepared
from tests.support.small_encoder import save_encoder


@pytest.fixture(params=["bert", "clip"])
def encoder(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> pathlib.Path:
    if request.param == "bert":
        return save_encoder(tmp_path / "encoder")
    return save_encoder_with_tokenizer(tmp_path / "encoder", request.param)


def config_with(encoder: pathlib.Path, learning_rate: float = 0.0) -> Config:
    values = defaults()
    values.name = "tested"
    values.data.update(
        max_frames=5, max_tokens=8, max_actions=2, max_entities=3, max_relationships=3, max_modifiers=2
    )
    values.model.update(levels=(GLOBAL,), width=8, context="pretrained", pretrained=str(encoder))
    values.optim.pretrained_learning_rate = learning_rate
    return from_config_dict(values)


def untrained(config: Config, folder: pathlib.Path, change: float = 0.0) -> Mcsan:
    """A model of the first values; those of its text encoder are the published ones, plus a number."""
    published = read_encoder(config.model.pretrained)
    streams = (make_stream("appearance", FRAMES, 6),)
    manifest = write_prepared(folder, streams, {"train": [make_record("v", streams, 0)]}).manifest
    tokenizer = dataclasses.replace(manifest.tokenizer, sha256=published.tokenizer_sha256[0])
    manifest = dataclasses.replace(manifest, tokenizer=tokenizer)
    for name in (manifest.tokenizer.file, manifest.attributes.file):
        (folder / name).write_text(name)
    network = MCSAN(config, data_shape(manifest), published.shape)
    drawn = jax.jit(network.init)(jax.random.key(0), example_batch(config, manifest))
    params = jax.tree.map(lambda value: value + np.float32(change), published.params())
    variables = {**drawn, "params": with_pretrained(drawn["params"], params)}
    mesh = make_mesh(jax.devices()[:1])
    return Mcsan(config, manifest, variables, folder, encoders=make_encoders(network, mesh), step=3)


def assert_same(model: Mcsan, other: Mcsan) -> None:
    jax.tree.map(np.testing.assert_array_equal, model.variables, other.variables)
    assert (model.config, model.step) == (other.config, other.step)


def tensors_of_encoder(folder: pathlib.Path) -> list[str]:
    names = safetensors.numpy.load_file(folder / "model.safetensors")
    return [name for name in names if PRETRAINED in name]


def test_a_frozen_encoder_is_referred_to_or_carried_along(
    encoder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    model = untrained(config_with(encoder), tmp_path / "data")
    refers, carries = tmp_path / "refers", tmp_path / "carries"
    model.save_pretrained(refers)
    model.save_pretrained(carries, include_encoder=True)
    assert not tensors_of_encoder(refers) and tensors_of_encoder(carries)
    assert_same(Mcsan.from_pretrained(refers), model)
    away = shutil.move(encoder, tmp_path / "away")
    with pytest.raises(InputError, match=rf"the model in {refers} reads captions with .*--include_encoder"):
        Mcsan.from_pretrained(refers)
    opened = Mcsan.from_pretrained(carries)
    assert_same(opened, model)
    # A copy of the copy needs no encoder either, and one that refers to it is as the first.
    opened.save_pretrained(tmp_path / "again", include_encoder=True)
    assert_same(Mcsan.from_pretrained(tmp_path / "again"), model)
    opened.save_pretrained(tmp_path / "lean")
    assert (tmp_path / "lean" / "config.json").read_text() == (refers / "config.json").read_text()
    shutil.move(away, encoder)
    assert_same(Mcsan.from_pretrained(tmp_path / "lean"), model)
    weights = encoder / "model.safetensors"
    stored = safetensors.numpy.load_file(weights)
    changed = {name: np.asarray(value + np.float32(1)) for name, value in stored.items()}
    safetensors.numpy.save_file(changed, weights)
    with pytest.raises(InputError, match=f"have {sha256_of(weights)}: install the same version"):
        Mcsan.from_pretrained(refers)


def test_an_encoder_that_learned_is_always_carried_along(
    encoder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    model = untrained(config_with(encoder, learning_rate=1e-3), tmp_path / "data", change=0.5)
    model.save_pretrained(tmp_path / "model")
    shutil.rmtree(encoder)
    assert_same(Mcsan.from_pretrained(tmp_path / "model"), model)


def content(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_written_over_an_earlier_one_at_once(
    finished_run: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Mcsan.from_pretrained(finished_run)
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    assert len({path.stat().st_mode for path in folder.rglob("*") if path.is_file()}) == 1
    (folder / ".gitattributes").write_text("of the user")
    before = content(folder)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(written, "package_versions", full)
        for place in (folder, tmp_path / "new"):
            with pytest.raises(OSError, match="No space left"):
                model.save_pretrained(place, dtype="float16")
    assert content(folder) == before
    model.save_pretrained(tmp_path / "new")
    # Over itself, too: the files of the tokenizer are read from the folder that is written.
    opened = Mcsan.from_pretrained(folder)
    opened.save_pretrained(folder, dtype="float16")
    assert content(folder).keys() == before.keys()
    assert len(content(folder)["model.safetensors"]) < 0.6 * len(before["model.safetensors"])
    assert Mcsan.from_pretrained(folder).step == model.step


def test_the_card_of_a_model_is_kept(finished_run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    model = Mcsan.from_pretrained(finished_run)
    assert model.licence == "Apache-2.0: made on the spot by this package"
    model.save_pretrained(tmp_path / "model")
    again = Mcsan.from_pretrained(tmp_path / "model")
    assert again.card == model.card == (finished_run / "model" / "README.md").read_text()
    assert again.licence == model.licence


def test_a_model_without_figures_says_so(encoder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    untrained(config_with(encoder), tmp_path / "data").save_pretrained(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "**This card has no figures**" in card and "model-index" not in card
    # Nothing is said of a licence that nobody stated.
    assert "license:" not in card and "licence of the annotations: UNKNOWN, fill in" in card
    assert "1 training videos" in card and "appearance [6] from made by a test" in card


def test_half_precision_leaves_what_it_cannot_hold(encoder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    model = untrained(config_with(encoder), tmp_path / "data")
    deviation = model.variables["statistics"]["frame_statistics"]["std"]
    model.variables["statistics"]["frame_statistics"]["std"] = np.full_like(deviation, 1e-9)
    video = model.variables["params"]["video_encoder"]
    name = min(video)
    video[name] = jax.tree.map(lambda value: np.full_like(value, 1e6), video[name])
    model.save_pretrained(tmp_path / "half", dtype="float16")
    again = Mcsan.from_pretrained(tmp_path / "half").variables
    jax.tree.map(np.testing.assert_array_equal, again["statistics"], model.variables["statistics"])
    jax.tree.map(np.testing.assert_array_equal, again["params"]["video_encoder"][name], video[name])
    with pytest.raises(InputError, match="dtype is 'float8'; expected one of float32, float16"):
        model.save_pretrained(tmp_path / "other", dtype="float8")
    assert not (tmp_path / "other").exists()
