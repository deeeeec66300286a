"""Reads a published BERT encoder from its folder: ``config.json``, ``model.safetensors`` and its vocabulary."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.host.files import sha256_of
from data_pipeline.prepared_data import CONFIG_NAME, find_pretrained, published_tokenizers
from mcsan_jax.models.bert import BertShape

WEIGHTS_NAME = "model.safetensors"
_REQUIRED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}

_TENSORS = {
    "words/embedding": "embeddings.word_embeddings.weight",
    "places": "embeddings.position_embeddings.weight",
    "segments": "embeddings.token_type_embeddings.weight",
}
_NORMS = {"attention_norm": "attention.output.LayerNorm", "output_norm": "output.LayerNorm"}
_LINEAR = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "expand": "intermediate.dense",
    "contract": "output.dense",
}


@dataclasses.dataclass(frozen=True)
class PretrainedBert:
    """An encoder as it was published.

    Attributes:
        folder: where it was read.
        shape: its sizes and special tokens.
        tokenizer_sha256: hashes of the tokenizer files in the folder, hexadecimal.
    """

    folder: pathlib.Path
    shape: BertShape
    tokenizer_sha256: tuple[str, ...]

    @property
    def longest_text(self) -> int:
        """Returns the number of own tokens of the longest text."""
        return self.shape.places - 2

    def params(self) -> dict[str, Any]:
        """Parameters of `Bert`, float32.

        Raises:
            InputError: the weights are missing, damaged, or not of the encoder that ``config.json`` describes.
        """
        return _read_params(self.folder / WEIGHTS_NAME, self.shape)

    def weights_sha256(self) -> str:
        """Returns the SHA-256 of the weights, hexadecimal."""
        return sha256_of(self.folder / WEIGHTS_NAME)


def read_bert(name: str) -> PretrainedBert:
    """Describes an encoder; its weights are read by `PretrainedBert.params`.

    Args:
        name: as in `find_pretrained`.

    Raises:
        InputError: it is missing, or not a BERT encoder.
    """
    folder = find_pretrained(name)
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); download the encoder again") from error
    for key, expected in _REQUIRED.items():
        if config.get(key, expected) != expected:
            raise InputError(f"{path}: {key} is {config[key]!r}; only {expected!r} is supported")
    tokenizers = published_tokenizers(folder)
    pieces = tokenizers[0].pieces()
    try:
        shape = BertShape(
            vocabulary_size=config["vocab_size"],
            width=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner_width=config["intermediate_size"],
            places=config["max_position_embeddings"],
            segments=config["type_vocab_size"],
            norm_epsilon=config["layer_norm_eps"],
            first_token=pieces.index("[CLS]"),
            last_token=pieces.index("[SEP]"),
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path} or {folder / tokenizers[0].file_name}: {error} is missing; not a BERT encoder"
        ) from error
    return PretrainedBert(folder, shape, tuple(tokenizer.sha256 for tokenizer in tokenizers))


def installed_reader(name: str, tokenizer_sha256: str) -> PretrainedBert | None:
    """Returns an encoder if it is installed and reads the tokens of this tokenizer, else None.

    Args:
        name: as in `find_pretrained`.
        tokenizer_sha256: the hash of the tokenizer's file, hexadecimal.
    """
    try:
        encoder = read_bert(name)
    except InputError:
        return None
    return encoder if tokenizer_sha256 in encoder.tokenizer_sha256 else None


def _read_params(path: pathlib.Path, shape: BertShape) -> dict[str, Any]:
    import safetensors.numpy

    try:
        tensors = safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{path}: not readable as safetensors ({error}); download the encoder again"
        ) from error
    # Models with a head on top keep the encoder under this name.
    tensors = {name.removeprefix("bert."): value for name, value in tensors.items()}

    def tensor(name: str, *expected: int) -> np.ndarray:
        if name not in tensors:
            raise InputError(f"{path}: no tensor {name}; not the weights of the encoder in {CONFIG_NAME}")
        value = np.asarray(tensors[name], np.float32)
        if value.shape != expected:
            raise InputError(f"{path}: {name} has the shape {value.shape}; {CONFIG_NAME} asks for {expected}")
        return value

    def norm(name: str) -> dict[str, np.ndarray]:
        return {"scale": tensor(f"{name}.weight", shape.width), "bias": tensor(f"{name}.bias", shape.width)}

    def linear(name: str, inputs: int, outputs: int) -> dict[str, Mapping[str, np.ndarray]]:
        kernel = tensor(f"{name}.weight", outputs, inputs).T
        return {"Dense_0": {"kernel": kernel, "bias": tensor(f"{name}.bias", outputs)}}

    sizes = {"expand": (shape.width, shape.inner_width), "contract": (shape.inner_width, shape.width)}
    params: dict[str, Any] = {
        "words": {"embedding": tensor(_TENSORS["words/embedding"], shape.vocabulary_size, shape.width)},
        "places": tensor(_TENSORS["places"], shape.places, shape.width),
        "segments": tensor(_TENSORS["segments"], shape.segments, shape.width),
        "norm": norm("embeddings.LayerNorm"),
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}."
        params[f"layer_{layer}"] = {
            **{
                name: linear(prefix + place, *sizes.get(name, (shape.width, shape.width)))
                for name, place in _LINEAR.items()
            },
            **{name: norm(prefix + place) for name, place in _NORMS.items()},
        }
    return params
