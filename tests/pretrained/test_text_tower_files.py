"""What is wrong with the folder of an image–text encoder whose text tower is to be read."""

import json
import pathlib
import shutil

import pytest

from data_pipeline.errors import InputError
from mcsan_jax.pretrained.initial_parameters import read_encoder
from mcsan_jax.pretrained.text_tower_files import PretrainedTextTower, read_text_tower
from tests.support.image_text_folder import save_encoder_with_tokenizer
from tests.support.image_text_tokenizers import TEXTS, WRITERS
from tests.support.small_encoder import save_encoder

KINDS = tuple(WRITERS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp("encoders")
    return {kind: save_encoder_with_tokenizer(folder / kind, kind) for kind in KINDS}


@pytest.fixture
def copied(made: dict[str, pathlib.Path], tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    return {kind: shutil.copytree(folder, tmp_path / kind) for kind, folder in made.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_recognised_by_its_description(made: dict[str, pathlib.Path], kind: str) -> None:
    encoder = read_encoder(str(made[kind]))
    assert isinstance(encoder, PretrainedTextTower)
    assert encoder.shape.tower.family == ("clip" if kind == "clip" else "siglip")
    assert encoder.longest_text == 28 - (2 if kind == "clip" else 1)
    assert len(encoder.tokenizer_sha256) == (2 if kind == "clip" else 1)


def test_bert_is_still_bert(tmp_path: pathlib.Path) -> None:
    assert not isinstance(read_encoder(str(save_encoder(tmp_path / "bert"))), PretrainedTextTower)


def test_siglip_2_of_fixed_size_calls_itself_siglip(copied: dict[str, pathlib.Path]) -> None:
    """As its published folders do: the tokenizer, not the description, says which words it reads."""
    for name in ("spiece.model", "tokenizer_config.json"):
        (copied["siglip"] / name).unlink()
    size = WRITERS["siglip2"](copied["siglip"])
    change_vocabulary(copied["siglip"], size)
    shape = read_text_tower(str(copied["siglip"])).shape
    assert (shape.first_token, shape.last_token, shape.padding_token) == (None, 1, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_without_a_tokenizer_is_named(copied: dict[str, pathlib.Path], kind: str) -> None:
    for name in ("tokenizer.json", "vocab.json", "merges.txt", "spiece.model"):
        (copied[kind] / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=rf"{kind}: no tokenizer; expected .*download the encoder again"):
        read_text_tower(str(copied[kind]))


@pytest.mark.parametrize(("kind", "other"), [("clip", "siglip2"), ("siglip2", "clip"), ("siglip", "clip")])
def test_a_tokenizer_of_another_encoder_is_named(
    copied: dict[str, pathlib.Path], kind: str, other: str
) -> None:
    shutil.copy(copied[other] / "tokenizer.json", copied[kind] / "tokenizer.json")
    with pytest.raises(
        InputError, match=rf"tokenizer\.json: expected .*{kind}.*, found one of the kind {other};"
    ):
        read_text_tower(str(copied[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_of_another_size_is_named(copied: dict[str, pathlib.Path], kind: str) -> None:
    size = read_text_tower(str(copied[kind])).shape.tower.vocabulary_size
    smaller = WRITERS[kind](copied[kind], TEXTS[:2])
    assert smaller < size
    with pytest.raises(InputError, match=f"expected {size} tokens, as .*config.json says, found {smaller};"):
        read_text_tower(str(copied[kind]))


def test_a_folder_that_is_no_encoder_is_named(
    copied: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    with pytest.raises(
        InputError, match=r"nowhere/config\.json does not exist; give the folder of BERT, CLIP"
    ):
        read_encoder(str(tmp_path / "nowhere"))
    (copied["clip"] / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json: not readable as JSON"):
        read_encoder(str(copied["clip"]))


def change_vocabulary(folder: pathlib.Path, size: int) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["text_config"]["vocab_size"] = size
    path.write_text(json.dumps(config), encoding="utf-8")
