import json
import pathlib
import shutil

import pytest
import safetensors.numpy

from data_pipeline.errors import InputError
from data_pipeline.text.wordpiece import find_pretrained
from mcsan_jax.pretrained.bert_files import read_bert


@pytest.fixture
def copied(encoder_folder: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(encoder_folder, tmp_path / "encoder"))


def change_config(folder: pathlib.Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_model_with_a_head_has_the_same_encoder(copied: pathlib.Path) -> None:
    weights = copied / "model.safetensors"
    tensors = safetensors.numpy.load_file(weights)
    expected = read_bert(str(copied)).params()
    safetensors.numpy.save_file({f"bert.{name}": value for name, value in tensors.items()}, weights)
    found = read_bert(str(copied)).params()
    assert (
        found["layer_1"]["expand"]["Dense_0"]["kernel"] == expected["layer_1"]["expand"]["Dense_0"]["kernel"]
    ).all()


def test_what_is_not_such_an_encoder_is_refused(copied: pathlib.Path) -> None:
    change_config(copied, model_type="gpt2")
    with pytest.raises(InputError, match=r"config.json: model_type is 'gpt2'; only 'bert' is supported"):
        read_bert(str(copied))


def test_missing_files_are_named(copied: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/config.json does not exist; give the folder .* minilm"):
        find_pretrained(str(tmp_path / "nowhere"))
    (copied / "vocab.txt").unlink()
    with pytest.raises(InputError, match=r"no tokenizer; expected tokenizer.json, vocab.txt \(BERT\)"):
        read_bert(str(copied))


def test_damaged_weights_are_refused(copied: pathlib.Path) -> None:
    encoder = read_bert(str(copied))
    weights = copied / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"model.safetensors: not readable as safetensors"):
        encoder.params()
    weights.unlink()
    with pytest.raises(InputError, match=r"model.safetensors: not readable as safetensors"):
        encoder.params()


def test_weights_of_another_encoder_are_refused(copied: pathlib.Path) -> None:
    change_config(copied, intermediate_size=32)
    with pytest.raises(InputError, match=r"has the shape \(24, 16\); config.json asks for \(32, 16\)"):
        read_bert(str(copied)).params()
    change_config(copied, intermediate_size=24, num_hidden_layers=3)
    with pytest.raises(InputError, match=r"no tensor encoder.layer.2"):
        read_bert(str(copied)).params()
