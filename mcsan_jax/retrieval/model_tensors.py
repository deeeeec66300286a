"""This module names the tensors of a model, one for each parameter and statistic, by the keys that lead to it.

It also reads them.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from data_pipeline.errors import Faults, InputError
from mcsan_jax.models.text_encoder import PRETRAINED
from mcsan_jax.pretrained.initial_parameters import PretrainedEncoder

ADVICE = "Export the model again, or copy its folder anew."
_SEPARATOR = "/"
DTYPES = ("float32", "float16")
_FEATURE_STATISTICS = ("statistics/frame_statistics", "statistics/region_statistics")
_ENCODER_PLACE = ("params", "text_encoder", "tokens", PRETRAINED)


def read_variables(
    path: pathlib.Path, like: Any, encoder: PretrainedEncoder | None = None, sha256: str = ""
) -> dict[str, Any]:
    """Reads parameters and statistics.

    Args:
        path: the file of the tensors.
        like: the variables of the network, of which only shapes and types count.
        encoder: the installed text encoder whose parameters are not in the file; None where all are.
        sha256: that its weights should have, hexadecimal.

    Raises:
        InputError: the tensors are damaged or of another network, or the installed encoder is another one.
    """
    import safetensors
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: not readable as safetensors ({error}). {ADVICE}") from error
    if encoder is not None:
        if (found := encoder.weights_sha256()) != sha256:
            raise InputError(
                f"the model reads captions with a published encoder whose weights have the SHA-256 {sha256}; those in "
                f"{encoder.folder} have {found}: install the same version of it, or export the model with "
                "--include_encoder"
            )
        published = flattened(encoder.params())
        prefix = _SEPARATOR.join(_ENCODER_PLACE)
        tensors |= {f"{prefix}{_SEPARATOR}{name}": value for name, value in published.items()}
    expected = flattened(like)
    faults = Faults()
    for name in sorted(expected.keys() ^ tensors.keys()):
        faults.add(
            f"{path}: {'no tensor' if name in expected else 'no place for the tensor'} {name}. {ADVICE}"
        )
    for name in sorted(expected.keys() & tensors.keys()):
        if tensors[name].size != np.prod(expected[name].shape, dtype=int):
            faults.add(
                f"{path}: {name} has the shape {list(tensors[name].shape)}; the configuration asks for "
                f"{list(expected[name].shape)}. {ADVICE}"
            )
    faults.check()
    return _nested(
        {name: tensors[name].astype(wanted.dtype).reshape(wanted.shape) for name, wanted in expected.items()}
    )


def in_dtype(name: str, value: np.ndarray, dtype: str) -> np.ndarray:
    """Returns a tensor as it is kept.

    The statistics of features stay float32, because a small deviation would become zero, and so does a tensor with a
    value that float16 cannot hold.
    """
    with np.errstate(over="ignore"):
        rounded = value.astype(dtype)
    if name.startswith(_FEATURE_STATISTICS) or not np.isfinite(rounded).all():
        return value
    return rounded


def of_encoder(name: str) -> bool:
    """Returns whether a tensor is one of the published text encoder."""
    return tuple(name.split(_SEPARATOR))[: len(_ENCODER_PLACE)] == _ENCODER_PLACE


def flattened(tree: Any) -> dict[str, Any]:
    """Returns the leaves of nested dictionaries by the keys that lead to them; arrays come to the host."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        _SEPARATOR.join(str(step.key) for step in path): (
            leaf if isinstance(leaf, jax.ShapeDtypeStruct) else np.asarray(leaf)
        )
        for path, leaf in leaves
    }


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, last = name.split(_SEPARATOR)
        inner = tree
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return tree
