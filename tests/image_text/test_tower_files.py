import hashlib
import json
import pathlib
import shutil
import subprocess
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy
import torch
import transformers

from data_pipeline.errors import InputError
from mcsan_jax.image_text.tower_files import (
    read_text_params,
    read_towers_config,
    read_vision_params,
    weights_sha256,
)
from tests.support.image_text_folder import save_towers


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return save_towers(tmp_path_factory.mktemp("written"))


@pytest.fixture
def folder(written: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy that a test may change."""
    return pathlib.Path(shutil.copytree(written, tmp_path / "an encoder"))


def change_weights(folder: pathlib.Path, **changed: np.ndarray | None) -> None:
    """Writes the weights again, with some others or without some; a "-" in place of each dot of a name."""
    path = folder / "model.safetensors"
    weights = safetensors.numpy.load_file(path)
    for name, value in changed.items():
        if value is None:
            del weights[name.replace("-", ".")]
        else:
            weights[name.replace("-", ".")] = value
    safetensors.numpy.save_file(weights, path)


def assert_same(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 0.0) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=0), found, expected)


def save_in_shards(source: pathlib.Path, target: pathlib.Path) -> None:
    shutil.copytree(source, target)
    (target / "model.safetensors").unlink()
    transformers.AutoModel.from_pretrained(source).save_pretrained(target, max_shard_size="20KB")


def test_several_files_hold_the_same_weights_as_one(written: pathlib.Path, tmp_path: pathlib.Path) -> None:
    save_in_shards(written, tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 3
    one, several = read_towers_config(written), read_towers_config(tmp_path / "shards")
    assert_same(read_vision_params(several), read_vision_params(one))
    assert_same(read_text_params(several), read_text_params(one))


def test_hashes_are_those_of_sha256sum(written: pathlib.Path, tmp_path: pathlib.Path) -> None:
    content = (written / "model.safetensors").read_bytes()
    assert weights_sha256(written) == hashlib.sha256(content).hexdigest()
    folder = tmp_path / "shards"
    save_in_shards(written, folder)
    listed = subprocess.run(
        ["sh", "-c", "LC_ALL=C; sha256sum *.safetensors"], cwd=folder, capture_output=True, check=True
    ).stdout
    assert weights_sha256(folder) == hashlib.sha256(listed).hexdigest()
    before = weights_sha256(folder)
    changed = sorted(folder.glob("*.safetensors"))[1]
    changed.write_bytes(changed.read_bytes()[:-1] + b"\1")
    assert weights_sha256(folder) != before


@pytest.mark.parametrize("dtype, tolerance", [("float16", 2e-3), ("bfloat16", 1e-2)])
def test_half_precision_becomes_float32(
    written: pathlib.Path, tmp_path: pathlib.Path, dtype: str, tolerance: float
) -> None:
    model = transformers.AutoModel.from_pretrained(written).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    found = read_vision_params(read_towers_config(tmp_path))
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(np.float32)}
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=1e-4),
        found,
        read_vision_params(read_towers_config(written)),
    )


def test_what_towers_do_not_need_is_left_alone(folder: pathlib.Path, written: pathlib.Path) -> None:
    positions = {
        "vision_model-embeddings-position_ids": np.arange(17)[None],
        "text_model-embeddings-position_ids": np.arange(16)[None],
    }
    change_weights(folder, **positions)
    assert_same(
        read_vision_params(read_towers_config(folder)), read_vision_params(read_towers_config(written))
    )


def test_all_wrong_weights_are_named_at_once(folder: pathlib.Path) -> None:
    """Also those of the other tower."""
    change_weights(
        folder,
        **{
            "vision_model-encoder-layers-1-mlp-fc1-weight": None,
            "vision_model-encoder-layers-0-mlp-fc1-weight": None,
            "text_model-encoder-layers-0-layer_norm1-bias": None,
            "visual_projection-weight": np.zeros((16, 31), np.float32),
            "vision_model-pre_layrnorm-bias": np.zeros(32, np.int32),
            "classifier-weight": np.zeros((2, 32), np.float32),
        },
    )
    config = read_towers_config(folder)
    for read in (read_vision_params, read_text_params):
        with pytest.raises(InputError) as raised:
            read(config)
        first, *lines = str(raised.value).splitlines()
        assert first.startswith(f"{folder}: expected the weights that config.json describes, found others;")
        assert sorted(lines) == [
            "  expected F32, F16, BF16, found I32: vision_model.pre_layrnorm.bias",
            "  expected the shape (16, 32), found (16, 31): visual_projection.weight",
            "  foreign: classifier.weight",
            "  missing: text_model.encoder.layers.(0).layer_norm1.bias, "
            "vision_model.encoder.layers.(0 1).mlp.fc1.weight",
        ]


def test_a_config_of_a_larger_encoder_does_not_fit(folder: pathlib.Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["vision_config"]["num_hidden_layers"] = 4
    path.write_text(json.dumps(config))
    with pytest.raises(InputError) as raised:
        read_text_params(read_towers_config(folder))
    (line,) = str(raised.value).splitlines()[1:]
    assert line.count("vision_model.encoder.layers.(2 3).") == 16 == line.count(",") + 1


def test_pickles_are_not_read(folder: pathlib.Path) -> None:
    weights = folder / "model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    message = r"expected model.safetensors, found pytorch_model.bin alone, a pickle, which can run code"
    with pytest.raises(InputError, match=message):
        weights_sha256(folder)
    with pytest.raises(InputError, match=message):
        read_vision_params(read_towers_config(folder))


def test_the_advice_for_pickles_works(folder: pathlib.Path) -> None:
    expected = read_vision_params(read_towers_config(folder))
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    torch.save({name: torch.tensor(value) for name, value in weights.items()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError) as raised:
        weights_sha256(folder)
    program = str(raised.value).partition('python -c "')[2].removesuffix('"')
    exec(program, {})
    assert_same(read_vision_params(read_towers_config(folder)), expected)


def test_missing_and_damaged_files_are_named(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    config = read_towers_config(folder)
    with pytest.raises(
        InputError, match=r"an encodr/config.json: .* no such file; did you mean .*an encoder\?"
    ):
        read_towers_config(tmp_path / "an encodr")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model.safetensors: expected safetensors, found .* download"):
        read_vision_params(config)
    weights.unlink()
    with pytest.raises(
        InputError, match=r"expected model.safetensors or model.safetensors.index.json, found neither"
    ):
        read_vision_params(config)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json: expected JSON"):
        read_towers_config(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config.json: expected names with values, found \[\]"):
        read_towers_config(folder)


@pytest.mark.parametrize("files", [{"a": "../model.safetensors"}, {"a": "one.safetensors", "b": 3}, {}, None])
def test_an_index_of_files_that_are_not_there_is_refused(folder: pathlib.Path, files: object) -> None:
    weights = folder / "model.safetensors"
    weights.rename(folder.parent / "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    with pytest.raises(InputError, match=r"safetensors.*expected"):
        weights_sha256(folder)
