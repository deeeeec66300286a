"""The network of EfficientNet-Lite in other forms, for the benchmark of extraction: how else it could be computed.

One forward pass is written over a few operations, and the operations once with XLA's convolutions and once with
TensorFlow's. The third form, with which features are made, is `mcsan_jax.frame_encoders.efficientnet`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.host.tensorflow import load_tensorflow
from mcsan_jax.frame_encoders.efficientnet import EfficientNetEncoder
from mcsan_jax.frame_encoders.efficientnet_shape import SHAPES

Weights = dict[str, np.ndarray]
Form = Callable[[np.ndarray], np.ndarray]
"""Turns a batch of pictures, uint8 [n, row, column, 3], into vectors, float32 [n, 1280]."""


@dataclasses.dataclass(frozen=True)
class Operations:
    """What a forward pass is made of; all with TensorFlow's padding ``SAME``, and without the bias.

    Attributes:
        convolution: of pictures, a kernel [row, column, input, output] and a stride.
        depthwise: of pictures, a kernel [row, column, channel] and a stride.
        relu6, mean: the activation, and the mean over rows and columns.
    """

    convolution: Callable[[Any, np.ndarray, int], Any]
    depthwise: Callable[[Any, np.ndarray, int], Any]
    relu6: Callable[[Any], Any]
    mean: Callable[[Any], Any]


def forward(pictures: Any, name: str, params: dict[str, Any], made_of: Operations) -> Any:
    """The pooled vectors of pictures, float32 [n, row, column, 3]."""

    def bias(weights: Weights) -> np.ndarray:
        return weights["bias"][None, None, None]

    def cellwise(x: Any, weights: Weights) -> Any:
        return made_of.convolution(x, weights["kernel"][None, None], 1) + bias(weights)

    x = (pictures - 127.0) / 128.0
    x = made_of.relu6(made_of.convolution(x, params["stem"]["kernel"], 2) + bias(params["stem"]))
    for number, block in enumerate(SHAPES[name].blocks):
        weights = params[f"block_{number}"]
        inner = made_of.relu6(cellwise(x, weights["expand"])) if "expand" in weights else x
        depthwise = weights["depthwise"]
        inner = made_of.depthwise(inner, depthwise["kernel"], block.stride) + bias(depthwise)
        result = cellwise(made_of.relu6(inner), weights["project"])
        x = x + result if result.shape == x.shape else result
    return made_of.mean(made_of.relu6(cellwise(x, params["head"])))


def with_xla_convolutions(encoder: EfficientNetEncoder) -> Form:
    """The form with XLA's own depthwise convolution, on JAX's device."""

    def convolution(x: jax.Array, kernel: np.ndarray, stride: int, groups: int = 1) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x,
            jnp.asarray(kernel),
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
            precision=jax.lax.Precision.HIGHEST,
        )

    made_of = Operations(
        convolution,
        lambda x, kernel, stride: convolution(x, kernel[:, :, None], stride, kernel.shape[-1]),
        jax.nn.relu6,
        lambda x: jnp.mean(x, axis=(1, 2)),
    )
    params = jax.tree.map(np.asarray, encoder.params)
    program = jax.jit(lambda pictures: forward(pictures.astype(jnp.float32), encoder.name, params, made_of))
    return lambda pictures: np.asarray(program(pictures))


def with_tensorflow(encoder: EfficientNetEncoder, batch: int) -> Form:
    """The form of TensorFlow, on the processors, for batches of one size."""
    tf = load_tensorflow()
    made_of = Operations(
        lambda x, kernel, stride: tf.nn.conv2d(x, kernel, stride, "SAME"),
        lambda x, kernel, stride: tf.nn.depthwise_conv2d(
            x, kernel[..., None], (1, stride, stride, 1), "SAME"
        ),
        tf.nn.relu6,
        lambda x: tf.reduce_mean(x, (1, 2)),
    )
    params = jax.tree.map(np.asarray, encoder.params)
    side = SHAPES[encoder.name].picture
    program = tf.function(
        lambda pictures: forward(tf.cast(pictures, tf.float32), encoder.name, params, made_of),
        input_signature=[tf.TensorSpec((batch, side, side, 3), tf.uint8)],
        autograph=False,
    )
    return lambda pictures: program(tf.constant(pictures)).numpy()
