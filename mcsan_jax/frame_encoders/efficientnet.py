"""This module is EfficientNet-Lite (Tan & Le 2019, in the variant for small devices), as a function of its weights.

It is EfficientNet without squeeze-and-excitation, with ReLU6, and with stem and head of one width in all sizes. Batch
norm is folded into the convolution before it (`efficientnet_files`), and padding is TensorFlow's ``SAME``.

A depthwise convolution is written as a sum of shifted pictures, one product for each place of the kernel. On processors
the network takes eight times as long with XLA's own depthwise convolution, and in TensorFlow three quarters of the
time. That is too little a gain for a second program whose results must be kept equal: this one serves processors and
accelerators alike. ``benchmarks/speed/extraction.py`` measures the three.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from data_pipeline.clips.picture_view import PictureView
from mcsan_jax.frame_encoders.efficientnet_files import read_weights, weights_file
from mcsan_jax.frame_encoders.efficientnet_shape import (
    HEAD_WIDTH,
    SHAPES,
    STEM_WIDTH,
    Block,
    EfficientNetShape,
)
from mcsan_jax.frame_encoders.frame_encoder import (
    EncodedFrames,
    check_pictures,
    encode_in_batches,
    region_weights,
)


class EfficientNet(nn.Module):
    """EfficientNet-Lite computes the last grid of pictures, after the head and before pooling.

    Axes: n pictures, with the rows and columns of the shape; the grid has a thirty-second of both.

    Attributes:
        shape: the sizes of the network.
    """

    shape: EfficientNetShape

    @nn.compact
    def __call__(self, pictures: UInt8[Array, "n row column 3"]) -> Float[Array, "n grid grid 1280"]:
        x = (pictures.astype(jnp.float32) - 127.0) / 128.0
        stem = nn.Conv(STEM_WIDTH, (3, 3), 2, "SAME", precision=_PRECISION, name="stem")
        x = nn.relu6(stem(x))
        for number, block in enumerate(self.shape.blocks):
            x = InvertedBottleneck(block, name=f"block_{number}")(x)
        return nn.relu6(_Cellwise(HEAD_WIDTH, name="head")(x))


class InvertedBottleneck(nn.Module):
    """This block widens, convolves each channel alone and narrows; its input is added where the sizes allow it.

    Attributes:
        block: its sizes.
    """

    block: Block

    @nn.compact
    def __call__(self, x: Float[Array, "n row column inputs"]) -> Float[Array, "n rows columns width"]:
        block = self.block
        inner = x
        if block.inner != block.inputs:
            inner = nn.relu6(_Cellwise(block.inner, name="expand")(inner))
        inner = nn.relu6(DepthwiseConv(block.side, block.stride, name="depthwise")(inner))
        result = _Cellwise(block.width, name="project")(inner)
        return x + result if result.shape == x.shape else result


class DepthwiseConv(nn.Module):
    """This convolution treats each channel alone: a sum of the shifted picture times one weight a channel.

    Attributes:
        side: rows and columns of the kernel.
        stride: the result has this fraction of the rows and columns, rounded up.
    """

    side: int
    stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "n row column c"]) -> Float[Array, "n rows columns c"]:
        width = x.shape[-1]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (self.side, self.side, width))
        bias = self.param("bias", nn.initializers.zeros_init(), (width,))
        rows, columns = (-(-size // self.stride) for size in x.shape[1:3])
        x = jnp.pad(x, ((0, 0), self._padding(x.shape[1]), self._padding(x.shape[2]), (0, 0)))
        total = jnp.broadcast_to(bias, (x.shape[0], rows, columns, width))
        for down in range(self.side):
            for right in range(self.side):
                places = (self._places(down, rows), self._places(right, columns))
                total += x[:, places[0], places[1]] * kernel[down, right][None, None, None]
        return total

    def _padding(self, size: int) -> tuple[int, int]:
        """Zeros before and after an axis, as TensorFlow's ``SAME`` adds them: the odd one after it."""
        zeros = max((-(-size // self.stride) - 1) * self.stride + self.side - size, 0)
        return zeros // 2, zeros - zeros // 2

    def _places(self, first: int, count: int) -> slice:
        return slice(first, first + (count - 1) * self.stride + 1, self.stride)


_PRECISION = jax.lax.Precision.HIGHEST
"""Products in float32 on accelerators as well, so that features are the same wherever they were extracted."""

_Cellwise = functools.partial(nn.Dense, precision=_PRECISION)
"""A convolution whose kernel is one cell is a product of matrices."""


@functools.partial(jax.jit, static_argnames="shape")
def _pooled(
    shape: EfficientNetShape, params: Any, pictures: Array, weights: Array | None
) -> Sequence[Float[Array, "n ..."]]:
    """Returns the mean of the last grid, [n, 1280], and its regions, [n, k, 1280], where weights of them are given."""
    grid: Any = EfficientNet(shape).apply({"params": params}, pictures)
    frames = jnp.mean(grid, axis=(1, 2))
    if weights is None:
        return (frames,)
    cells = jnp.reshape(grid, (len(grid), -1, HEAD_WIDTH))
    return frames, jnp.einsum("kc,ncw->nkw", weights, cells, precision=_PRECISION)


@dataclasses.dataclass(frozen=True)
class EfficientNetEncoder:
    """EfficientNet-Lite with published weights, as a `FrameEncoder`.

    Attributes:
        name: a key of `SHAPES`.
        sha256: the hash of the file of its weights.
        params: parameters of `EfficientNet`, and "classes", which makes scores of classes of the pooled vector.
        batch: pictures that are computed together; on processors two, because the grids of four are larger than a
            cache and take half as long again.
    """

    name: str
    sha256: str
    params: Any = dataclasses.field(repr=False)
    batch: int

    preprocessing = "(x - 127) / 128"
    width = region_width = HEAD_WIDTH

    @property
    def view(self) -> PictureView:
        """The middle of a frame, of which a margin of 16 pixels is cut off, as when the network was evaluated."""
        side = self._shape.picture
        return PictureView(resize=side + 32, crop=side, interpolation="bicubic")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the last grid: 7, 8 or 9."""
        return self._shape.grid, self._shape.grid

    def encode(
        self, pictures: UInt8[np.ndarray, "n row column 3"], regions: tuple[int, int] | None = None
    ) -> EncodedFrames:
        """Returns the pooled last grid of any number of pictures, and parts of it; see `FrameEncoder.encode`."""
        side = self._shape.picture
        check_pictures(pictures, side, side, self.name)
        weights = None if regions is None else region_weights(self.grid, regions)
        network = {name: value for name, value in self.params.items() if name != "classes"}
        program = functools.partial(_pooled, self._shape, network, weights=weights)
        frames, *others = encode_in_batches(program, pictures, self.batch)
        return EncodedFrames(frames, others[0] if others else None)

    def class_scores(self, frames: Float32[np.ndarray, "n 1280"]) -> Float32[np.ndarray, "n classes"]:
        """Returns what the network says of the 1,000 classes of ImageNet, as logits, of the frames of `encode`."""
        classes = self.params["classes"]
        return frames @ np.asarray(classes["kernel"]) + np.asarray(classes["bias"])

    @property
    def _shape(self) -> EfficientNetShape:
        return SHAPES[self.name]


def open_efficientnet(name: str) -> EfficientNetEncoder:
    """Opens an encoder whose weights are installed as a Python package (the extra ``video``).

    Args:
        name: a key of `SHAPES`.

    Raises:
        InputError: the package is not installed, or its file is damaged or not of this network.
    """
    file = weights_file(name)
    params, sha256 = read_weights(file, SHAPES[name])
    batch = 2 if jax.default_backend() == "cpu" else 128
    return EfficientNetEncoder(name, sha256, jax.device_put(params), batch)
